package lab

import (
	"slices"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// held is an answer of the policy that is played, until the recording comes to
// where the host applied or dropped it.
type held struct {
	question *question
	event    *policy.Event // the recorded question
	ask      policy.Ask
	verdict  policy.Verdict
	lane     *lane
	conn     *idle.Conn
}

// holds keeps the answer to the question that is being asked, and reports true,
// if the host did not get it inside the call.
func (x *exact) holds(a *policy.Ask, v policy.Verdict) bool {
	if x == nil || x.matched == nil || x.matched.inside || a.Reply == nil {
		return false
	}
	q := x.matched
	h := &held{question: q, event: q.ask, ask: *a, verdict: v, lane: x.asker, conn: x.asker.conn}
	h.ask.Gaps = nil // they change
	x.held[h.lane.number] = append(x.held[h.lane.number], h)
	x.matched, q.ask = nil, nil
	return true
}

// release returns the answer that is held for a recorded one; nil: none is.
func (x *exact) release(r *trace.Record) *held {
	all := x.held[r.Conn]
	i := slices.IndexFunc(all, func(h *held) bool { return h.question.answer == r.Answer })
	if i < 0 {
		return nil
	}
	h := all[i]
	if all = slices.Delete(all, i, i+1); len(all) == 0 {
		delete(x.held, r.Conn)
	} else {
		x.held[r.Conn] = all
	}
	x.matched = &question{at: h.question.at, ask: h.event, answer: r.Answer}
	return h
}

// answer has the answer come that the recording tells of, if it is held: that
// of the policy that was recorded, which the host did not get inside the call.
func (p *player) answer(r *trace.Record) {
	h := p.exact.release(r)
	if h == nil {
		return
	}
	if c := h.conn; r.Answer.Dropped && c != nil && c == h.lane.conn && c.Phase() != abi.PhaseIdle && c.Phase() != abi.PhaseStreamIdle {
		p.world.Touch(c, r.Time, r.Time) // for bytes that no record tells of
	}
	p.current = h.lane
	h.ask.Reply.Answered(&h.ask, h.verdict)
	p.current = nil
	p.world.Settle()
}
