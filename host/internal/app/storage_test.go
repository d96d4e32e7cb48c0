package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant/spec"
)

// storageProblem returns the problem of an upload that has no room.
func storageProblem(t *testing.T, err error) *api.Problem {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 507 {
		t.Fatalf("%v, want a problem of status 507", err)
	}
	return p
}

// push uploads a policy that learns, of that number.
func (r *running) push(name string, version int64) error {
	r.t.Helper()
	wasm, err := os.ReadFile(learner(r.t, version))
	if err != nil {
		r.t.Fatal(err)
	}
	_, _, err = r.control.Upload(r.t.Context(), operator, name, api.Upload{Name: "p", Wasm: wasm})
	return err
}

// TestAFullDiskRefusesUploadsOnly: everything that is small goes on, the reason
// is told, and when there is room again all is well without anybody's doing.
func TestAFullDiskRefusesUploadsOnly(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	if got := r.degraded(); len(got) != 0 {
		t.Errorf("degraded at first: %v", got)
	}
	one := r.upload("a", learner(t, 1))
	full := *r.current
	full.Store.ReserveBytes = 1 << 49
	if err := r.reload(&full); err != nil {
		t.Fatal(err)
	}
	if p := storageProblem(t, r.push("a", 2)); p.Reserve != 1<<49 || p.Free <= 0 || p.Asked <= 0 || !strings.Contains(p.Detail, "it is full") {
		t.Errorf("problem %+v, want a full disk with its reserve of 2^49 bytes", p)
	}
	if err := r.push("a", 1); err != nil {
		t.Errorf("what is there already: %v", err)
	}
	r.promote("a", one)
	if w := dialWire(t, r); w.ask("a.example") != "200 a" {
		t.Error("traffic does not go on")
	}
	if _, err := r.control.Step(t.Context(), operator, "a", api.Step{Kind: api.StepRollback}, api.Precondition{}); err != nil {
		t.Errorf("rollback: %v", err)
	}
	if err := (states{r.tenantRuntime("a")}).PutState("a", one, policy.State{Bytes: []byte("x")}); err == nil {
		t.Error("what is learned takes the reserve")
	}
	if got := r.degraded(); len(got) != 1 || !strings.HasPrefix(got[0], "store: the host's disk takes no more: it is full (") {
		t.Errorf("degraded: %v", got)
	}
	wants(t, r.metricsText(), `host_policy_uploads_total{outcome="storage"} 0`, "host_store_free_bytes ", `host_store_tenant_used_bytes{tenant="a"} `)
	rest := full
	rest.Store.ReserveBytes = 1
	if err := r.reload(&rest); err != nil {
		t.Fatal(err)
	}
	if got := r.degraded(); len(got) != 0 {
		t.Errorf("degraded when there is room again: %v", got)
	}
	if err := r.push("a", 2); err != nil {
		t.Error(err)
	}
	wants(t, r.quiesce(), "uploads are refused until there is room again", "there is room again, uploads go on")
}

// TestEverybodysLimitIsSaid: what all have together is told where it refuses
// somebody, until it would not; a tenant's own limit is nobody else's business.
func TestEverybodysLimitIsSaid(t *testing.T) {
	r := startMany(t, func(c *config.Config) { c.Store.TenantBytes = 4 << 10 })
	r.create("a")
	if p := storageProblem(t, r.push("a", 1)); p.Limit != 4<<10 || !strings.HasPrefix(p.Detail, "tenant a has ") {
		t.Errorf("problem %+v, want the limit of tenant a, 4 KiB", p)
	}
	if got := r.degraded(); len(got) != 0 {
		t.Errorf("a tenant's own limit: %v", got)
	}
	next := *r.current
	next.Store.TenantBytes, next.Store.MaxBytes = 0, config.Size(r.store.Size()+4<<10)
	if err := r.reload(&next); err != nil {
		t.Fatal(err)
	}
	if got := r.degraded(); len(got) != 0 {
		t.Errorf("before anybody was refused: %v", got)
	}
	if p := storageProblem(t, r.push("a", 1)); !strings.HasPrefix(p.Detail, "the host has ") || p.Limit != int64(next.Store.MaxBytes) {
		t.Errorf("problem %+v, want the limit of the host, %d", p, next.Store.MaxBytes)
	}
	if got := r.degraded(); len(got) != 1 || !strings.HasPrefix(got[0], "store: tenants have ") {
		t.Errorf("degraded: %v", got)
	}
	last := next
	last.Store.MaxBytes = 0
	if err := r.reload(&last); err != nil {
		t.Fatal(err)
	}
	if got := r.degraded(); len(got) != 0 {
		t.Errorf("degraded: %v", got)
	}
	if err := r.push("a", 1); err != nil {
		t.Error(err)
	}
}

