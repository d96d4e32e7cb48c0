package idle

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestARetiredAccountsConnectionsEndPolitely(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.serve()
		other := *b
		other.acct = NewAccount("other", decide(native), nil, testTimeouts, policy.Limits{})
		other.open(abi.SideAccepted)
		busy, up, coming := *b, *b, guest(b.gov, b.acct, 1)
		busy.open(abi.SideAccepted)
		busy.serve()
		busy.send(1)
		busy.conn.Begin(0, false)
		up.open(abi.SideDialled)
		up.serve()
		synctest.Wait()
		if left := b.acct.Retire(policy.ReasonDrain); left == 0 {
			b.Error("nothing is left, but one is busy")
		}
		synctest.Wait()
		if n := b.acct.Open(); n != 2 || b.log.count() != 2 { // the busy one, and the one that is coming
			b.Errorf("%d left, %d ended", n, b.log.count())
		}
		for _, c := range []*Conn{busy.conn, other.conn} {
			if r, ending := c.Ending(); ending {
				b.Errorf("%s: ended for %v", c.Account().Name, r)
			}
		}
		if err := coming.Admit(nil); !errors.Is(err, ErrRefused) {
			b.Error("let in:", err)
		}
		coming.Close()
		busy.conn.Write([]byte("answer"))
		busy.conn.End()
		synctest.Wait()
		if left := b.acct.Retire(policy.ReasonDrain); left != 0 {
			b.Errorf("%d left", left)
		}
		if e := b.log.ends[len(b.log.ends)-1]; e.Reason != policy.ReasonDrain || e.ID != busy.conn.ID() {
			b.Errorf("the last end is %+v, want the drain of connection %d", e, busy.conn.ID())
		}
		if !b.acct.Retired() || other.acct.Retired() {
			b.Error("another account is retired")
		}
		other.conn.Close()
		other.peer.Close()
		busy.peer.Close()
		up.peer.Close()
	})
}

// What waits in a lobby that is retired belongs to a tenant that is not.
func TestWhoLeavesARetiredAccountStays(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		shop := NewAccount("shop", decide(native), nil, testTimeouts, policy.Limits{})
		b.request()
		b.acct.Retire(policy.ReasonDrain)
		if err := b.conn.Reassign(shop); err != nil {
			b.Fatal(err)
		}
		b.conn.Begin(0, false)
		b.conn.End()
		time.Sleep(time.Second)
		if r, ending := b.conn.Ending(); ending {
			b.Error("ended for", r)
		}
	})
}
