package tenant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func extend(d time.Duration) policy.Verdict {
	return policy.Verdict{Action: abi.ActionExtend, Deadline: d}
}

// shaded is a tenant with an active version and a shadow that answer so.
func shaded(cfg Config, active, shadow func(*policy.Ask) policy.Verdict) (tn *Tenant, a, s *fakeGuest) {
	a, s = &fakeGuest{digest: "a", answer: active}, &fakeGuest{digest: "s", answer: shadow}
	tn = New(cfg)
	tn.Set(Plan{Active: with(a), Shadow: with(s)})
	return tn, a, s
}

// TestAShadowChangesNothing: its answer, its state and its leases do not reach
// the connection, and it does not see the active version's.
func TestAShadowChangesNothing(t *testing.T) {
	scribble := func(with byte, v policy.Verdict) func(*policy.Ask) policy.Verdict {
		return func(q *policy.Ask) policy.Verdict {
			for i := range q.Event.State {
				if q.Event.State[i] != 0 && q.Event.State[i] != with {
					t.Errorf("%d finds the bytes of %d", with, q.Event.State[i])
				}
				q.Event.State[i] = with
			}
			if q.Event.Leases[abi.PhaseIdle] == 99 {
				t.Error("finds another's leases")
			}
			q.Event.Leases[abi.PhaseIdle] = 99
			v.Leases = true
			return v
		}
	}
	gaps := &policy.Gaps{Unit: 5}
	told := 0
	cfg := Config{Shadowed: func(q *policy.Ask, enforced, shadow policy.Verdict) {
		told++
		if q.Gaps != gaps || q.Event.Conn != 8 || enforced.Role != policy.RoleActive || enforced.Deadline != time.Minute {
			t.Errorf("told of %+v, %+v", q.Event, enforced)
		}
		if shadow.Role != policy.RoleShadow || shadow.Source != policy.SourcePolicy || shadow.Action != abi.ActionClose {
			t.Errorf("told that the shadow said %+v", shadow)
		}
	}}
	tn, a, s := shaded(cfg, scribble(1, extend(time.Minute)), scribble(2, policy.Verdict{Action: abi.ActionClose}))
	q := at(abi.KindTimeout, 7)
	q.Gaps = gaps
	for range 3 {
		q.Event.Leases[abi.PhaseIdle] = 7
		if v := tn.Decide(q); v.Action != abi.ActionExtend || v.Role != policy.RoleActive {
			t.Errorf("%+v", v)
		}
		if q.Event.State[0] != 1 || q.Event.Leases[abi.PhaseIdle] != 99 {
			t.Error("the active version's edits are lost")
		}
	}
	if told != 3 || a.asked.Load() != 3 || s.asked.Load() != 3 {
		t.Errorf("told %d times, asked %d and %d times", told, a.asked.Load(), s.asked.Load())
	}
	if c := tn.Stats().Comparison; c.WouldClose != 3 || c.Asks != 3 {
		t.Errorf("%+v", c)
	}
}

// TestAShadowHasItsOwnStateByConnection, until that ends.
func TestAShadowHasItsOwnStateByConnection(t *testing.T) {
	count := func(q *policy.Ask) policy.Verdict {
		q.Event.State[0]++
		return policy.Verdict{Action: abi.ActionExtend, Deadline: time.Duration(q.Event.State[0]) * time.Second}
	}
	var seen []time.Duration
	cfg := Config{Shadowed: func(_ *policy.Ask, _, shadow policy.Verdict) { seen = append(seen, shadow.Deadline/time.Second) }}
	s := &fakeGuest{digest: "s", answer: count}
	tn := New(cfg)
	tn.Set(Plan{Shadow: &RoleVersion{Version: Version{Digest: "s"}, Guest: closeWatcher{s}}})
	for _, c := range []struct {
		kind   abi.Kind
		client uint64
	}{
		{abi.KindAccept, 1}, {abi.KindTimeout, 1}, {abi.KindAccept, 2}, {abi.KindTimeout, 1},
		{abi.KindClose, 1}, {abi.KindAccept, 1}, {abi.KindTimeout, 2},
	} {
		tn.Decide(at(c.kind, c.client))
	}
	if !slices.Equal(seen, []time.Duration{1, 2, 1, 3, 1, 2}) {
		t.Errorf("counted %v", seen)
	}
}

