package app

import (
	"sync"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/recorder"
	"idlehost/host/internal/tenant/spec"
	"idlehost/sdk/abi"
)

// taping is what takes down the lives of a tenant's connections.
type taping struct {
	mu   sync.Mutex                    // held through a change of tape
	tape atomic.Pointer[recorder.Tape] // nil: nothing is taken down
}

// setTape has the tenant's connections taken down by t; nil: no longer.
func (m *tenantRuntime) setTape(t *recorder.Tape) {
	m.taping.mu.Lock()
	defer m.taping.mu.Unlock()
	m.setTapeLocked(t)
}

// dropTape ends what t takes down, unless another does already.
func (m *tenantRuntime) dropTape(t *recorder.Tape) {
	m.taping.mu.Lock()
	defer m.taping.mu.Unlock()
	if m.taping.tape.Load() == t {
		m.setTapeLocked(nil)
	}
}

// dropOver drops a tape whose recording has ended by itself.
func (m *tenantRuntime) dropOver() {
	m.taping.mu.Lock()
	defer m.taping.mu.Unlock()
	if t := m.taping.tape.Load(); t != nil && t.Over() {
		m.setTapeLocked(nil)
	}
}

// taped reports whether the tenant's connections are taken down.
func (m *tenantRuntime) taped() bool {
	t := m.taping.tape.Load()
	return t != nil && !t.Over()
}

// renewTape introduces all connections to t again.
func (m *tenantRuntime) renewTape(t *recorder.Tape) {
	m.taping.mu.Lock()
	defer m.taping.mu.Unlock()
	if m.taping.tape.Load() == t {
		m.setTapeLocked(t)
	}
}

func (m *tenantRuntime) setTapeLocked(t *recorder.Tape) {
	m.taping.tape.Store(t)
	if t == nil { // not an interface that holds nil
		m.accepted.SetTape(nil)
		m.dialled.SetTape(nil)
		return
	}
	m.describe()
	m.accepted.SetTape(t)
	m.dialled.SetTape(t)
}

// describe tells the tape, if there is one, under which law and policies the
// tenant's connections live.
func (m *tenantRuntime) describe() {
	t := m.taping.tape.Load()
	if t == nil {
		return
	}
	s := m.snapshot.Load()
	t.Ruled(abi.SideAccepted, s.config.Timeouts.Accepted(), acceptedLimits(s))
	t.Ruled(abi.SideDialled, s.config.Timeouts.Dialled(), dialledLimits(s))
	for role, r := range s.versions() {
		if r == nil {
			t.Installed(policy.Role(role), "", nil)
		} else {
			t.Installed(policy.Role(role), r.Digest, r.Params)
		}
	}
}

// versions returns what plays each role; nil: nothing does.
func (s *tenantSnapshot) versions() (v [policy.Roles]*spec.Release) {
	switch {
	case s.module != nil:
		v[policy.RoleActive] = &spec.Release{Digest: s.module.digest, Params: s.module.params}
	case s.record != nil:
		r := &s.record.Rollout
		v[policy.RoleActive], v[policy.RoleCanary], v[policy.RoleShadow] = r.Active, r.Canary, r.Shadow
	}
	return v
}
