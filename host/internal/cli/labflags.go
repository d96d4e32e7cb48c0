package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"idlehost/host/internal/app"
	"idlehost/host/internal/lab"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/plugins"
)

// assumptions are the flags that say what a replay assumes.
type assumptions struct {
	trace     string
	tenant    string
	worth     time.Duration
	rtt       time.Duration
	trips     int64
	handshake time.Duration
	holdBytes int64
	limit     int64
	seed      uint64
	parallel  int
	asJSON    bool
	quiet     bool
}

func (a *assumptions) flags(set *pflag.FlagSet) {
	set.SortFlags = false
	s := lab.DefaultSetting()
	set.StringVar(&a.trace, "trace", "", "`file` to replay: a recording, an access log, a TSV of requests; may be gzip'd")
	set.StringVar(&a.tenant, "tenant", "", "only the connections of this tenant of a recording")
	set.DurationVar(&a.worth, "worth", time.Duration(s.WorthMs)*time.Millisecond, "the price: how much time of holding it is worth to spare a client one reconnect")
	set.DurationVar(&a.rtt, "rtt", time.Duration(s.RoundTripMs)*time.Millisecond, "a round trip, where the recording does not tell")
	set.Int64Var(&a.trips, "round-trips", s.RoundTrips, "round trips of a reconnect, where the recording does not tell")
	set.DurationVar(&a.handshake, "handshake-cpu", time.Duration(s.HandshakeUs)*time.Microsecond, "processor time of a full handshake")
	set.Int64Var(&a.holdBytes, "hold-bytes", 0, "bytes that an idle connection takes (default: what the host reckons, by protocol)")
	set.Int64Var(&a.limit, "limit", 0, "connections that may be open at once; beyond, the one idle longest has to go (default: any number)")
	set.Uint64Var(&a.seed, "seed", s.Seed, "of the random numbers that policies are given")
	set.IntVar(&a.parallel, "parallel", 0, "policies played at once (default: one a processor)")
	set.BoolVar(&a.asJSON, "json", false, "print the study as JSON")
	set.BoolVarP(&a.quiet, "quiet", "q", false, "no progress")
}

// setting is what the flags say, checked.
func (a *assumptions) setting() (study.Setting, error) {
	s := study.Setting{
		Seed: a.seed, WorthMs: a.worth.Milliseconds(), RoundTripMs: a.rtt.Milliseconds(), RoundTrips: a.trips,
		HandshakeUs: a.handshake.Microseconds(), HoldBytes: a.holdBytes, Limit: a.limit, Tenant: a.tenant,
	}
	switch {
	case a.trace == "":
		return s, usagef("host --record FILE writes one; an access log will do", "--trace: no file is named")
	case a.worth < 0 || a.worth > 24*time.Hour:
		return s, usagef("", "--worth: %v is not within 0 to 24h", a.worth)
	case a.rtt < 0 || a.rtt > time.Minute:
		return s, usagef("", "--rtt: %v is not within 0 to 1m", a.rtt)
	case a.trips < 0 || a.trips > 100:
		return s, usagef("", "--round-trips: %d is not within 0 to 100", a.trips)
	case a.handshake < 0 || a.handshake > time.Minute:
		return s, usagef("", "--handshake-cpu: %v is not within 0 to 1m", a.handshake)
	case a.holdBytes < 0 || a.holdBytes > 1<<30:
		return s, usagef("", "--hold-bytes: %d is not within 0 to 1 GiB", a.holdBytes)
	case a.limit < 0 || a.limit > 1<<30:
		return s, usagef("", "--limit: %d is not within 0 to 1073741824", a.limit)
	case a.parallel < 0:
		return s, usagef("", "--parallel: %d is negative", a.parallel)
	}
	return s, nil
}

// config is what the flags say of the recording; it is opened once to see that
// it can be.
func (a *assumptions) config(eng *engine.Engine) (lab.Config, error) {
	s, err := a.setting()
	if err != nil {
		return lab.Config{}, err
	}
	cfg := lab.Config{
		Open: func() (lab.Recording, error) { return openRecording(a.trace) }, Engine: eng, Setting: s, Tenant: a.tenant,
	}
	r, err := cfg.Open()
	if err != nil {
		return cfg, err
	}
	return cfg, r.Close()
}

// openEngine returns an engine that compiles apart, as the host does: a policy
// that is tried may be anybody's.
func openEngine(ctx context.Context) (eng *engine.Engine, closing func(), err error) {
	compiler, err := compile.New(ctx, compile.Config{Argv: []string{os.Args[0], compileApart}, Version: version()})
	if err != nil {
		return nil, nil, fmt.Errorf("compile apart: %w", err)
	}
	eng, err = engine.New(ctx, engine.Config{Compiler: compile.Loader{Compiler: compiler}})
	if err != nil {
		compiler.Close()
		return nil, nil, err
	}
	return eng, func() { eng.Close(); compiler.Close() }, nil
}

// policies reads what --policy says.
func policies(specs []string) (all []lab.Policy, err error) {
	for _, spec := range specs {
		p, err := lab.Parse(spec, findPolicy)
		if err != nil {
			return nil, &usageError{err: err, hint: "bundled: " + strings.Join(plugins.Names(), ", ")}
		}
		all = append(all, p...)
	}
	return all, nil
}

func findPolicy(module string) ([]byte, error) {
	wasm, err := app.ReadPolicy(module)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is neither a file nor a bundled policy", filepath.Base(module))
	}
	return wasm, err
}
