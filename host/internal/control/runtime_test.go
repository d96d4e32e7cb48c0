package control_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
	"idlehost/host/internal/tenant/spec"
)

// fakeRuntime runs nothing, and remembers what it was told.
type fakeRuntime struct {
	mu       sync.Mutex // guards the following
	declared []api.Tenant
	fixed    map[string]bool // declared with a policy
	applied  map[string]*store.Tenant
	removed  []string
	bad      map[string]*control.Refusal // of Check, by digest
	checks   int
	tries    []spec.Release
	retry    map[string]time.Duration
	failing  error                            // of Apply
	onTry    func(tenant string)              // called without mu
	onCheck  func(ctx context.Context)        // called without mu
	query    api.ConnectionQuery              // the last
	sides    map[string][]api.RoleStats       // by tenant
	decided  []api.Decision                   // what Decisions sends
	specs    func(spec.Spec, string) error    // CheckSpec, beside its own
	limits   func(string) api.EffectiveLimits // nil: 1 MiB
	during   map[string]int                   // Apply and Remove under way, by tenant
	overlap  bool                             // two at once for one tenant
}

func newRuntime() *fakeRuntime {
	return &fakeRuntime{
		declared: []api.Tenant{{Name: "default"}}, fixed: map[string]bool{},
		applied: map[string]*store.Tenant{}, bad: map[string]*control.Refusal{}, retry: map[string]time.Duration{},
		sides: map[string][]api.RoleStats{}, during: map[string]int{},
	}
}

func (r *fakeRuntime) do(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

func (r *fakeRuntime) Declared() []api.Tenant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.declared)
}

func (r *fakeRuntime) HasDeclaredPolicy(tenant string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fixed[tenant]
}

func (r *fakeRuntime) RetryAfter(tenant string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.retry[tenant]
}

func (r *fakeRuntime) Check(ctx context.Context, tenant, name string, wasm []byte) (json.RawMessage, error) {
	r.mu.Lock()
	r.checks++
	bad, hook := r.bad[policy.Digest(wasm)], r.onCheck
	r.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if bad != nil {
		return nil, bad
	}
	return json.RawMessage(fmt.Sprintf(`{"policy":%q}`, name)), nil
}

// Try refuses what has the parameter "bad".
func (r *fakeRuntime) Try(_ context.Context, tenant string, wasm []byte, rel spec.Release) error {
	r.mu.Lock()
	r.tries = append(r.tries, rel)
	hook := r.onTry
	r.mu.Unlock()
	if hook != nil {
		hook(tenant)
	}
	if policy.Digest(wasm) != rel.Digest {
		return errors.New("the bytes are not the release's")
	}
	if text, ok := rel.Params["bad"]; ok {
		return &control.Refusal{Cause: "configure", Text: text}
	}
	return nil
}

func (r *fakeRuntime) Apply(_ context.Context, t *store.Tenant) error {
	defer r.alone(t.Name)()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return r.failing
	}
	if old := r.applied[t.Name]; old != nil && old.Revision >= t.Revision {
		return nil
	}
	r.applied[t.Name] = t
	return nil
}

func (r *fakeRuntime) Remove(_ context.Context, name string) error {
	defer r.alone(name)()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.applied, name)
	r.removed = append(r.removed, name)
	return nil
}

// alone notices calls for one tenant that overlap.
func (r *fakeRuntime) alone(name string) (done func()) {
	r.do(func() {
		if r.during[name]++; r.during[name] > 1 {
			r.overlap = true
		}
	})
	return func() { r.do(func() { r.during[name]-- }) }
}

func (r *fakeRuntime) CheckSpec(s spec.Spec, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.applied {
		for i, h := range s.Hosts {
			if other.Name != name && slices.Contains(other.Spec.Hosts, h) {
				p := api.NewProblem(api.KindConflict, "%s belongs to another tenant", h)
				p.Field = fmt.Sprintf("spec.hosts[%d]", i)
				return p
			}
		}
	}
	if r.specs != nil {
		return r.specs(s, name)
	}
	return nil
}

