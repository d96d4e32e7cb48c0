package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// full is a tenant with something in every field.
func full(name string) *store.Tenant {
	at := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	_, d := module(1)
	release := &spec.Release{Digest: d, Params: map[string]string{"k": "<v> & \u2028 \x00"}}
	return &store.Tenant{
		Name: name, Declared: true, Created: at, Changed: at,
		Spec: spec.Spec{
			Hosts: []string{"a.example", "*.b.example"}, Destinations: []string{"192.0.2.0/24"},
			Upstreams: []string{"http://u.example"}, RewriteHost: true,
			Limits: spec.Limits{Connections: 1, ClientConnections: 2, FuelPerSecond: math.MaxInt64, MemoryPages: 4,
				LogRate: 5, LogBurst: 6, Floor: spec.Duration(time.Second), Ceiling: spec.Duration(time.Hour)},
			Guard: spec.Guard{Faults: 0.1, EarlyCloses: -1, LateRequests: 1e-300, MinSamples: 7}, RequireSignature: true,
		},
		Versions: []store.Version{{Digest: d, Name: "n", Uploaded: at, By: "b", SignedBy: "s", Served: true}},
		Keys:     []store.Key{{ID: "i", Public: "p", Comment: "c", Added: at}},
		Rollout: spec.Rollout{Active: release, Canary: release, Percent: 12.5, Shadow: release, Past: []spec.Release{*release},
			Since: at, Rollback: &spec.Rollback{Digest: d, Automatic: true, Reason: "r", At: at}},
	}
}

func testTenant(t *testing.T, s store.Store) {
	_, err := s.Tenant(t.Context(), "a")
	wants(t, err, store.ErrNotFound)
	made := full("a")
	must(t, s.Create(t.Context(), made, entry("a", "x")))
	if made.Revision == 0 || made.SpecRevision != made.Revision || made.RolloutRevision != made.Revision {
		t.Errorf("revisions %d, %d, %d: want one, not 0", made.Revision, made.SpecRevision, made.RolloutRevision)
	}
	got, err := s.Tenant(t.Context(), "a")
	must(t, err)
	same(t, "tenant", got, made)

	again := &store.Tenant{Name: "a"}
	wants(t, s.Create(t.Context(), again, entry("a", "again")), store.ErrExists)
	if again.Revision != 0 {
		t.Error("a tenant that was not made has a revision")
	}
	got, err = s.Tenant(t.Context(), "a")
	must(t, err)
	same(t, "tenant that exists", got, made)
}

func testTenantNames(t *testing.T, s store.Store) {
	for _, name := range []string{"", "-a", "a-", "A", "a.b", "../a", "a/b", "a\x00", "\xff", "\u00e4"} {
		wants(t, s.Create(t.Context(), &store.Tenant{Name: name}, entry("", "x")), store.ErrInvalid)
		_, err := s.Tenant(t.Context(), name)
		wants(t, err, store.ErrNotFound)
		_, err = s.Update(t.Context(), name, func(*store.Tenant) (store.Entry, error) { return store.Entry{}, nil })
		wants(t, err, store.ErrNotFound)
		wants(t, s.Delete(t.Context(), name, nil), store.ErrNotFound)
	}
	all, err := s.Tenants(t.Context(), "", 0)
	must(t, err)
	if len(all) != 0 {
		t.Errorf("there are %d tenants", len(all))
	}
}

