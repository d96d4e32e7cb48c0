package idle

import (
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Connections that are due together are out of the wheel together: Proxy.Close
// and Drain would leave those that Each does not find open.
func TestEachFindsConnectionsThatAreDue(t *testing.T) {
	const n = 50
	law := testTimeouts
	law[abi.PhaseIdle].Idle = 50 * time.Millisecond
	var g *Governor
	found := make(chan map[*Conn]int, n)
	var open atomic.Bool // all of them are
	a := NewAccount("acme", decide(func(q *policy.Ask) policy.Verdict {
		if policy.Kind(q.Event.Kind) != abi.KindTimeout {
			return policy.Verdict{}
		}
		if !open.Load() {
			return policy.Verdict{Action: abi.ActionExtend, Deadline: 50 * time.Millisecond}
		}
		seen := map[*Conn]int{}
		g.Each(func(c *Conn) bool { seen[c]++; return true })
		found <- seen
		return policy.Verdict{Action: abi.ActionExtend, Deadline: time.Hour}
	}), books.New(books.Config{}), law, policy.Limits{})
	g = New(Config{ParkAfter: -1, Shards: 1, Granularity: 50 * time.Millisecond})
	t.Cleanup(func() { g.Close() })
	for range n {
		admitted(t, g, a)
	}
	open.Store(true)
	for range n {
		seen := <-found
		if len(seen) != n {
			t.Fatalf("%d of %d connections were found", len(seen), n)
		}
		for _, times := range seen {
			if times != 1 {
				t.Fatalf("one was found %d times", times)
			}
		}
	}
}

// TestTheEndOutrunsAnEntryThatWasDue: an entry that has come up when the end is
// decided must not take the time that the owner has to say good-bye, nor that
// in which a closed connection lingers.
func TestTheEndOutrunsAnEntryThatWasDue(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		ended := make(chan policy.Reason, 1)
		b.conn.SetEnder(func(r policy.Reason) { ended <- r })
		look := func() { b.conn.expire(b.gov.clock.now(), newQuestion()) }
		isClosed := func() bool {
			b.conn.mu.Lock()
			defer b.conn.mu.Unlock()
			return b.conn.closed
		}
		b.conn.Shut(policy.ReasonDrain)
		<-ended
		look()
		if isClosed() {
			t.Error("closed before the owner could")
		}
		b.conn.Close()
		b.conn.mu.Lock()
		lingers := b.conn.linger
		b.conn.mu.Unlock()
		look()
		b.conn.mu.Lock()
		defer b.conn.mu.Unlock()
		if b.conn.linger != lingers {
			t.Error("lingers no more")
		}
	})
}
