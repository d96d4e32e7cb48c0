package idle

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// request brings a connection into phase Header.
func (b *bench) request() {
	b.Helper()
	b.serve()
	b.send(1)
	if b.conn.Phase() != abi.PhaseHeader {
		b.Fatal(b.conn.Phase())
	}
}

func TestReassignedConnectionIsTheTenants(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.acct.Books = books.New(books.Config{}) // the lobby's; nobody opened it there
		var asked []policy.Event
		law := testTimeouts
		law[abi.PhaseIdle].Idle = 3 * time.Second
		shop := NewAccount("shop", decide(func(a *policy.Ask) policy.Verdict {
			asked = append(asked, a.Event)
			a.Event.State[0] = 7
			return policy.Verdict{Source: policy.SourcePolicy, Role: policy.RoleCanary}
		}), books.New(books.Config{}), law, policy.Limits{Connections: 5})
		b.request()
		b.conn.Begin(4, false)
		b.conn.End() // answered in the lobby: 421
		b.pass(time.Second)
		b.send(1)
		if err := b.conn.Reassign(shop); err != nil {
			b.Fatal(err)
		}
		if b.conn.Account() != shop || b.acct.Open() != 0 || shop.Open() != 1 || b.gov.Open() != 1 {
			b.Errorf("%s, %d in the lobby, %d in the shop", b.conn.Account().Name, b.acct.Open(), shop.Open())
		}
		e := asked[0]
		if len(asked) != 1 || e.Kind != uint8(abi.KindAccept) || e.Phase != uint8(abi.PhaseHeader) || e.Asks != 0 ||
			e.TenantOpen != 1 || e.TenantLimit != 5 || e.GapCount != 0 || e.ClientOpen != 1 || e.Leases[abi.PhaseIdle] != 3000 {
			b.Errorf("asked %+v", asked)
		}
		if b.conn.Phase() != abi.PhaseHeader {
			b.Errorf("in phase %v", b.conn.Phase())
		}
		b.conn.Begin(0, false)
		b.conn.End()
		b.aliveFor(3 * time.Second)
		if end := b.log.end(b.T); end.Account != shop || end.Asks != 2 || end.Verdict.Role != policy.RoleCanary || asked[1].State[0] != 7 {
			b.Errorf("end %+v with state %d, want 2 questions to the shop's canary with state 7", end, asked[1].State[0])
		}
		if shop.Open() != 0 {
			b.Error("still open")
		}
		if n := len(b.log.gaps); n != 0 {
			b.Errorf("%d gaps of the lobby are the shop's", n)
		}
	})
}

func TestReassignIsRefused(t *testing.T) {
	refuse := decide(func(*policy.Ask) policy.Verdict {
		return policy.Verdict{Action: abi.ActionClose, Source: policy.SourcePolicy}
	})
	kept := books.New(books.Config{})
	retired := NewAccount("retired", decide(native), nil, testTimeouts, policy.Limits{})
	retired.Retire(policy.ReasonDrain)
	for _, a := range []*Account{
		NewAccount("unwilling", refuse, kept, testTimeouts, policy.Limits{ClientConnections: 1}),
		NewAccount("full", decide(native), nil, testTimeouts, policy.Limits{Connections: 1}),
		retired,
	} {
		bubble(t, native, policy.Limits{ClientConnections: 3}, func(b *bench) {
			busy := void{}
			other := b.gov.Govern(busy, a, abi.SideAccepted)
			other.SetPhase(abi.PhaseHeader)
			b.conn.Close()
			b.log.ends = nil
			c := guest(b.gov, b.acct, 1)
			if err := c.Admit(nil); err != nil {
				b.Fatal(err)
			}
			c.SetPhase(abi.PhaseBody)
			for range 3 {
				if err := c.Reassign(a); !errors.Is(err, ErrRefused) {
					b.Fatalf("%s: %v", a.Name, err)
				}
			}
			if _, ending := c.Ending(); ending || c.Account() != b.acct || b.acct.Open() != 1 || a.Open() != 1 || c.Phase() != abi.PhaseBody {
				b.Errorf("%s: in %s, %d and %d open", a.Name, c.Account().Name, b.acct.Open(), a.Open())
			}
			if n := counted(b.gov); n != 1 {
				b.Errorf("%s: %d counted", a.Name, n)
			}
			e := policy.Event{Client: c.client}
			if kept.Fill(&e, nil, 0); e.ClientOpen != 0 {
				b.Errorf("%d open in the books of who refused", e.ClientOpen)
			}
			c.Close()
			other.Close()
			if n := counted(b.gov); n != 0 || b.acct.Open()+a.Open() != 0 {
				b.Errorf("%s: %d counted after the end", a.Name, n)
			}
			if e := b.log.ends[0]; e.Account != b.acct {
				b.Errorf("ended in %s", e.Account.Name)
			}
		})
	}
}

