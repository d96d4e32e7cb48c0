package tenant

import (
	"sync"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// beside is what it takes to ask a shadow.
type beside struct {
	asks    sync.Pool // of *besideAsk
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

// besideAsk is a question that the shadow is asked when it has been answered.
type besideAsk struct {
	ask policy.Ask // its Reply waits for the answer

	// of a question that a Remote has
	tenant *Tenant
	plan   *plan
	gaps   *policy.Gaps // ask's; nil: there was no need yet
}

// decideBeside asks as decide does, and then the shadow, with a copy of the
// question.
func (t *Tenant) decideBeside(p *plan, ask *policy.Ask) (v policy.Verdict, ok bool) {
	q, _ := p.beside.asks.Get().(*besideAsk)
	if q == nil {
		q = new(besideAsk)
	}
	q.ask = *ask
	var reply policy.Replier
	if ask.Reply != nil {
		reply = q
	}
	v, ok = t.decide(p, ask, reply)
	if v.Source == policy.SourcePending {
		return v, ok // q is Answered's
	}
	if ok {
		t.shade(p, &q.ask, effectOf(v, &ask.Event), v)
	}
	p.beside.free(q)
	return v, ok
}

// Answered asks the shadow and passes the answer on.
func (q *besideAsk) Answered(ask *policy.Ask, v policy.Verdict) {
	p, reply := q.plan, q.ask.Reply
	q.tenant.shade(p, &q.ask, effectOf(v, &ask.Event), v)
	q.tenant, q.plan = nil, nil
	p.beside.free(q)
	reply.Answered(ask, v)
}

// keep is called before the question goes to a Remote: when the answer comes,
// its gaps are somebody else's.
func (q *besideAsk) keep(t *Tenant, p *plan) {
	q.tenant, q.plan = t, p
	if q.ask.Gaps != nil {
		if q.gaps == nil {
			q.gaps = new(policy.Gaps)
		}
		*q.gaps = *q.ask.Gaps
		q.ask.Gaps = q.gaps
	}
}

func (b *beside) free(q *besideAsk) {
	q.ask.Reply, q.ask.Gaps = nil, nil
	b.asks.Put(q)
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
	if r := s.loaded.remote; r != nil {
		r.Ask(q, &remoteShadow{tenant: t, plan: p, guest: s, enforced: enforced, verdict: v})
		return
	}
	answer, fault := s.guest.Decide(q)
	s.release()
	t.shaded(p, q, enforced, v, answer, fault)
}

// shaded notes what the shadow has answered, or that it has failed.
func (t *Tenant) shaded(p *plan, q *policy.Ask, enforced effect, v, answer policy.Verdict, fault policy.Fault) {
	if q.Event.Kind != uint8(abi.KindClose) {
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
