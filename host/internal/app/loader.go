package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant"
)

// guest is a policy in this process as package tenant has it.
type guest struct{ *engine.Policy }

// Learned returns what the policy has learned.
func (g *guest) Learned() policy.State {
	return g.State()
}

// Where tells where the policy runs.
func (*guest) Where() string { return "host" }

// loader loads the versions of a tenant.
type loader struct{ m *tenantRuntime }

// Load finds the module of a version and loads it, at the tenant's cost unless
// the operator has declared it.
func (l loader) Load(ctx context.Context, _ string, v tenant.Version, learned policy.State) (tenant.Guest, error) {
	return l.m.load(ctx, v, nil, learned)
}

// Fault returns the cause of a failed load.
func (loader) Fault(err error) policy.Fault { return faultOf(err) }

// load loads a version. wasm is its module, where that is at hand; nil: it is
// in the store.
func (m *tenantRuntime) load(ctx context.Context, v tenant.Version, wasm []byte, learned policy.State) (tenant.Guest, error) {
	s := m.snapshot.Load()
	apart := m.host.workers != nil
	src := engine.Source{
		Name: m.name + "/" + policy.ShortDigest(v.Digest), Params: v.Params,
		State:       learned,
		MemoryPages: uint32(s.spec.Limits.MemoryPages), Log: m.says,
	}
	if d := s.module; d != nil && d.digest == v.Digest {
		src.Name, src.Wasm = d.name, d.wasm
		apart = apart && d.isolate
	} else {
		var err error
		if wasm == nil {
			wasm, err = m.stored(ctx, v.Digest)
		}
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", policy.ShortDigest(v.Digest), err)
		}
		src.Wasm, src.Quota = wasm, m.quota
	}
	var g tenant.Guest
	var err error
	if apart {
		g, err = m.host.loadApart(ctx, src, m.name, s.spec.OwnWorker())
	} else {
		g, err = m.host.loadHere(ctx, src)
	}
	m.host.metrics.Loaded(m.name, faultOf(err))
	return g, err
}

// stored reads a module from the store.
func (m *tenantRuntime) stored(ctx context.Context, digest string) ([]byte, error) {
	if m.host.store == nil {
		return nil, store.ErrNotFound
	}
	return m.host.store.Module(ctx, digest)
}

// loadsAtOnce bounds how many cold policies are being loaded at once: as many
// modules are in memory. turns bounds how many of them use a processor: a load
// that waits for its compiler has no turn.
const loadsAtOnce = 16

// turns shares processors among tenants, for checks and loads: all but one,
// which is left to those who serve requests.
func turns() *fair.Queue { return fair.New(runtime.GOMAXPROCS(0) - 1) }

// states keeps what a tenant's policies learn in the store.
type states struct{ m *tenantRuntime }

// states returns where learned state is kept; nil: by the tenants, while they
// live.
func (m *tenantRuntime) states() tenant.States {
	if m.host.store == nil {
		return nil
	}
	return states{m}
}

// forget lets nothing be kept any more that the tenant's policies have learned:
// its name may be another tenant's by then.
func (m *tenantRuntime) forget() {
	m.remembering.Lock()
	defer m.remembering.Unlock()
	m.forgotten = true
}

// PutState keeps what a version of a tenant has learned.
func (s states) PutState(name, digest string, st policy.State) error {
	if len(st.Bytes) == 0 {
		return nil
	}
	s.m.remembering.RLock()
	defer s.m.remembering.RUnlock()
	if s.m.forgotten {
		return nil
	}
	more := s.m.host.store.StateAdds(name, digest, len(st.Bytes))
	release, err := s.m.host.storage.Claim(name, more, more)
	if err != nil {
		return err
	}
	defer release()
	return s.m.host.store.PutState(context.Background(), name, digest, st)
}

// State returns it; false: there is none.
func (s states) State(name, digest string) (policy.State, bool) {
	st, err := s.m.host.store.State(context.Background(), name, digest)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.m.host.logger.Warn("learned state not read", "tenant", name, "policy", policy.ShortDigest(digest), "error", err)
	}
	return st, err == nil
}
