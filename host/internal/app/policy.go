package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/tenant"
	"idlehost/plugins"
)

// module is a policy as configured, not loaded yet.
type module struct {
	name    string // the file's, or the bundled policy's
	wasm    []byte
	digest  string
	params  map[string]string
	bundled bool
	isolate bool // it runs in a worker
}

// maxModule bounds what is read from a file, in bytes; the engine's own limit
// is lower.
const maxModule = 64 << 20

// findModule reads a policy that the configuration names; nil if it names
// none. A file comes first, then a bundled policy. path begins the keys.
func findModule(c *config.Config, path string, p config.Plugin) (*module, error) {
	if p.Path == "" {
		return nil, nil
	}
	file := p.Path
	if !filepath.IsAbs(file) {
		file = filepath.Join(p.Dir, file)
	}
	m := &module{name: filepath.Base(file), params: p.Config, isolate: p.Isolate}
	var err error
	m.wasm, m.bundled, err = readPolicy(file, p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.Problem(path+"plugin.path", fmt.Sprintf("%q is neither a file nor a bundled policy", p.Path),
			"bundled: "+strings.Join(plugins.Names(), ", "))
	} else if err != nil {
		return nil, c.Problem(path+"plugin.path", err.Error(), "")
	}
	m.digest = policy.Digest(m.wasm)
	return m, nil
}

// ReadPolicy reads the policy that a command line names: a file, else a
// bundled one. The error is fs.ErrNotExist where path is neither.
func ReadPolicy(path string) ([]byte, error) {
	wasm, _, err := readPolicy(path, path)
	return wasm, err
}

func readPolicy(file, name string) (wasm []byte, bundled bool, err error) {
	wasm, err = readModule(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDirectory) {
		if wasm, bundled := plugins.Lookup(name); bundled {
			return wasm, true, nil
		}
	}
	return wasm, false, err
}

// errDirectory: a directory is no policy, whatever it is called.
var errDirectory = errors.New("it is a directory")

func readModule(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is not a regular file: %w", file, errDirectory)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	wasm, err := io.ReadAll(io.LimitReader(f, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(wasm) > maxModule {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, maxModule)
	}
	return wasm, nil
}

// same reports whether loading m again would change nothing.
func (m *module) same(o *module) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.digest == o.digest && m.isolate == o.isolate && maps.Equal(m.params, o.params)
}

// version is the module as package tenant has it.
func (m *module) version() tenant.Version { return tenant.Version{Digest: m.digest, Params: m.params} }

// loadDeclared loads a declared policy, which takes over what the one in charge
// has learned.
func (h *hosting) loadDeclared(ctx context.Context, d *declaration) (g tenant.Guest, err error) {
	src := engine.Source{
		Name: d.module.name, Wasm: d.module.wasm, Params: d.module.params, MemoryPages: uint32(d.spec.Limits.MemoryPages),
		Log: func(module string, level int, msg string) { h.guestSays(d.name, module, level, msg) },
	}
	if m := h.tenants.get(d.name); m != nil {
		src.State = m.tenant.Heritage(d.module.version())
	}
	if d.module.isolate && h.workers != nil {
		g, err = h.loadApart(ctx, src, d.name, d.spec.OwnWorker())
	} else {
		g, err = h.loadHere(ctx, src)
	}
	h.metrics.Loaded(d.name, faultOf(err))
	return g, err
}

// lost says why the active version could not be loaded; nil: it could, or has
// not been needed yet.
func (m *tenantRuntime) lost() *tenant.Loss {
	for _, l := range m.tenant.Losses() {
		if l.Role == policy.RoleActive {
			return &l
		}
	}
	return nil
}

// rule tells a person who decides about a tenant's connections.
func (m *tenantRuntime) rule() string {
	s := m.snapshot.Load()
	lost := m.lost()
	switch {
	case s.module != nil && lost != nil:
		return fmt.Sprintf("policy %s could not be loaded (%s): the native fixed policy decides", s.module.name, lost.Fault)
	case s.module != nil:
		return fmt.Sprintf("policy %s (%s) decides", s.module.name, policy.ShortDigest(s.module.digest))
	case m.tenant.Digest() != "":
		return fmt.Sprintf("policy %s decides", policy.ShortDigest(m.tenant.Digest()))
	}
	return "the native fixed policy decides"
}

// faultOf returns the cause of a failed load; FaultNone of a good one.
func faultOf(err error) policy.Fault {
	var fault *engine.FaultError
	switch {
	case err == nil:
		return policy.FaultNone
	case errors.As(err, &fault):
		return fault.Fault
	}
	return policy.FaultNotLoaded
}

// says passes on what a policy of the tenant's logs, at the tenant's rate.
func (m *tenantRuntime) says(module string, level int, msg string) {
	m.host.lines.Said(m.accepted, module, levelOf(level), msg)
}

// guestSays passes on what a declared policy logs, which is loaded before its
// tenant has a runtime.
func (h *hosting) guestSays(tenant, module string, level int, msg string) {
	if m := h.tenants.get(tenant); m != nil {
		m.says(module, level, msg)
		return
	}
	h.logger.Log(context.Background(), levelOf(level), "policy says", "tenant", tenant, "policy", module, "text", msg)
}

// levelOf returns a level of the ABI.
func levelOf(level int) slog.Level {
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	return levels[min(max(level, 0), len(levels)-1)]
}