func TestFaultsOfAShadowAreItsOwn(t *testing.T) {
	var told []policy.Verdict
	cfg := Config{Shadowed: func(_ *policy.Ask, _, v policy.Verdict) { told = append(told, v) }, Remedies: previousFor(policy.FaultTrap)}
	tn, _, s := shaded(cfg, nil, nil)
	for _, fault := range []policy.Fault{policy.FaultTrap, 200} {
		s.fault = fault
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Fault != policy.FaultNone || v.Source != policy.SourcePolicy {
			t.Errorf("%+v", v)
		}
	}
	if len(told) != 2 || told[0].Fault != policy.FaultTrap || told[1].Fault != policy.FaultOutput || told[0].Source != policy.SourceFallback {
		t.Errorf("told %+v", told)
	}
	side, c := sideOf(t, tn, policy.RoleShadow), tn.Stats().Comparison
	if side.Faulted() != 2 || side.Asks != 2 || c.Faults != 2 || c.Asks != 2 || c.Same != 0 {
		t.Errorf("%+v, %+v", side, c)
	}
	if s := sideOf(t, tn, policy.RoleActive); s.Faulted() != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAShadowRestsWhileFuelIsShort: it is not asked where the active version
// found the fuel used up, nor for ten seconds after.
func TestAShadowRestsWhileFuelIsShort(t *testing.T) {
	tn, a, s := shaded(Config{}, nil, nil)
	q := at(abi.KindTimeout, 1)
	for _, c := range []struct {
		later uint64
		fault policy.Fault
		asked int64
	}{{0, policy.FaultNone, 1}, {1, policy.FaultRate, 0}, {9_999, policy.FaultNone, 0}, {1, policy.FaultNone, 1}, {1, policy.FaultTrap, 1}} {
		q.Event.NowMs += c.later
		a.fault = c.fault
		before := s.asked.Load()
		tn.Decide(q)
		if asked := s.asked.Load() - before; asked != c.asked {
			t.Errorf("%d ms later, %v: asked %d times", c.later, c.fault, asked)
		}
	}
}

func TestAnswersAreCompared(t *testing.T) {
	const s = time.Second
	timeout, accept := at(abi.KindTimeout, 1), at(abi.KindAccept, 1)
	accept.Event.Phase = uint8(abi.PhaseIdle)
	accept.Event.Leases[abi.PhaseIdle] = 60_000
	closes, native := policy.Verdict{Action: abi.ActionClose}, policy.Verdict{}
	for _, c := range []struct {
		q                *policy.Ask
		enforced, shadow policy.Verdict
		want             Comparison
	}{
		{timeout, closes, closes, Comparison{Same: 1}},
		{timeout, closes, native, Comparison{Same: 1}}, // leaving it to the host ends it
		{timeout, closes, extend(s), Comparison{WouldKeep: 1}},
		{timeout, native, extend(s), Comparison{WouldKeep: 1}},
		{timeout, extend(s), closes, Comparison{WouldClose: 1}},
		{timeout, extend(10 * s), extend(11 * s), Comparison{Same: 1, Ratios: 1, LogRatio: math.Log(1.1)}},
		{timeout, extend(11 * s), extend(10 * s), Comparison{Same: 1, Ratios: 1, LogRatio: -math.Log(1.1)}},
		{timeout, extend(10 * s), extend(11*s + 10*time.Millisecond), Comparison{Longer: 1, Ratios: 1, LogRatio: math.Log(1.101)}},
		{timeout, extend(20 * s), extend(10 * s), Comparison{Shorter: 1, Ratios: 1, LogRatio: -math.Log(2)}},
		{timeout, extend(-s), extend(0), Comparison{Same: 1, Ratios: 1}},
		{accept, native, extend(60 * s), Comparison{Same: 1, Ratios: 1}}, // the phase's lease
		{accept, extend(30 * s), native, Comparison{Longer: 1, Ratios: 1, LogRatio: math.Log(2)}},
		{accept, closes, native, Comparison{WouldKeep: 1}},
	} {
		tn, _, _ := shaded(Config{}, func(*policy.Ask) policy.Verdict { return c.enforced }, func(*policy.Ask) policy.Verdict { return c.shadow })
		q := *c.q
		tn.Decide(&q)
		got := *tn.Stats().Comparison
		c.want.Asks = 1
		if math.Abs(got.LogRatio-c.want.LogRatio) > 2e-6 {
			t.Errorf("%+v beside %+v: ratio %v, want %v", c.shadow, c.enforced, got.LogRatio, c.want.LogRatio)
		}
		if got.LogRatio = c.want.LogRatio; got != c.want {
			t.Errorf("%+v beside %+v: %+v, want %+v", c.shadow, c.enforced, got, c.want)
		}
	}
	if r := (&Comparison{Ratios: 2, LogRatio: 2 * math.Log(3)}).Ratio(); math.Abs(r-3) > 1e-9 {
		t.Errorf("mean of 3 and 3 is %v", r)
	}
	if r := (&Comparison{}).Ratio(); r != 0 {
		t.Errorf("mean of nothing is %v", r)
	}
}

// TestLeasesAreComparedAtAccept: as they are after the answer; a lease of 0
// does not end.
func TestLeasesAreComparedAtAccept(t *testing.T) {
	lease := func(ms uint32) func(*policy.Ask) policy.Verdict {
		return func(q *policy.Ask) policy.Verdict {
			q.Event.Leases[abi.PhaseIdle] = ms
			return policy.Verdict{Leases: true}
		}
	}
	for _, c := range []struct {
		active, shadow uint32
		want           Comparison
	}{
		{0, 0, Comparison{Same: 1}}, {0, 5, Comparison{Shorter: 1}}, {5, 0, Comparison{Longer: 1}}, {5, 5, Comparison{Same: 1, Ratios: 1}},
	} {
		tn, _, _ := shaded(Config{}, lease(c.active), lease(c.shadow))
		q := at(abi.KindAccept, 1)
		q.Event.Phase = uint8(abi.PhaseIdle)
		tn.Decide(q)
		if c.want.Asks = 1; *tn.Stats().Comparison != c.want {
			t.Errorf("%d beside %d: %+v", c.shadow, c.active, tn.Stats().Comparison)
		}
	}
}

// TestAShadowsRecordIsItsRoles: it begins anew with the role.
func TestAShadowsRecordIsItsRoles(t *testing.T) {
	tn, _, s := shaded(Config{}, nil, nil)
	tn.Decide(at(abi.KindTimeout, 1))
	tn.Set(Plan{Active: of("a"), Shadow: of("s")})
	if c := tn.Stats().Comparison; c.Asks != 1 {
		t.Errorf("the same role: %+v", c)
	}
	tn.Set(Plan{Active: of("s"), Shadow: with(&fakeGuest{digest: "z"})})
	isClosed(t, "the shadow that became active", s, 0)
	if c := tn.Stats().Comparison; c.Asks != 0 {
		t.Errorf("another shadow: %+v", c)
	}
	tn.Set(Plan{Active: of("s")})
	if tn.Stats().Comparison != nil {
		t.Error("compared with nothing")
	}
}

// TestRecollection holds the table against a plain model.
func TestRecollection(t *testing.T) {
	const limit = 16
	r := newRecollection(limit)
	model, order := map[uint64][abi.StateSize]byte{}, []uint64{} // the latest first
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		conn := rnd.Uint64N(40)
		order = slices.DeleteFunc(order, func(c uint64) bool { return c == conn && model[conn] == [abi.StateSize]byte{} })
		switch rnd.IntN(4) {
		case 0:
			r.forget(conn)
			delete(model, conn)
			order = slices.DeleteFunc(order, func(c uint64) bool { return c == conn })
		case 1:
			if got := r.get(conn); got != model[conn] {
				t.Fatalf("connection %d: %v, want %v", conn, got, model[conn])
			}
		default:
			var s [abi.StateSize]byte
			s[3] = byte(rnd.IntN(8)) // 0: forgets
			r.put(conn, s)
			order = slices.DeleteFunc(order, func(c uint64) bool { return c == conn })
			delete(model, conn)
			if s[3] == 0 {
				continue
			}
			model[conn] = s
			if order = append([]uint64{conn}, order...); len(order) > limit {
				delete(model, order[limit])
				order = order[:limit]
			}
		}
		if len(r.index) != len(model) || len(r.slots) > limit+1 {
			t.Fatalf("%d connections in %d slots, want %d", len(r.index), len(r.slots), len(model))
		}
	}
}