func TestReassignBeforeAdmitAsksNobody(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		b.conn.Close()
		b.log.ends = nil
		law := testTimeouts
		law[abi.PhaseHandshake].Max = time.Second
		shop := NewAccount("shop", decide(func(*policy.Ask) policy.Verdict {
			b.Error("asked")
			return policy.Verdict{}
		}), nil, law, policy.Limits{})
		c := guest(b.gov, b.acct, 1)
		if err := c.Reassign(shop); err != nil || c.Account() != shop {
			b.Fatal(err)
		}
		b.pass(time.Second - 1)
		if _, ok := c.Ending(); ok {
			b.Error("early")
		}
		b.pass(11 * time.Millisecond)
		if _, ok := c.Ending(); !ok {
			b.Error("the shop's law does not hold")
		}
		c.Close()
		if err := c.Reassign(b.acct); !errors.Is(err, net.ErrClosed) {
			b.Error(err)
		}
		if err := c.Admit(b.acct); !errors.Is(err, net.ErrClosed) || b.acct.Open() != 0 {
			b.Errorf("%v, %d open", err, b.acct.Open())
		}
	})
}

func TestTheObserverHearsOfEveryReturn(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		shop := NewAccount("shop", decide(native), books.New(books.Config{}), testTimeouts, policy.Limits{})
		leave := func() {
			c := guest(b.gov, b.acct, 1)
			if err := errors.Join(c.Admit(nil), c.Reassign(shop)); err != nil {
				b.Fatal(err)
			}
			c.Begin(0, false)
			c.End()
			b.pass(75*time.Second + 11*time.Millisecond)
			c.Close()
		}
		leave()
		b.pass(10 * time.Minute)
		leave()
		b.pass(300 * time.Millisecond)
		leave()
		got := b.log.back
		if len(got) != 2 || got[0] != 10*time.Minute || got[1] < 300*time.Millisecond || got[1] > 311*time.Millisecond || len(b.log.late) != 1 {
			b.Errorf("back after %v, late %v", got, b.log.late)
		}
	})
}

// A connection changes hands while everything else happens to it.
func TestHammerReassign(t *testing.T) {
	g := New(Config{Shards: 2, Granularity: time.Millisecond, Linger: -1, ParkAfter: -1})
	t.Cleanup(func() { g.Close() })
	law := testTimeouts
	law[abi.PhaseIdle].Idle = time.Millisecond
	keen := decide(func(q *policy.Ask) policy.Verdict {
		if q.Event.Random%3 == 0 {
			return policy.Verdict{Action: abi.ActionClose}
		}
		return policy.Verdict{Action: abi.ActionExtend, Deadline: time.Millisecond}
	})
	lobby := NewAccount("lobby", decide(native), nil, law, policy.Limits{})
	shops := make([]*Account, 3)
	for i := range shops {
		shops[i] = NewAccount("shop", keen, books.New(books.Config{}), law, policy.Limits{Connections: 3, ClientConnections: 2})
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 300 {
				c := guest(g, lobby, byte(i%3))
				if c.Admit(nil) != nil {
					c.Close()
					continue
				}
				var wg sync.WaitGroup
				wg.Go(func() { c.SetPhase(abi.PhaseHeader); c.Reassign(shops[(i+w)%3]); c.Begin(0, false); c.End() })
				wg.Go(func() { c.Reassign(shops[(i+w+1)%3]) })
				wg.Go(func() { c.drain(nil, policy.ReasonDrain) })
				wg.Go(func() { ConnsAfter(0, 0, shops...); c.Status(new(Status)); c.Close() })
				wg.Wait()
			}
		})
	}
	all.Go(func() {
		for range 20 {
			old := shops[0]
			NewAccount("spare", keen, nil, law, policy.Limits{}).Retire(policy.ReasonDrain)
			old.SetLaw(law, policy.Limits{Connections: 2, ClientConnections: 1})
		}
	})
	all.Wait()
	if n := counted(g); n != 0 || g.Open() != 0 {
		t.Errorf("%d counted, %d open", n, g.Open())
	}
	for _, a := range append(shops, lobby) {
		if a.Open() != 0 || len(a.snapshot()) != 0 {
			t.Errorf("%s: %d open, %d listed", a.Name, a.Open(), len(a.snapshot()))
		}
		for client := range byte(3) {
			e := policy.Event{Client: g.key.of(addrOf(client))}
			if a.Books == nil {
				continue
			}
			if a.Books.Fill(&e, nil, 0); e.ClientOpen != 0 {
				t.Errorf("client %d has %d open in the books", client, e.ClientOpen)
			}
		}
	}
}
