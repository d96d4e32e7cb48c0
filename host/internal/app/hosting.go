package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/check"
	"idlehost/host/internal/control"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant"
	"idlehost/host/internal/tenant/spec"
)

// hosting runs the tenants of this host, and is what control acts on.
type hosting struct {
	hostingConfig
	removals sync.WaitGroup // tenants that are being removed
}

// hostingConfig is what tenants are run with.
type hostingConfig struct {
	tenants    *tenants
	engine     *engine.Engine
	workers    *worker.Pool    // nil: there are none, policies run in this process
	store      store.HostStore // nil: none is configured
	storage    *storage
	recordings *recordings
	governor   *idle.Governor
	loads      *tenant.LoadQueue // of loading cold policies
	logger     *slog.Logger
	logs       *observe.Writer
	lines      *observe.Lines
	metrics    *observe.Metrics
	decisions  *observe.Decisions
	life       context.Context      // ends with the host
	left       func(*tenantRuntime) // told of a tenant whose connections have ended
}

var _ control.Runtime = (*hosting)(nil)

// Declared returns the tenants of the configuration.
func (h *hosting) Declared() []api.Tenant {
	var list []api.Tenant
	for _, m := range h.tenants.declaredOnes() {
		list = append(list, api.Tenant{
			Name: m.name, Declared: true, Spec: m.snapshot.Load().spec,
			Active: m.tenant.Digest(), Open: m.accepted.Open(),
		})
	}
	return list
}

// HasDeclaredPolicy reports whether the configuration decides what is asked.
func (h *hosting) HasDeclaredPolicy(name string) bool {
	m := h.tenants.get(name)
	return m != nil && m.snapshot.Load().module != nil
}

// RetryAfter returns when a tenant may load something again.
func (h *hosting) RetryAfter(name string) time.Duration {
	if m := h.tenants.get(name); m != nil {
		return m.quota.RetryAfter()
	}
	return 0
}

