package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
	"idlehost/host/internal/tenant/spec"
	"idlehost/host/internal/testnet"
)

func TestStartPutsTenantsInForce(t *testing.T) {
	st, err := file.Open(t.TempDir(), file.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, r := range []*store.Tenant{
		{Name: "a", Spec: spec.Spec{Hosts: []string{"a.example"}}},
		{Name: "file", Spec: spec.Spec{Hosts: []string{"old.example"}}, Rollout: spec.Rollout{Active: &spec.Release{Digest: "x"}}}, // made before the file named it
		{Name: "forgotten", Declared: true},
		{Name: "free", Declared: true},
		{Name: "fixed", Declared: true},
	} {
		if err := st.Create(t.Context(), r, store.Entry{}); err != nil {
			t.Fatal(err)
		}
	}
	rt := newRuntime()
	rt.declared = append(rt.declared, api.Tenant{Name: "file"}, api.Tenant{Name: "free"}, api.Tenant{Name: "fixed"})
	rt.fixed["fixed"] = true
	var log bytes.Buffer
	c := control.New(control.Config{Store: st, Runtime: rt, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("it starts twice")
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("it starts after its end")
	}
	if len(rt.applied) != 4 || !rt.applied["fixed"].Declared || rt.applied["a"].Declared || !rt.applied["file"].Declared || !rt.applied["free"].Declared {
		t.Errorf("in force: %v", rt.applied)
	}
	if !strings.Contains(log.String(), "declares a tenant that the store has too") || !strings.Contains(log.String(), "tenant=file") {
		t.Errorf("log: %s", log.String())
	}
}

// TestStartLeavesOutWhatCannotBe: the others are in force.
func TestStartLeavesOutWhatCannotBe(t *testing.T) {
	h := newHouse(t)
	h.create("a", spec.Spec{})
	h.create("b", spec.Spec{})
	var log bytes.Buffer
	rt := newRuntime()
	rt.failing = errors.New("host a.example belongs to file")
	c := control.New(control.Config{Store: h.store, Runtime: rt, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "not put in force"); n != 2 || !strings.Contains(log.String(), "belongs to file") {
		t.Errorf("log: %s", log.String())
	}
}

// TestOthersChangesAreFollowed: what another process does to the store holds
// here.
func TestOthersChangesAreFollowed(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	until := func(what string, ok func() bool) {
		t.Helper()
		testnet.Eventually(t, "in force is what was "+what, ok)
	}
	if err := h.store.Create(ctx, &store.Tenant{Name: "new"}, store.Entry{}); err != nil {
		t.Fatal(err)
	}
	until("created", func() bool { return h.runtime.record("new") != nil })
	r, err := h.store.Update(ctx, "new", func(r *store.Tenant) (store.Entry, error) {
		r.Spec.RewriteHost = true
		return store.Entry{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	until("changed", func() bool { return h.runtime.record("new").Revision == r.Revision })
	err = h.store.Delete(ctx, "new", func(*store.Tenant) (store.Entry, error) { return store.Entry{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	until("deleted", func() bool { return h.runtime.record("new") == nil })
}

// sweeper counts the sweeps of a store that has nothing.
type sweeper struct {
	store.Store
	mu     sync.Mutex // guards the following
	sweeps int
	block  bool
}

func (s *sweeper) Tenants(context.Context, string, int) ([]*store.Tenant, error) { return nil, nil }
func (s *sweeper) Watch(func(string)) (stop func())                              { return func() {} }

func (s *sweeper) Sweep(ctx context.Context) (int, error) {
	s.mu.Lock()
	s.sweeps++
	block := s.block
	s.mu.Unlock()
	if block {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 1, errors.New("a sweep that fails is no reason to stop")
}

func (s *sweeper) count() int { s.mu.Lock(); defer s.mu.Unlock(); return s.sweeps }

func TestHousekeeping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sweeper{}
		c := control.New(control.Config{Store: s, Runtime: newRuntime()})
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Minute - 1)
		synctest.Wait()
		if n := s.count(); n != 0 {
			t.Errorf("%d sweeps before ten minutes", n)
		}
		time.Sleep(1)
		synctest.Wait()
		if n := s.count(); n != 1 {
			t.Errorf("%d sweeps after ten minutes", n)
		}
		s.mu.Lock()
		s.block = true
		s.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := s.count(); n != 2 {
			t.Errorf("%d sweeps after twenty minutes", n)
		}
		if err := c.Close(); err != nil { // ends the one under way, and waits for it
			t.Error(err)
		}
	})
}

// TestHammer does everything at once to few tenants. What is in force in the
// end is what the store has.
func TestHammer(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	names := []string{"a", "b", "c"}
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 40 {
				name := names[(w+i)%len(names)]
				var err error
				switch (w*7 + i) % 8 {
				case 0:
					_, _, err = h.PutTenant(ctx, operator, name, spec.Spec{Hosts: []string{name + ".example"}}, api.Precondition{})
				case 1, 2:
					var p *api.Policy
					p, _, err = h.Upload(ctx, operator, name, api.Upload{Wasm: fmt.Appendf(nil, "%d", i%3)})
					if err == nil {
						_, err = h.Step(ctx, operator, name, api.Step{Kind: api.StepPromote, Digest: p.Digest}, api.Precondition{})
					}
				case 3:
					_, err = h.Step(ctx, operator, name, api.Step{Kind: api.StepRollback}, api.Precondition{})
				case 4:
					err = h.DeletePolicy(ctx, operator, name, policy.Digest([]byte("0")))
				case 5:
					if i%4 == 0 {
						err = h.DeleteTenant(ctx, operator, name, api.Precondition{Match: "*"})
					}
				case 6:
					_, err = h.Tenants(ctx, "", 0)
				case 7:
					var release func()
					if release, err = h.MayUpload(ctx, name); err == nil {
						release()
					}
				}
				switch kind(err) {
				case "", api.KindNotFound, api.KindConflict, api.KindPrecondition, api.KindPreconditionNeed, api.KindBusy:
				default:
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
	if n := h.left(); n != 0 {
		t.Errorf("%d rooms and lines are left", n)
	}
	for _, name := range names {
		kept, err := h.store.Tenant(ctx, name)
		now := h.runtime.record(name)
		if errors.Is(err, store.ErrNotFound) {
			kept = nil
		}
		// Uploads and deletions put nothing else in force: the watch tells of them.
		if (kept == nil) != (now == nil) || kept != nil &&
			(kept.SpecRevision != now.SpecRevision || !reflect.DeepEqual(kept.Rollout.Active, now.Rollout.Active)) {
			t.Errorf("%s: the store has %+v, in force is %+v", name, kept, now)
		}
	}
}

func TestConnectionsAndDecisions(t *testing.T) {
	h := newHouse(t)
	_, err := h.Connections(t.Context(), "default", api.ConnectionQuery{Client: "::ffff:192.0.2.1", Version: "ABCD", Limit: 5000})
	if q := h.runtime.query; err != nil || q.Client != "192.0.2.1" || q.Version != "abcd" || q.Limit != 1000 {
		t.Errorf("%+v, %v", q, err)
	}
	for field, q := range map[string]api.ConnectionQuery{
		"limit": {Limit: -1}, "client": {Client: "x"}, "version": {Version: "xyz"}, "min_idle": {MinIdle: -1}, "min_age": {MinAge: -1},
	} {
		_, err := h.Connections(t.Context(), "default", q)
		if p := wantKind(t, field, err, api.KindInvalid); p.Field != field {
			t.Errorf("%s: field %q", field, p.Field)
		}
	}
	page, err := h.Connections(t.Context(), "default", api.ConnectionQuery{})
	if err != nil || page.Items == nil || h.runtime.query.Limit != 100 {
		t.Errorf("%+v, %v", page, err)
	}
	h.runtime.decided = make([]api.Decision, 3)
	enough, n := errors.New("enough"), 0
	err = h.Decisions(t.Context(), "default", func(api.Decision) error {
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
}

func BenchmarkStart10000(b *testing.B) {
	st, err := file.Open(b.TempDir(), file.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	var all sync.WaitGroup
	for w := range 100 {
		all.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("t%d-%d", w, i)
				err := st.Create(b.Context(), &store.Tenant{
					Name: name, Spec: spec.Spec{Hosts: []string{name + ".example"}},
					Versions: []store.Version{{Digest: policy.Digest([]byte(name))}},
					Rollout:  spec.Rollout{Active: &spec.Release{Digest: policy.Digest([]byte(name))}},
				}, store.Entry{})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	for b.Loop() {
		rt := newRuntime()
		c := control.New(control.Config{Store: st, Runtime: rt})
		if err := c.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		if len(rt.applied) != 10_000 {
			b.Fatalf("%d are in force", len(rt.applied))
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUploadKnown(b *testing.B) {
	st, err := file.Open(b.TempDir(), file.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	rt := newRuntime()
	rt.limits = func(string) api.EffectiveLimits { return api.EffectiveLimits{UploadBytes: 4 << 20} }
	c := control.New(control.Config{Store: st, Runtime: rt})
	defer c.Close()
	wasm := bytes.Repeat([]byte("module"), 300_000) // 1.8 MB
	b.ReportAllocs()
	n := 0
	for b.Loop() { // a tenant each: the version is new to it, the module is not
		name := fmt.Sprintf("t%d", n)
		n++
		if _, _, err := c.PutTenant(b.Context(), operator, name, spec.Spec{}, api.Precondition{}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c.Upload(b.Context(), operator, name, api.Upload{Wasm: wasm}); err != nil {
			b.Fatal(err)
		}
	}
	if rt.checks != 1 {
		b.Errorf("checked %d times", rt.checks)
	}
}