// testTenantValues: what cannot be kept is refused, not changed.
func testTenantValues(t *testing.T, s store.Store) {
	bad := &store.Tenant{Name: "a"}
	bad.Rollout.Percent = math.NaN()
	wants(t, s.Create(t.Context(), bad, entry("a", "x")), store.ErrInvalid)
	create(t, s, "a")
	_, err := s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		u.Spec.Guard.Faults = math.Inf(1)
		return entry("a", "x"), nil
	})
	wants(t, err, store.ErrInvalid)
	if got, err := s.Tenant(t.Context(), "a"); err != nil || got.Spec.Guard.Faults != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func testTenants(t *testing.T, s store.Store) {
	all, err := s.Tenants(t.Context(), "", 0)
	must(t, err)
	if len(all) != 0 {
		t.Fatalf("an empty store has %d tenants", len(all))
	}
	for _, n := range []string{"b", "a-a", "a", "ab", "0", "a0", "c"} {
		create(t, s, n)
	}
	for _, c := range []struct {
		after string
		limit int
		want  string
	}{
		{"", 0, "[0 a a-a a0 ab b c]"}, {"", 1, "[0]"}, {"", 3, "[0 a a-a]"}, {"a", 2, "[a-a a0]"}, {"a", 0, "[a-a a0 ab b c]"},
		{"c", 0, "[]"}, {"c", 5, "[]"}, {"aa", 1, "[ab]"}, {"", 7, "[0 a a-a a0 ab b c]"}, {"", 100, "[0 a a-a a0 ab b c]"},
		{"\xff/..", 0, "[]"}, {"A", 1, "[a]"},
	} {
		got, err := s.Tenants(t.Context(), c.after, c.limit)
		must(t, err)
		names := []string{}
		for _, one := range got {
			names = append(names, one.Name)
		}
		if fmt.Sprint(names) != c.want {
			t.Errorf("after %q, limit %d: %v, want %s", c.after, c.limit, names, c.want)
		}
	}
	one, err := s.Tenant(t.Context(), "b")
	must(t, err)
	got, err := s.Tenants(t.Context(), "ab", 1)
	must(t, err)
	same(t, "a tenant in the list", got, []*store.Tenant{one})
}

func testUpdate(t *testing.T, s store.Store) {
	made := full("a")
	must(t, s.Create(t.Context(), made, entry("a", "x")))
	var seen uint64
	changed, err := s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		seen = u.Revision
		before := *u
		before.Revision = made.Revision
		same(t, "what edit is given", before, made)
		u.Spec.Hosts = nil
		u.SpecRevision = u.Revision
		u.Revision = 0 // the store knows better
		return entry("a", "y"), nil
	})
	must(t, err)
	if seen <= made.Revision || changed.Revision != seen || changed.SpecRevision != seen || changed.RolloutRevision != made.RolloutRevision {
		t.Errorf("made at %d, edit saw %d, changed at %d, %d, %d", made.Revision, seen, changed.Revision, changed.SpecRevision, changed.RolloutRevision)
	}
	got, err := s.Tenant(t.Context(), "a")
	must(t, err)
	same(t, "the changed tenant", got, changed)
	made.Spec.Hosts, made.Revision, made.SpecRevision = nil, seen, seen
	same(t, "what was not changed", got, made)
}

func testUpdateRefused(t *testing.T, s store.Store) {
	called := false
	_, err := s.Update(t.Context(), "a", func(*store.Tenant) (store.Entry, error) { called = true; return store.Entry{}, nil })
	wants(t, err, store.ErrNotFound)
	if called {
		t.Error("edit was called for a tenant that is not there")
	}
	made := create(t, s, "a")
	mine := errors.New("mine")
	if _, err := s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		u.Declared = true
		return entry("a", "refused"), mine
	}); err != mine { //nolint // as it is
		t.Errorf("error %v, want edit's own", err)
	}
	_, err = s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		u.Name = "b"
		return entry("a", "refused"), nil
	})
	wants(t, err, store.ErrInvalid)
	got, err := s.Tenant(t.Context(), "a")
	must(t, err)
	same(t, "tenant after refused changes", got, made)
	log, err := s.Audit(t.Context(), "", 0, 0)
	must(t, err)
	if len(log) != 1 {
		t.Errorf("a refused change is in the audit log: %+v", log)
	}
}

// testUpdatePanics: a bug of a caller is the caller's.
func testUpdatePanics(t *testing.T, s store.Store) {
	create(t, s, "a")
	for _, f := range []func(){
		func() {
			_, _ = s.Update(t.Context(), "a", func(*store.Tenant) (store.Entry, error) { panic("edit") })
		},
		func() {
			_ = s.Delete(t.Context(), "a", func(*store.Tenant) (store.Entry, error) { panic("allow") })
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the caller has not panicked")
				}
			}()
			f()
		}()
	}
	change(t, s, "a")
}

