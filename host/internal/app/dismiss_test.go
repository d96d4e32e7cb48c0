package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant"
	"idlehost/host/internal/tenant/spec"
)

// linger makes tenant a, whose upstream answers /slow when release is called,
// and begins such a request: until then, a is being removed.
func (r *running) linger() (release func()) {
	r.t.Helper()
	entered, free := make(chan struct{}, 1), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			entered <- struct{}{}
			<-free
		}
		fmt.Fprint(w, "slow ")
	}))
	r.t.Cleanup(s.Close)
	spec := spec.Spec{Hosts: []string{"a.example"}, Upstreams: []string{s.URL}}
	if _, _, err := r.control.PutTenant(r.t.Context(), operator, "a", spec, api.Precondition{}); err != nil {
		r.t.Fatal(err)
	}
	w := dialWire(r.t, r)
	fmt.Fprint(w.nc, "GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n")
	<-entered
	return func() { close(free) }
}

func (r *running) remove(name string) {
	r.t.Helper()
	if err := r.control.DeleteTenant(r.t.Context(), operator, name, api.Precondition{Match: "*"}); err != nil {
		r.t.Fatal(err)
	}
}

// TestTheFarewellOfATenantSparesItsSuccessor: of the same name, made while the
// first one's last request is still under way.
func TestTheFarewellOfATenantSparesItsSuccessor(t *testing.T) {
	r := startMany(t, nil)
	release := r.linger()
	old := r.tenantRuntime("a")
	digest := r.upload("a", learner(t, 1))
	r.promote("a", digest)
	old.tenant.Warm(t.Context())
	dialWire(t, r).ask("a.example") // something to learn from
	r.remove("a")
	r.create("a")
	dialWire(t, r).ask("a.example")
	release()
	r.hosting.removals.Wait()
	wants(t, r.metricsText(), `host_policy_asks_total{event="accept",outcome="native",tenant="a"}`) // the end of a removed tenant asks nobody
	if _, err := r.store.State(t.Context(), "a", digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what the first one's policy had learned is the second one's: %v", err)
	}
}

func TestADismissedTenantLeavesNothing(t *testing.T) {
	r := startMany(t, nil)
	file := learner(t, 1)
	for i := range 3 {
		r.create("a")
		m := r.tenantRuntime("a")
		digest := r.upload("a", file)
		r.promote("a", digest)
		w := dialWire(t, r)
		w.ask("a.example")
		got, done := make(chan api.Decision, 64), make(chan error, 1)
		go func() {
			done <- r.control.Decisions(t.Context(), "a", func(d api.Decision) error { got <- d; return nil })
		}()
		for len(got) == 0 { // until the stream is open
			dialWire(t, r).ask("a.example")
		}
		r.remove("a")
		if err := <-done; err != nil {
			t.Errorf("round %d: the stream ended with %v", i, err)
		}
		r.hosting.removals.Wait()
		r.listeners.active[0].at(m) // by a connection that was being routed meanwhile
		if _, ok := r.listeners.active[0].targets.Load(m); ok {
			t.Errorf("round %d: its target is kept", i)
		}
		if err := r.hosting.Try(t.Context(), "a", nil, spec.Release{Digest: digest}); err == nil {
			t.Error("a tenant that is gone tries policies")
		}
		m.keepPreloaded(spec.Release{Digest: digest}, mustLoad(t, m, digest))
		if m.preloaded != nil {
			t.Error("what was tried is kept by a tenant that is gone")
		}
		if g, err := m.group(m.snapshot.Load(), []string{"http://127.0.0.1:1"}); err == nil {
			t.Errorf("it makes upstreams: %v", g)
		}
	}
	if left, err := os.ReadDir(r.current.Store.Dir + "/states"); err != nil || len(left) > 0 {
		t.Errorf("states = %v, %v", left, err)
	}
}

func mustLoad(t *testing.T, m *tenantRuntime, digest string) tenant.Guest {
	t.Helper()
	v := tenant.Version{Digest: digest}
	g, err := m.load(t.Context(), v, nil, m.tenant.Heritage(v))
	if err != nil {
		t.Fatal(err)
	}
	return g
}
