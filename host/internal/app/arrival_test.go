package app

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
)

// fakeCompiler is a compiler with or without means.
type fakeCompiler struct {
	overloaded atomic.Bool
	asked      atomic.Int32
	stuck      chan struct{} // nil: it gets on; else it waits, and says here that it does
}

func (*fakeCompiler) Dir() string { return "" }

func (m *fakeCompiler) Compile(ctx context.Context, _ string, _ []byte, _ uint64) (func(), time.Duration, error) {
	m.asked.Add(1)
	if m.stuck != nil {
		m.stuck <- struct{}{}
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}
	if m.overloaded.Load() {
		return nil, 0, busy{}
	}
	return func() {}, 0, nil
}

// busy is what happens without.
type busy struct{}

func (busy) Error() string       { return "took more than 1s of processor time; try again" }
func (busy) Cause() policy.Fault { return policy.FaultBusy }

// named sets the policy of the default tenant.
func named(path, onFailure string) func(*config.Config) {
	return func(c *config.Config) { c.Plugin = config.Plugin{Path: path, OnLoadFailure: onFailure} }
}

func brokenPolicy(t *testing.T) string {
	file := t.TempDir() + "/broken.wasm"
	if err := os.WriteFile(file, []byte("\x00asm\x01\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// degradedFor wants one reason, which begins and ends so.
func (r *running) degradedFor(begin, end string) {
	r.t.Helper()
	if got := r.degraded(); len(got) != 1 || !strings.HasPrefix(got[0], begin) || !strings.HasSuffix(got[0], end) {
		r.t.Errorf("degraded: %q, want %q ... %q", got, begin, end)
	}
}

// TestStartWithoutMeans: a policy that could not be compiled at the time is an
// error like any other, and one that says so.
func TestStartWithoutMeans(t *testing.T) {
	m := &fakeCompiler{}
	m.overloaded.Store(true)
	c := configOf(func(c *config.Config) {
		named("fixed", "")(c)
		c.Declared = []config.Tenant{{Name: "shop", Plugin: config.Plugin{Path: "adaptive"}}}
	})
	try := func() error {
		a, err := New(t.Context(), Config{Load: func() (*config.Config, error) { return c, nil }, Stdout: io.Discard, Stderr: io.Discard, compiler: m})
		if err == nil {
			t.Fatal("no error", a.Close())
		}
		return err
	}
	var ps config.Problems
	var again interface{ TryAgain() bool }
	err := try()
	if !errors.As(err, &ps) || len(ps) != 2 || !strings.Contains(ps[1].Hint, "try again") || !errors.As(err, &again) || !again.TryAgain() {
		t.Errorf("%v, %+v", err, ps)
	}
	c.Declared[0].Plugin.Path = brokenPolicy(t) // with that, trying again is no use
	if err := try(); !errors.As(err, &again) || again.TryAgain() {
		t.Error(err)
	}
}

// TestLostPolicyIsTriedAgain by itself, without a question.
func TestLostPolicyIsTriedAgain(t *testing.T) {
	m := &fakeCompiler{}
	m.overloaded.Store(true)
	r := startWith(t, m, named("fixed", "native"))
	r.degradedFor("tenant default: policy fixed (", ") is not in force: busy")
	waitFor(t, func() bool { return m.asked.Load() > 1 })
	r.degradedFor("tenant default: policy fixed (", ") is not in force: busy")
	m.overloaded.Store(false)
	waitFor(t, func() bool { return len(r.degraded()) == 0 })
	if got := r.tenantRuntime("default").tenant.Loaded(); got != 1 {
		t.Errorf("%d guests", got)
	}
	if rule := r.tenantRuntime("default").rule(); !strings.HasPrefix(rule, "policy fixed (") {
		t.Error(rule)
	}
	wants(t, r.quiesce(), `"msg":"policy not loaded, native default answers"`, `"cause":"busy"`, `"msg":"policy loaded, after a failure"`)
}

// TestReloadKeepsThePolicy that is in force where the next cannot be loaded.
func TestReloadKeepsThePolicy(t *testing.T) {
	broken := brokenPolicy(t)
	for _, onFailure := range []string{"", "native"} {
		t.Run("on failure "+onFailure, func(t *testing.T) {
			r := start(t, named("fixed", ""))
			digest := r.tenantRuntime("default").tenant.Digest()
			err := r.reload(configOf(func(c *config.Config) {
				named(broken, onFailure)(c)
				c.Timeouts.Idle = config.Duration(7 * time.Second)
			}))
			if (err == nil) != (onFailure == "native") {
				t.Fatal(err)
			}
			if got := r.tenantRuntime("default").tenant.Digest(); got != digest || r.tenantRuntime("default").tenant.Loaded() != 1 {
				t.Errorf("digest %q, was %q", got, digest)
			}
			if rule := r.tenantRuntime("default").rule(); !strings.HasPrefix(rule, "policy fixed (") {
				t.Error(rule)
			}
			idle := r.current.Timeouts.Idle.D()
			if onFailure == "" {
				r.degradedFor("configuration not reloaded, the one before is in force: plugin.path: policy \"broken.wasm\": gate: ", "")
			} else {
				r.degradedFor("tenant default: policy broken.wasm (", ") is not in force: refused; fixed stays")
			}
			if (idle == 7*time.Second) != (onFailure == "native") {
				t.Errorf("idle %v", idle)
			}
			if err := r.reload(configOf(named("fixed", onFailure))); err != nil || len(r.degraded()) != 0 {
				t.Error(err, r.degraded())
			}
			wants(t, r.metricsText(), `host_policy_loads_total{outcome="ok",tenant="default"} 1`)
		})
	}
}

// TestReloadIsTriedAgain where only means were lacking.
func TestReloadIsTriedAgain(t *testing.T) {
	for _, onFailure := range []string{"", "native"} {
		t.Run("on failure "+onFailure, func(t *testing.T) {
			m := &fakeCompiler{}
			r := startWith(t, m, named("fixed", ""))
			first := r.tenantRuntime("default").tenant.Digest()
			m.overloaded.Store(true)
			r.next.Store(configOf(named("adaptive", onFailure)))
			r.signals <- syscall.SIGHUP
			waitFor(t, func() bool { return m.asked.Load() >= 3 }) // fixed, and adaptive twice
			if got := r.tenantRuntime("default").tenant.Digest(); got != first {
				t.Errorf("digest %q, was %q", got, first)
			}
			if got := r.degraded(); len(got) != 1 {
				t.Errorf("degraded: %q", got)
			}
			r.next.Store(nil) // what the file says meanwhile is not asked
			m.overloaded.Store(false)
			waitFor(t, func() bool { return len(r.degraded()) == 0 && r.tenantRuntime("default").tenant.Digest() != first })
		})
	}
}

// TestUploadedPolicyIsNotInForce: what the store says is active and cannot be
// loaded, after a restart, is told and tried again too.
func TestUploadedPolicyIsNotInForce(t *testing.T) {
	m := &fakeCompiler{}
	dir := t.TempDir()
	edit := func(c *config.Config) { c.Store.Dir = dir }
	r := startWith(t, m, edit)
	r.create("shop")
	digest := r.upload("shop", learner(t, 1))
	r.promote("shop", digest)
	r.quiesce()

	m.overloaded.Store(true)
	r = startWith(t, m, edit)
	r.tenantRuntime("shop").tenant.Warm(t.Context()) // somebody has come
	r.degradedFor("tenant shop: policy "+digest[:12], " is not in force: busy")
	m.overloaded.Store(false)
	waitFor(t, func() bool { return len(r.degraded()) == 0 && r.tenantRuntime("shop").tenant.Loaded() == 1 })
}

// TestUploadWithoutMeans is neither refused nor kept.
func TestUploadWithoutMeans(t *testing.T) {
	m := &fakeCompiler{}
	r := startWith(t, m, func(c *config.Config) { c.Store.Dir = t.TempDir() })
	r.create("shop")
	file := learner(t, 1)
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m.overloaded.Store(true)
	_, _, err = r.control.Upload(t.Context(), operator, "shop", api.Upload{Wasm: wasm})
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 503 || p.RetryAfter <= 0 || p.Cause != "busy" {
		t.Fatalf("%v", err)
	}
	list, err := r.control.Policies(t.Context(), "shop")
	if err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	m.overloaded.Store(false)
	r.upload("shop", file)
}

// TestSignalsAreHeardWhilePoliciesLoad, at the start and at a reload.
func TestSignalsAreHeardWhilePoliciesLoad(t *testing.T) {
	m := &fakeCompiler{stuck: make(chan struct{})}
	c := configOf(named("fixed", ""))
	signals := make(chan os.Signal, 2)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), Config{Load: func() (*config.Config, error) { return c, nil }, Stdout: io.Discard, Stderr: io.Discard, compiler: m}, signals)
	}()
	<-m.stuck
	signals <- syscall.SIGHUP
	signals <- syscall.SIGTERM
	if err := <-ended; err != nil {
		t.Error(err)
	}

	r := startWith(t, m, nil)
	r.next.Store(c)
	r.signals <- syscall.SIGHUP
	<-m.stuck
	r.signals <- syscall.SIGTERM
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

// TestReasonsAreBounded: thousands of tenants make no page of a probe.
func TestReasonsAreBounded(t *testing.T) {
	m := &fakeCompiler{}
	m.overloaded.Store(true)
	r := startWith(t, m, func(c *config.Config) {
		for i := range mostNamed + 5 {
			name := "t" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			c.Declared = append(c.Declared, config.Tenant{Name: name, Plugin: config.Plugin{Path: "fixed", OnLoadFailure: "native"}})
		}
	})
	got := r.degraded()
	if len(got) != mostNamed+1 || got[mostNamed] != "and 5 more policies are not in force" || slices.Contains(got[:mostNamed], "") {
		t.Errorf("%d reasons: %q", len(got), got)
	}
}
