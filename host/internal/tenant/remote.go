package tenant

import (
	"sync"

	"idlehost/host/internal/policy"
)

// Remote is a Guest that lives in another process: its answers come later.
// Decide, which has to answer inside the call, says FaultNotLoaded.
type Remote interface {
	Guest
	// Ask puts a question. It copies what it needs of ask, Gaps included, and
	// does not block. to is told exactly once, never inside the call; questions
	// are answered in the order in which they were put.
	Ask(ask *policy.Ask, to Answerer)
}

// Answerer takes the answer of a Remote, on any goroutine that holds no lock.
// ask is the question as it was put, Gaps included, but for State and Leases,
// which are as the guest has left them; where it has a fault, as they were. It
// is the caller's again afterwards.
type Answerer interface {
	Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault)
}

// pending is what a question comes to whose answer comes later.
var pending = policy.Verdict{Source: policy.SourcePending}

// askRemote puts a question to the Remote g, which is held. reply waits for what
// the answer comes to.
func (t *Tenant) askRemote(p *plan, g *roleGuest, ask *policy.Ask, reply policy.Replier, to Answerer) policy.Verdict {
	if q, ok := reply.(*besideAsk); ok {
		q.keep(t, p)
	}
	g.loaded.remote.Ask(ask, to)
	return pending
}

// remoteAsk is a question that the Remote of a lane is asked.
type remoteAsk struct {
	tenant *Tenant
	plan   *plan
	lane   *lane
	guest  *roleGuest // held until the answer
	reply  policy.Replier
}

var remoteAsks = sync.Pool{New: func() any { return new(remoteAsk) }}

func (t *Tenant) newRemoteAsk(p *plan, l *lane, g *roleGuest, reply policy.Replier) *remoteAsk {
	a := remoteAsks.Get().(*remoteAsk)
	*a = remoteAsk{t, p, l, g, reply}
	return a
}

// Answered passes the answer on, or that of another in the place of a guest
// that has failed.
func (a *remoteAsk) Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault) {
	t, l, reply := a.tenant, a.lane, a.reply
	a.guest.release()
	switch fault {
	case policy.FaultNone:
		l.resident.warmed()
		v.Source, v.Role = policy.SourcePolicy, l.role
	case policy.FaultNotLoaded:
		v = t.absent(a.plan, l, ask, reply)
	default:
		v = t.fallback(a.plan, l, ask, fault, reply)
	}
	*a = remoteAsk{}
	remoteAsks.Put(a)
	if v.Source != policy.SourcePending {
		reply.Answered(ask, v)
	}
}

// remoteStandIn is a question that a Remote is asked in the place of a version
// that has failed.
type remoteStandIn struct {
	tenant *Tenant
	lane   *lane        // of the version that has failed
	fault  policy.Fault // how
	guest  *roleGuest   // held until the answer
	reply  policy.Replier
}

// Answered passes the answer on.
func (a *remoteStandIn) Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault) {
	a.guest.release()
	remedy := policy.RemedyPrevious
	if fault != policy.FaultNone {
		v, remedy = a.tenant.native.Decide(ask), policy.RemedyDefault
	}
	a.reply.Answered(ask, a.tenant.remedied(a.lane, ask, a.fault, v, remedy))
}

// remoteShadow is a question that a shadow is asked that is a Remote.
type remoteShadow struct {
	tenant   *Tenant
	plan     *plan
	guest    *roleGuest // held until the answer
	enforced effect
	verdict  policy.Verdict // that was enforced
}

// Answered compares the answer with the one that was enforced.
func (a *remoteShadow) Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault) {
	a.guest.release()
	if fault != policy.FaultNotLoaded {
		a.tenant.shaded(a.plan, ask, a.enforced, a.verdict, v, fault)
	}
}
