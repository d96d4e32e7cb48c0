package tenant

import (
	"sync"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// beside is what it takes to ask a shadow.
type beside struct {
	asks    sync.Pool // of *policy.Ask
	states  *recollection
	compare comparison
	restMs  atomic.Uint64 // event time before which the shadow is not asked
}

// recalled bounds the connections whose state a shadow has at hand.
const recalled = 4096

// shadowRestMs is how long a shadow is not asked after the tenant's fuel rate
// was used up, in event time: the versions share it, and this one's answers
// are worth the least.
const shadowRestMs = 10_000

func newBeside() *beside { return &beside{states: newRecollection(recalled)} }

// decideBeside asks as decide does, and then the shadow, with a copy of the
// question.
func (t *Tenant) decideBeside(p *plan, ask *policy.Ask) (v policy.Verdict, ok bool) {
	b := p.beside
	q, _ := b.asks.Get().(*policy.Ask)
	if q == nil {
		q = new(policy.Ask)
	}
	*q = *ask
	if v, ok = t.decide(p, ask); ok {
		t.shade(p, q, effectOf(v, &ask.Event), v)
	}
	q.Gaps = nil
	b.asks.Put(q)
	return v, ok
}

// shade asks the shadow of p, whatever comes of it. enforced is what the answer
// v came to.
func (t *Tenant) shade(p *plan, q *policy.Ask, enforced effect, v policy.Verdict) {
	b, l, e := p.beside, p.shadow, &q.Event
	if e.Kind == uint8(abi.KindClose) {
		defer b.states.forget(e.Conn)
		if !l.wantsClose() {
			return
		}
	}
	if v.Fault == policy.FaultRate {
		b.restMs.Store(e.NowMs + shadowRestMs)
		return
	}
	if e.NowMs < b.restMs.Load() {
		return
	}
	s := l.take(oneAsk)
	if s == nil {
		if e.Kind != uint8(abi.KindClose) {
			t.tryStartLoad(l.resident)
		}
		return
	}
	s.touch(e.NowMs)
	e.State = b.states.get(e.Conn)
	answer, fault := s.guest.Decide(q)
	s.release()
	if e.Kind != uint8(abi.KindClose) {
		t.weigh(p, q, enforced, v, answer, fault)
	} else if fault != policy.FaultNone {
		t.stumble(p, q, fault)
	}
}

// weigh compares the shadow's answer with what was enforced.
func (t *Tenant) weigh(p *plan, q *policy.Ask, enforced effect, v, answer policy.Verdict, fault policy.Fault) {
	b := p.beside
	if fault != policy.FaultNone {
		b.compare.asks.Add(1)
		b.compare.faults.Add(1)
		answer = policy.Verdict{Source: policy.SourceFallback, Fault: t.stumble(p, q, fault)}
	} else {
		b.states.put(q.Event.Conn, q.Event.State)
		b.compare.count(enforced, effectOf(answer, &q.Event))
		answer.Source = policy.SourcePolicy
	}
	answer.Role = policy.RoleShadow
	if t.shadowed != nil {
		t.shadowed(q, v, answer)
	}
}

// stumble notes a fault of the shadow.
func (t *Tenant) stumble(p *plan, q *policy.Ask, fault policy.Fault) policy.Fault {
	if int(fault) >= faults {
		fault = policy.FaultOutput
	}
	p.shadow.record.fault(fault)
	t.complain(p.shadow, q, fault, "policy failed in the shadow, where nothing depends on it")
	return fault
}
