package worker

import (
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/worker/channel"
)

// Answerer takes the answer to a question, on any goroutine that holds no lock
// of the Pool. ask is the question as it was put, but for State and Leases, which
// are as the guest has left them. It is the Pool's again afterwards.
type Answerer interface {
	Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault)
}

// question is one that is open. The Pool reuses it.
type question struct {
	guest *Guest
	to    Answerer
	ask   policy.Ask
	hist  *histogram // nil: there is none
	lives int        // of workers, that ended while it was with them

	// The following are of AskAll.
	follows bool
	answer  *Answer // gets what it took; nil: nobody wants to know
}

// histogram is a copy that questions share. It does not change.
type histogram struct {
	key  histogramKey
	gaps policy.Gaps
}

// histogramKey tells one histogram's contents from another's: a tenant has books
// for its clients and others for its upstreams.
type histogramKey struct {
	side                    uint8
	generation, route, unit uint32
}

func keyOf(ask *policy.Ask) histogramKey {
	g := ask.Gaps
	return histogramKey{side: ask.Event.Side, generation: g.Generation, route: g.Route, unit: g.Unit}
}

// newQuestion copies what is asked. Its histogram is still to come.
func (p *Pool) newQuestion(g *Guest, ask *policy.Ask, to Answerer) *question {
	q, _ := p.questions.Get().(*question)
	if q == nil {
		q = new(question)
	}
	q.guest, q.to, q.lives, q.follows = g, to, 0, false
	q.ask = policy.Ask{Event: ask.Event}
	return q
}

// tell tells who asked, and is done with the question. No lock is held.
func (p *Pool) tell(q *question, v policy.Verdict, fault policy.Fault) {
	if q.hist != nil {
		q.ask.Gaps = &q.hist.gaps
	}
	q.to.Answered(&q.ask, v, fault)
	q.guest, q.to, q.hist, q.ask.Gaps, q.answer = nil, nil, nil, nil, nil
	p.questions.Put(q)
}

// fill writes what crosses to the worker. The guest's instance was last given
// the histogram sent, which is what it was given last afterwards.
func (q *question) fill(c *channel.Question, sent *histogramKey) {
	c.Guest, c.Event, c.Follows, c.Gaps = q.guest.number, q.ask.Event, q.follows, nil
	switch {
	case q.hist == nil:
		c.Kind = channel.GapsNone
	case q.hist.key == *sent:
		c.Kind = channel.GapsSame
	default:
		c.Kind, c.Gaps, *sent = channel.GapsNew, &q.hist.gaps, q.hist.key
	}
}