func (r *fakeRuntime) Effective(tenant string) (api.EffectiveLimits, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limits != nil {
		return r.limits(tenant), nil
	}
	return api.EffectiveLimits{UploadBytes: 1 << 20, HostLimit: 1000, Effective: spec.Limits{Connections: 50}}, nil
}

func (r *fakeRuntime) Open(string) int { return 3 }

func (r *fakeRuntime) Sides(tenant string) ([]api.RoleStats, *api.Comparison) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sides[tenant], nil
}

func (r *fakeRuntime) Connections(_ context.Context, _ string, q api.ConnectionQuery) (api.Page[api.Connection], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.query = q
	return api.Page[api.Connection]{}, nil
}

func (r *fakeRuntime) Decisions(_ context.Context, _ string, send func(api.Decision) error) error {
	for _, d := range r.decided {
		if err := send(d); err != nil {
			return err
		}
	}
	return nil
}

func (r *fakeRuntime) record(name string) *store.Tenant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied[name]
}

func (r *fakeRuntime) checked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checks
}

func (r *fakeRuntime) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tries)
}

// house is a Control in a test.
type house struct {
	*control.Control
	t       *testing.T
	store   store.Store
	runtime *fakeRuntime

	mu  sync.Mutex // guards the following
	now time.Time
}

var operator = api.Actor{Operator: true, Name: "olga"}

// newHouse starts a Control over a store of its own.
func newHouse(t *testing.T) *house { return newHouseWith(t, nil) }

// newHouseWith lets wrap come between the Control and the store.
func newHouseWith(t *testing.T, wrap func(store.Store) store.Store, more ...func(*control.Config)) *house {
	t.Helper()
	st, err := file.Open(t.TempDir(), file.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: st, runtime: newRuntime(), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	var seen store.Store = st
	if wrap != nil {
		seen = wrap(st)
	}
	cfg := control.Config{Store: seen, Runtime: h.runtime, Now: h.clock}
	for _, set := range more {
		set(&cfg)
	}
	h.Control = control.New(cfg)
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		if h.runtime.overlap {
			t.Error("two records of one tenant were put in force at once")
		}
	})
	return h
}

// clock ticks, so that what follows is later.
func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(time.Millisecond)
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// left closes the Control, and counts the rooms, lines and claims that are left.
func (h *house) left() int {
	h.t.Helper()
	if err := h.Close(); err != nil { // the watch has rooms too
		h.t.Error(err)
	}
	return h.Rooms()
}

// create makes a tenant.
func (h *house) create(name string, spec spec.Spec) *api.Tenant {
	h.t.Helper()
	t, created, err := h.PutTenant(h.t.Context(), operator, name, spec, api.Precondition{Absent: true})
	if err != nil || !created {
		h.t.Fatalf("create %s: created %t, %v", name, created, err)
	}
	return t
}

// upload uploads a module whose bytes are text, and returns its digest.
func (h *house) upload(tenant, text string) string {
	h.t.Helper()
	p, _, err := h.Upload(h.t.Context(), operator, tenant, api.Upload{Name: text, Wasm: []byte(text)})
	if err != nil {
		h.t.Fatalf("upload %s: %v", text, err)
	}
	return p.Digest
}

// log returns the audit log of a tenant as lines, the newest first.
func (h *house) log(tenant string) (lines []string) {
	h.t.Helper()
	page, err := h.Audit(h.t.Context(), tenant, 0, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range page.Items {
		lines = append(lines, cmp.Or(e.Actor, "nobody")+" "+e.Action+" "+e.Detail)
	}
	return lines
}

// kind is what kind of problem an error is: "" of none, "?" of no Problem.
func kind(err error) string {
	var p *api.Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Type[len(api.TypePrefix):]
	}
	return "?"
}

// wantKind checks what kind of problem an error is.
func wantKind(t *testing.T, what string, err error, want string) *api.Problem {
	t.Helper()
	if got := kind(err); got != want {
		t.Errorf("%s: %s (%v), want %s", what, cmp.Or(got, "no error"), err, cmp.Or(want, "no error"))
	}
	var p *api.Problem
	if !errors.As(err, &p) {
		return &api.Problem{}
	}
	return p
}

var _ control.Runtime = (*fakeRuntime)(nil)