// TestATenantsOwnLimit is what the operator has set for it, and what it has is
// shown beside it.
func TestATenantsOwnLimit(t *testing.T) {
	r := startMany(t, func(c *config.Config) { c.Store.TenantBytes = 1 })
	spec := spec.Spec{Limits: spec.Limits{StoreBytes: 1 << 20}}
	if _, _, err := r.control.PutTenant(t.Context(), operator, "a", spec, api.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if err := r.push("a", 1); err != nil {
		t.Fatal(err)
	}
	digest := r.upload("a", learner(t, 1))
	if err := r.store.PutState(t.Context(), "a", digest, policy.State{Bytes: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	l, err := r.control.Limits(t.Context(), "a")
	if err != nil || l.Effective.StoreBytes != 1<<20 || l.Configured.StoreBytes != 1<<20 || l.Storage.Policies <= 0 || l.Storage.Learned != 4096 ||
		l.Storage.Used != l.Storage.Policies+4096 || l.Storage.Unswept != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err = r.control.Limits(t.Context(), "default"); err != nil || l.Effective.StoreBytes != 1 || l.Storage.Used != 0 {
		t.Errorf("default: %+v, %v", l, err)
	}
}

// TestRecordingsCount for the tenant, also those of an earlier process; one
// that somebody removes does not any more.
func TestRecordingsCount(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, tapeName("default", time.Unix(1, 0)))
	if err := os.WriteFile(old, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startMany(t, func(c *config.Config) { c.Record.Dir, c.Store.TenantBytes = dir, 1<<20 })
	r.create("a")
	_, err := r.recordings.StartRecording(t.Context(), boss, "default", api.NewRecording{})
	if p := storageProblem(t, err); p.Used != 1<<20 || p.Limit != 1<<20 {
		t.Errorf("problem %+v, want 1 MiB used of 1 MiB", p)
	}
	if storageProblem(t, r.push("default", 1)).Used != 1<<20 {
		t.Error("uploads have another limit")
	}
	if _, err := r.recordings.StartRecording(t.Context(), boss, "a", api.NewRecording{}); err != nil {
		t.Errorf("another tenant's: %v", err)
	}
	if l, err := r.control.Limits(t.Context(), "default"); err != nil || l.Storage.Recordings != 1<<20 || l.Storage.Used != 1<<20 {
		t.Errorf("%+v, %v", l, err)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	r.storage.tapes.mu.Lock()
	r.storage.tapes.counted = time.Time{} // a second has passed
	r.storage.tapes.mu.Unlock()
	if _, err := r.recordings.StartRecording(t.Context(), boss, "default", api.NewRecording{}); err != nil {
		t.Errorf("removed by hand: %v", err)
	}
}

// TestARecordingEndsAtItsTenantsLimit, says so, and traffic goes on.
func TestARecordingEndsAtItsTenantsLimit(t *testing.T) {
	dir := t.TempDir()
	r := startMany(t, func(c *config.Config) { c.Record.Dir, c.Store.TenantBytes = dir, 1500 })
	r.create("a")
	if _, err := r.recordings.StartRecording(t.Context(), boss, "a", api.NewRecording{}); err != nil {
		t.Fatal(err)
	}
	w := dialWire(t, r)
	var got *api.Recording
	for deadline := time.Now().Add(30 * time.Second); ; {
		if said := w.ask("a.example"); said != "200 a" {
			t.Fatalf("traffic: %q", said)
		}
		var err error
		if got, err = r.recordings.Recording(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if got.State == api.RecordingOver {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the recording does not end")
		}
	}
	if !strings.HasPrefix(got.Error, "tenant a has ") || !strings.Contains(got.Error, "of at most 1.465 KiB on the disk") {
		t.Errorf("why: %q", got.Error)
	}
	if info, err := os.Stat(filepath.Join(dir, got.File)); err != nil || info.Size() > 1500 {
		t.Errorf("%v, %v", info, err)
	}
	if err := r.recordings.StopRecording(t.Context(), boss, "a"); err != nil {
		t.Errorf("stopping what is over: %v", err)
	}
}

func TestTapeNames(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 5, time.UTC)
	for _, c := range []struct{ name, owner string }{
		{tapeName("a", at), "a"}, {tapeName("a-b-20261130", at), "a-b-20261130"}, {"a.trace", ""}, {"", ""},
		{tapeName("", at), ""}, {tapeName("a", at) + ".part", ""}, {strings.Replace(tapeName("a", at), "a-2", "a_2", 1), ""},
		{strings.Replace(tapeName("a", at), "T12", "T99", 1), ""},
	} {
		if got := tapeOwner(c.name); got != c.owner {
			t.Errorf("%q is of %q, want %q", c.name, got, c.owner)
		}
	}
}