// Check admits a module that the host has never seen. What a policy says of
// missing parameters is no reason to refuse it: they come with the step.
func (h *hosting) Check(ctx context.Context, name, title string, wasm []byte) (json.RawMessage, error) {
	m := h.tenants.get(name)
	if m == nil {
		return nil, api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	in := check.Input{
		Name: title, Wasm: wasm, Quota: m.quota, MemoryPages: uint32(m.snapshot.Load().spec.Limits.MemoryPages),
		// What is compiled here is about to be put in charge.
		On: h.engine, Workers: h.workers, Tenant: name,
	}
	report, err := check.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := report.WriteJSON(&text); err != nil {
		return nil, err
	}
	var failure *check.Failure
	if !errors.As(report.Err(), &failure) || failure.Cause == policy.FaultConfigure.String() {
		return text.Bytes(), nil
	}
	return nil, &control.Refusal{
		Cause: failure.Cause, Text: failure.Error(), Report: text.Bytes(), RetryAfter: refusedFor(failure.Cause, m.quota),
	}
}

// refusedFor returns when a refusal for want of means may be over.
func refusedFor(cause string, q *engine.Quota) time.Duration {
	switch cause {
	case policy.FaultRate.String():
		return max(q.RetryAfter(), time.Second)
	case policy.FaultBusy.String(), policy.FaultNotLoaded.String():
		return 2 * time.Second
	}
	return 0
}

// Try loads a release, and keeps it for the step that it is loaded for.
func (h *hosting) Try(ctx context.Context, name string, wasm []byte, release spec.Release) error {
	m := h.tenants.get(name)
	if m == nil {
		return api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	v := tenant.Version{Digest: release.Digest, Params: release.Params}
	g, err := m.load(ctx, v, wasm, m.tenant.Heritage(v))
	if err != nil {
		var fault *engine.FaultError
		if !errors.As(err, &fault) {
			return err
		}
		cause := fault.Fault.String()
		return &control.Refusal{Cause: cause, Text: fault.Error(), RetryAfter: refusedFor(cause, m.quota)}
	}
	m.keepPreloaded(release, g)
	return nil
}

// Apply puts a tenant's record in force.
func (h *hosting) Apply(_ context.Context, t *store.Tenant) error {
	ms := h.tenants
	ms.change.Lock()
	defer ms.change.Unlock()
	m := ms.get(t.Name)
	if m == nil {
		if t.Declared { // the file has it no longer
			return nil
		}
		return h.enrolLocked(t)
	}
	old := m.snapshot.Load()
	if old.record != nil && old.record.Revision > t.Revision {
		return nil
	}
	next := *old
	next.record = t
	if !old.declared {
		next.spec = t.Spec
		if err := ms.roster.Put(m.name, ms.keysLocked(m.name, t.Spec), m); err != nil {
			return err
		}
	}
	m.settle(&next, nil, policy.FaultNone)
	return nil
}

// enrolLocked makes the runtime of a tenant of the store.
func (h *hosting) enrolLocked(t *store.Tenant) error {
	s := &tenantSnapshot{config: h.tenants.config, terms: h.tenants.terms, spec: t.Spec, remedies: policy.DefaultRemedies(), record: t}
	m := h.newRuntime(t.Name, s)
	m.settle(s, nil, policy.FaultNone)
	if err := h.tenants.roster.Put(m.name, h.tenants.keysLocked(m.name, t.Spec), m); err != nil {
		return errors.Join(err, m.close())
	}
	return nil
}

// Remove ends a tenant, and its connections politely.
func (h *hosting) Remove(_ context.Context, name string) error {
	ms := h.tenants
	ms.change.Lock()
	defer ms.change.Unlock()
	m := ms.get(name)
	switch {
	case m == nil:
		return nil
	case m.snapshot.Load().declared:
		next := *m.snapshot.Load()
		next.record = nil
		m.settle(&next, nil, policy.FaultNone)
		return nil
	}
	m.forget()
	h.dismissLocked(m)
	return nil
}

// dismissLocked stops assigning connections to a tenant, and ends those that are
// left in the background.
func (h *hosting) dismissLocked(m *tenantRuntime) {
	h.tenants.roster.Remove(m.name)
	close(m.gone)
	h.removals.Go(func() {
		h.drain(m)
		if err := h.recordings.forget(m); err != nil {
			h.logger.Warn("recording not complete", "tenant", m.name, "error", err)
		}
		h.left(m)
		h.forgetName(m.name)
	})
}

// forgetName drops what is kept under a tenant's name, unless another tenant has
// taken the name meanwhile.
func (h *hosting) forgetName(name string) {
	h.tenants.change.Lock()
	defer h.tenants.change.Unlock()
	if h.tenants.get(name) != nil {
		return
	}
	h.lines.Forget(name)
	h.logs.Forget(name)
	h.metrics.Forget(name)
}

// drain ends a tenant's connections: idle ones at once, the others after
// their request, within the bound of a drain.
func (h *hosting) drain(m *tenantRuntime) {
	patience, stop := context.WithTimeout(context.Background(), m.snapshot.Load().config.Drain.Timeout.D())
	defer stop()
	defer context.AfterFunc(h.life, stop)()
	every(patience, 20*time.Millisecond, func() {
		if m.accepted.Retire(policy.ReasonDrain)+m.dialled.Retire(policy.ReasonDrain) == 0 {
			stop()
		}
	})
	for _, c := range idle.ConnsAfter(0, 0, m.accepted, m.dialled) {
		c.Shut(policy.ReasonDrain)
	}
	if err := m.close(); err != nil {
		h.logger.Warn("tenant not closed", "tenant", m.name, "error", err)
	}
}

// CheckSpec returns an error if a spec claims hosts or destinations of another
// tenant.
func (h *hosting) CheckSpec(s spec.Spec, name string) error {
	if err := h.tenants.roster.Check(name, tenant.Keys{Hosts: s.Hosts, Destinations: s.Destinations}); err != nil {
		p := api.NewProblem(api.KindConflict, "%v", err)
		p.Field = "spec"
		return p
	}
	return nil
}

// Open returns how many connections of its clients a tenant has.
func (h *hosting) Open(name string) int {
	if m := h.tenants.get(name); m != nil {
		return m.accepted.Open()
	}
	return 0
}

// Effective returns the limits of a tenant as configured, and what holds.
func (h *hosting) Effective(name string) (api.EffectiveLimits, error) {
	m := h.tenants.get(name)
	if m == nil {
		return api.EffectiveLimits{}, api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	s := m.snapshot.Load()
	l := acceptedLimits(s)
	stored, storeBytes := h.storage.of(name)
	return api.EffectiveLimits{
		Configured: s.spec.Limits,
		Effective: spec.Limits{
			Connections: l.Connections, ClientConnections: l.ClientConnections, FuelPerSecond: m.quota.FuelPerSecond(),
			CPU:         spec.Duration(m.quota.CPUPerSecond()),
			MemoryPages: cmp.Or(s.spec.Limits.MemoryPages, policyPages),
			LogRate:     cmp.Or(s.spec.Limits.LogRate, s.config.Log.Rate), LogBurst: cmp.Or(s.spec.Limits.LogBurst, s.config.Log.Burst),
			Floor: spec.Duration(l.Floor), Ceiling: spec.Duration(l.Ceiling), StoreBytes: spec.Size(storeBytes),
		},
		Storage: stored,
		Open:    m.accepted.Open(), HostLimit: h.governor.Limit(), UploadBytes: moduleBytes,
		LoadSavedMs: int(m.quota.LoadSaved().Milliseconds()), LoadLeftMs: int(m.quota.Left().Milliseconds()), LoadSpentMs: int(m.quota.Spent().Milliseconds()),
		RetryAfterSec: int((m.quota.RetryAfter() + time.Second - 1) / time.Second),
	}, nil
}
