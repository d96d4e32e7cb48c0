package tenant

import (
	"slices"

	"idlehost/host/internal/policy"
)

// Heritage is what a version would begin with if it were loaded now, for one
// who loads it before it is put in a plan.
func (t *Tenant) Heritage(v Version) policy.State {
	rs := t.plan.Load().residents()
	if i := slices.IndexFunc(rs, func(r *resident) bool { return r.version.same(v) }); i >= 0 {
		return t.heritage(rs[i])
	}
	return t.heritage(&resident{version: v})
}

// heritage is what a version that is to be loaded begins with: what it had
// learned itself, else what the active version has, or that which was active
// before it.
func (t *Tenant) heritage(r *resident) policy.State {
	t.mu.Lock()
	own, legacy, ancestor := r.kept, r.legacy, r.ancestor
	active := t.plan.Load().active
	var s *roleGuest
	if active.resident != nil && active.resident != r {
		ancestor = active.resident.version.Digest
		if s = active.take(0); s == nil {
			legacy = active.resident.kept
		}
	}
	t.mu.Unlock()
	if s != nil {
		defer s.release()
	}
	if len(own.Bytes) > 0 {
		return own
	}
	if own, ok := t.recall(r.version.Digest); ok {
		return own
	}
	if s != nil {
		legacy = s.guest.Learned()
	}
	if len(legacy.Bytes) > 0 {
		return legacy
	}
	legacy, _ = t.recall(ancestor)
	return legacy
}

func (t *Tenant) recall(digest string) (policy.State, bool) {
	if t.states == nil || digest == "" {
		return policy.State{}, false
	}
	s, ok := t.states.State(t.name, digest)
	return s, ok && len(s.Bytes) > 0
}

// keep puts what a guest has learned where the next will find it. It reports
// whether that is anywhere but with the resident itself.
func (t *Tenant) keep(r *resident, s policy.State) bool {
	if len(s.Bytes) == 0 {
		return true
	}
	if t.states == nil {
		return false
	}
	err := t.states.PutState(t.name, r.version.Digest, s)
	if err == nil {
		return true
	}
	if suppressed, ok := t.trouble.open(); ok {
		t.logger.Warn("what a policy has learned is not kept", "tenant", t.name,
			"policy", policy.ShortDigest(r.version.Digest), "error", err, "suppressed", suppressed)
	}
	return false
}
