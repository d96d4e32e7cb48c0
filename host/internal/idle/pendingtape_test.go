package idle

import (
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// TestTapeIsToldOfLaterAnswers where they are applied, with what the policy has
// left of the question that was put.
func TestTapeIsToldOfLaterAnswers(t *testing.T) {
	l := &later{t: t}
	v, a, n := taped(l)
	admit(t, v, a, abi.SideAccepted)
	n.want(t, "open@0/idle/age0/in0", "ask@0/accept")
	v.Set(20 * ms)
	l.answer(leave, state(5))
	n.want(t, "answer@20/default")
	v.Advance(30_000 * ms)
	v.Set(30_015 * ms)
	l.answer(policy.Verdict{Action: abi.ActionExtend, Deadline: time.Second, Leases: true}, state(6), lease(4000))
	ask, answer := n.all[0].Ask, n.all[1].Answer
	if ask.State[0] != 5 || answer.State[0] != 6 || ask.Leases[abi.PhaseIdle] != 30_000 || answer.Leases[abi.PhaseIdle] != 4000 {
		t.Errorf("asked with state %v and leases %v, answered %+v", ask.State, ask.Leases, answer)
	}
	n.want(t, "ask@30000/timeout", "answer@30015/extend")
	v.Advance(31_000 * ms)
	v.Set(31_010 * ms)
	l.answer(closing)
	v.Settle()
	n.want(t, "ask@31000/timeout", "answer@31010/close", "close@31010/idle/policy/since31010/cut false")
}

// TestTapeIsToldOfDroppedAnswers, on the tape that was told of the question.
func TestTapeIsToldOfDroppedAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		late func(v *Virtual, a *Account, c *Conn)
		want []string
	}{
		{"a request came", func(v *Virtual, _ *Account, c *Conn) { v.Stir(c) }, []string{"answer@30020/close/dropped"}},
		{"the client left", func(v *Virtual, _ *Account, c *Conn) { v.Leave(c, policy.ReasonPeer) },
			[]string{"close@30010/idle/peer/since30010/cut false", "answer@30020/close/dropped"}},
		{"the tape is another", func(v *Virtual, a *Account, _ *Conn) { a.SetTape(new(notes)) }, []string{"answer@30020/close"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &later{t: t}
			v, a, n := taped(l)
			conn := admit(t, v, a, abi.SideAccepted)
			l.answer(leave)
			v.Advance(30_000 * ms)
			n.want(t, "open@0/idle/age0/in0", "ask@0/accept/default", "ask@30000/timeout")
			v.Set(30_010 * ms)
			c.late(v, a, conn)
			v.Set(30_020 * ms)
			l.answer(closing)
			n.want(t, c.want...)
		})
	}
}
