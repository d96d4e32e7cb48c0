package idle

import (
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// TestSlowQuestionsDelayNobodyElse: a tenant with many connections that are due
// at once, and a policy that takes its time over each, holds up its own
// deadlines. Others' are looked at in between, and all of its own are, too.
func TestSlowQuestionsDelayNobodyElse(t *testing.T) {
	const (
		slow  = time.Millisecond // of each question
		many  = 100
		lease = 100 * time.Millisecond
	)
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Shards: 1, ParkAfter: -1, Linger: -1})
		defer g.Close()
		law := testTimeouts
		law[abi.PhaseIdle].Idle = lease
		asked := 0
		slowly := NewAccount("slow", decide(func(q *policy.Ask) policy.Verdict {
			if policy.Kind(q.Event.Kind) == abi.KindAccept {
				return policy.Verdict{}
			}
			time.Sleep(slow)
			asked++
			return policy.Verdict{Action: abi.ActionExtend, Deadline: time.Hour, Source: policy.SourcePolicy}
		}), nil, law, policy.Limits{})
		var late time.Duration
		due := time.Now().Add(lease)
		quick := NewAccount("quick", decide(func(q *policy.Ask) policy.Verdict {
			if policy.Kind(q.Event.Kind) == abi.KindTimeout {
				late = max(late, time.Since(due))
				due = due.Add(20 * time.Millisecond)
				return policy.Verdict{Action: abi.ActionExtend, Deadline: time.Until(due), Source: policy.SourcePolicy}
			}
			return policy.Verdict{}
		}), nil, law, policy.Limits{})
		var conns []*Conn
		open := func(a *Account) {
			near, far := testnet.Pipe(1 << 10)
			c := g.Govern(near, a, abi.SideAccepted)
			if err := c.Admit(nil); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			t.Cleanup(func() { far.Close() })
		}
		for range many {
			open(slowly)
		}
		open(quick)
		time.Sleep(lease + 10*time.Millisecond + many*slow + lease)
		synctest.Wait()
		// A step of the wheel, and what one turn gives to each account.
		if most := 10*time.Millisecond + turnTime + 2*slow; late > most {
			t.Errorf("another tenant's deadline was looked at %v late, want at most %v", late, most)
		}
		if asked != many {
			t.Errorf("%d of %d connections were asked about", asked, many)
		}
		if n := len(g.shards[0].conns(nil)); n != many+1 {
			t.Errorf("the shard knows %d connections of %d", n, many+1)
		}
		for _, c := range conns {
			c.Close()
		}
	})
}
