package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"idlehost/host/internal/engine"
	"idlehost/host/internal/policy"
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
}

// maxModule bounds what is read from a file, in bytes; the engine's own limit
// is lower.
const maxModule = 64 << 20

// findModule reads the policy that the configuration names; nil if it names
// none. A file comes first, then a bundled policy.
func findModule(c *config.Config) (*module, error) {
	p := c.Plugin
	if p.Path == "" {
		return nil, nil
	}
	file := p.Path
	if !filepath.IsAbs(file) {
		file = filepath.Join(p.Dir, file)
	}
	m := &module{name: filepath.Base(file), params: p.Config}
	var err error
	m.wasm, m.bundled, err = readPolicy(file, p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.Problem("plugin.path", fmt.Sprintf("%q is neither a file nor a bundled policy", p.Path),
			"bundled: "+strings.Join(plugins.Names(), ", "))
	} else if err != nil {
		return nil, c.Problem("plugin.path", err.Error(), "")
	}
	sum := sha256.Sum256(m.wasm)
	m.digest = hex.EncodeToString(sum[:])
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
	if errors.Is(err, fs.ErrNotExist) {
		if wasm, bundled = plugins.Lookup(name); bundled {
			return wasm, true, nil
		}
	}
	return wasm, false, err
}

func readModule(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", file))
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
	return m.digest == o.digest && maps.Equal(m.params, o.params)
}

// install puts the configured policy in charge at the start. One that cannot
// be loaded leaves the native one in charge, so that no connection suffers for
// it; parameters that it refuses are a mistake of the configuration, which the
// operator at the terminal wants to hear of.
func (a *App) install(ctx context.Context, c *config.Config, m *module) error {
	if m == nil {
		a.say("the native fixed policy decides")
		return nil
	}
	p, err := a.load(ctx, m)
	if err == nil {
		a.seat(m, p)
		return nil
	}
	fault := faultOf(err)
	if fault == policy.FaultConfigure {
		return c.Problem("plugin.config", err.Error(), "see the policy's README for its parameters")
	}
	a.tenant.Lose(fault, m.digest)
	a.logger.Error("policy not loaded, native default answers",
		"tenant", a.tenant.Name(), "policy", m.name, "digest", tenant.Short(m.digest), "cause", fault.String(), "error", err)
	a.say(fmt.Sprintf("policy %s could not be loaded (%s): the native fixed policy decides", m.name, fault))
	return nil
}

// load loads m, which takes over what the policy in charge has learned.
func (a *App) load(ctx context.Context, m *module) (*engine.Policy, error) {
	src := engine.Source{Name: m.name, Wasm: m.wasm, Params: m.params}
	a.tenant.Guest(func(g tenant.Guest) {
		src.State = engine.State(g.Learned())
	})
	p, err := a.engine.Load(ctx, src)
	a.metrics.Loaded(a.tenant.Name(), faultOf(err))
	return p, err
}

// seat puts a loaded policy in charge; nil: the native one.
func (a *App) seat(m *module, p *engine.Policy) {
	a.module = m
	if p == nil {
		a.tenant.Replace(nil)
		a.say("the native fixed policy decides")
		return
	}
	a.tenant.Replace(guest{p})
	a.say(fmt.Sprintf("policy %s (%s) decides", m.name, tenant.Short(m.digest)))
}

// guest is a loaded policy as a tenant has it.
type guest struct{ *engine.Policy }

// Learned returns a copy of what it has learned.
func (g guest) Learned() tenant.State { return tenant.State(g.State()) }

func (a *App) say(rule string) { a.rule.Store(&rule) }

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

// guestSays passes on what a policy logs. Its text is anybody's: it is quoted
// by the log format.
func guestSays(logger *slog.Logger) func(module string, level int, msg string) {
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	return func(module string, level int, msg string) {
		level = min(max(level, 0), len(levels)-1)
		logger.Log(context.Background(), levels[level], "policy says", "policy", module, "text", msg)
	}
}
