package idle

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// TestAQuestionDelaysNobodysWake: bytes for a connection that its policy is
// just asked about do not hold up those of others.
func TestAQuestionDelaysNobodysWake(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	var slow atomic.Bool
	law := testTimeouts
	law[abi.PhaseIdle].Idle = 50 * time.Millisecond
	a := NewAccount("slow", decide(func(q *policy.Ask) policy.Verdict {
		if policy.Kind(q.Event.Kind) == abi.KindTimeout && slow.CompareAndSwap(true, false) {
			close(asked)
			<-answer
		}
		return policy.Verdict{Action: abi.ActionExtend, Deadline: 50 * time.Millisecond, Source: policy.SourcePolicy}
	}), nil, law, policy.Limits{})
	g := parking(t, Config{Shards: 2})
	held, heldFar := admitted(t, g, a)
	other, otherFar := admitted(t, g, account())
	h, o := newSleeper(), newSleeper()
	give := sync.OnceFunc(func() { close(answer) })
	defer give()
	park(t, held, h)
	park(t, other, o)
	slow.Store(true)
	<-asked
	heldFar.Write([]byte("x"))
	otherFar.Write([]byte("y"))
	o.wait(t, woken)
	if h.wakes.Load() != 0 {
		t.Error("the connection was woken while it was asked about")
	}
	give()
	h.wait(t, woken)
}