// testEditReads: edit may look things up.
func testEditReads(t *testing.T, s store.Store) {
	create(t, s, "a")
	digest := upload(t, s, 1)
	_, err := s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		if _, err := s.Policy(t.Context(), digest); err != nil {
			return store.Entry{}, err
		}
		before, err := s.Tenant(t.Context(), "a")
		if err == nil && before.Revision >= u.Revision {
			err = fmt.Errorf("revision %d is to be after %d", u.Revision, before.Revision)
		}
		return entry("a", "x"), err
	})
	must(t, err)
}

func testDelete(t *testing.T, s store.Store) {
	allow := func(*store.Tenant) (store.Entry, error) { return entry("a", "delete"), nil }
	wants(t, s.Delete(t.Context(), "a", allow), store.ErrNotFound)
	made := create(t, s, "a")
	create(t, s, "b")
	for id, tenant := range map[string]string{"ta": "a", "tb": "b", "op": ""} {
		must(t, s.PutToken(t.Context(), &store.Token{ID: id, Tenant: tenant}, entry(tenant, "token")))
	}
	mine := errors.New("mine")
	if err := s.Delete(t.Context(), "a", func(d *store.Tenant) (store.Entry, error) {
		same(t, "what allow is given", d, made)
		return store.Entry{}, mine
	}); err != mine { //nolint // as it is
		t.Errorf("error %v, want allow's own", err)
	}
	if _, err := s.Token(t.Context(), "ta"); err != nil {
		t.Errorf("a refused deletion took a token: %v", err)
	}
	must(t, s.Delete(t.Context(), "a", allow))
	_, err := s.Tenant(t.Context(), "a")
	wants(t, err, store.ErrNotFound)
	_, err = s.Token(t.Context(), "ta")
	wants(t, err, store.ErrNotFound)
	for _, id := range []string{"tb", "op"} {
		_, err = s.Token(t.Context(), id)
		must(t, err)
	}
	create(t, s, "a")
	tokens, err := s.Tokens(t.Context(), "a")
	must(t, err)
	if len(tokens) != 0 {
		t.Error("a tenant has inherited tokens")
	}
}

// testRevisions: they grow with every change of a tenant, and past its removal.
func testRevisions(t *testing.T, s store.Store) {
	last := map[string]uint64{}
	grows := func(what string, changed *store.Tenant) {
		t.Helper()
		if before := last[changed.Name]; changed.Revision <= before {
			t.Errorf("%s: revision %d after %d", what, changed.Revision, before)
		}
		last[changed.Name] = changed.Revision
	}
	for range 3 {
		grows("create a", create(t, s, "a"))
		grows("create b", create(t, s, "b"))
		grows("change a", change(t, s, "a"))
		grows("change b", change(t, s, "b"))
		remove(t, s, "b")
		remove(t, s, "a")
	}
}

// testTenantCopies: what either side does later, the other does not see.
func testTenantCopies(t *testing.T, s store.Store) {
	scribble := func(u *store.Tenant) {
		u.Spec.Hosts[0], u.Versions[0].Name, u.Keys[0].ID = "scribbled", "scribbled", "scribbled"
		u.Rollout.Rollback.Reason, u.Rollout.Past[0].Digest = "scribbled", "scribbled"
		maps.Copy(u.Rollout.Active.Params, map[string]string{"scribbled": ""})
	}
	want := full("a")
	made := full("a")
	must(t, s.Create(t.Context(), made, entry("a", "x")))
	want.Revision, want.SpecRevision, want.RolloutRevision = made.Revision, made.SpecRevision, made.RolloutRevision
	check := func(what string) {
		t.Helper()
		got, err := s.Tenant(t.Context(), "a")
		must(t, err)
		same(t, what, got, want)
	}
	scribble(made)
	check("after what was created")
	got, err := s.Tenant(t.Context(), "a")
	must(t, err)
	scribble(got)
	check("after what was returned")
	all, err := s.Tenants(t.Context(), "", 0)
	must(t, err)
	scribble(all[0])
	check("after what was listed")
	_, _ = s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		scribble(u)
		return store.Entry{}, errors.New("no")
	})
	check("after what a refused edit was given")
	var kept *store.Tenant
	changed, err := s.Update(t.Context(), "a", func(u *store.Tenant) (store.Entry, error) {
		kept = u
		return entry("a", "x"), nil
	})
	must(t, err)
	want.Revision = changed.Revision
	scribble(kept)
	check("after what edit was given")
}
