package idle

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// guest is a connection of a client, without a socket.
func guest(g *Governor, a *Account, client byte) *Conn {
	c := g.Govern(void{}, a, abi.SideAccepted)
	c.SetPeer(netip.AddrPortFrom(addrOf(client), 80))
	return c
}

func addrOf(client byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, client}) }

// counted is how many connections the counter holds.
func counted(g *Governor) (n int) {
	for i := range g.clients.shards {
		s := &g.clients.shards[i]
		s.mu.Lock()
		for _, k := range s.n {
			n += int(k)
		}
		s.mu.Unlock()
	}
	return n
}

func still(t testing.TB) *Governor {
	g := New(Config{Shards: 2, ParkAfter: -1, Linger: -1})
	t.Cleanup(func() { g.Close() })
	return g
}

func TestAClientHasNoMoreThanItsLimit(t *testing.T) {
	g := still(t)
	a := NewAccount("acme", decide(native), nil, policy.Timeouts{}, policy.Limits{ClientConnections: 2})
	other := NewAccount("other", decide(native), nil, policy.Timeouts{}, policy.Limits{ClientConnections: 2})
	var open []*Conn
	admit := func(a *Account, client byte, want bool) {
		t.Helper()
		c := guest(g, a, client)
		err := c.Admit(nil)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("client %d: %v, want it admitted: %v", client, err, want)
		}
		if err != nil {
			if r, _ := c.Ending(); r != policy.ReasonPressure {
				t.Errorf("refused for %v", r)
			}
			c.Close()
			return
		}
		open = append(open, c)
	}
	admit(a, 1, true)
	admit(a, 1, true)
	admit(a, 1, false)
	admit(a, 2, true)     // another client
	admit(other, 1, true) // another account
	if _, ending := open[0].Ending(); ending {
		t.Error("one of its own gave way")
	}
	open[0].Close()
	open[0].Close()
	admit(a, 1, true)
	admit(a, 1, false)
	up := g.Govern(void{}, a, abi.SideDialled)
	if err := up.Admit(nil); err != nil {
		t.Error("a connection to an upstream is counted:", err)
	}
	for _, c := range append(open, up) {
		c.Close()
	}
	if n := counted(g); n != 0 || a.Open() != 0 {
		t.Errorf("%d counted, %d open after the last", n, a.Open())
	}
}

func TestALimitHoldsForThoseWhoWereThere(t *testing.T) {
	g := still(t)
	a := NewAccount("acme", decide(native), nil, policy.Timeouts{}, policy.Limits{})
	first, late := guest(g, a, 1), guest(g, a, 1)
	if err := first.Admit(nil); err != nil {
		t.Fatal(err)
	}
	if counted(g) != 0 {
		t.Error("counted without a limit")
	}
	a.SetLaw(policy.Timeouts{}, policy.Limits{ClientConnections: 1})
	if err := late.Admit(nil); !errors.Is(err, ErrRefused) {
		t.Error("the one that was there does not count:", err)
	}
	a.SetLaw(policy.Timeouts{}, policy.Limits{}) // no limit, and then one again
	second := guest(g, a, 1)
	if err := second.Admit(nil); err != nil {
		t.Error(err)
	}
	a.SetLaw(policy.Timeouts{}, policy.Limits{ClientConnections: 2})
	if err := guest(g, a, 1).Admit(nil); !errors.Is(err, ErrRefused) {
		t.Error("those of between do not count:", err)
	}
	for _, c := range a.snapshot() {
		c.Close()
	}
	if n := counted(g); n != 0 {
		t.Errorf("%d counted after the last", n)
	}
}

// The limit must hold at every moment, whatever else changes hands.
func TestHammerCrowd(t *testing.T) {
	const limit = 3
	g := still(t)
	lobby := NewAccount("lobby", decide(native), nil, policy.Timeouts{}, policy.Limits{})
	tenants := []*Account{
		NewAccount("a", decide(native), nil, policy.Timeouts{}, policy.Limits{Connections: 20}),
		NewAccount("b", decide(native), nil, policy.Timeouts{}, policy.Limits{ClientConnections: limit}),
	}
	var mu sync.Mutex
	in := map[byte]int{} // of clients in b
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 400 {
				client := byte(i % 5)
				c := guest(g, lobby, client)
				if err := c.Admit(nil); err != nil {
					t.Error(err)
				}
				c.SetPhase(abi.PhaseHeader)
				a := tenants[(i+w)%2]
				err := c.Reassign(a)
				if err == nil && a == tenants[1] {
					mu.Lock()
					if in[client]++; in[client] > limit {
						t.Errorf("client %d has %d", client, in[client])
					}
					mu.Unlock()
				}
				c.Status(new(Status))
				if err == nil && a == tenants[1] {
					mu.Lock()
					in[client]--
					mu.Unlock()
				}
				c.Close()
				if i%50 == 0 {
					tenants[0].SetLaw(policy.Timeouts{}, policy.Limits{Connections: 20, ClientConnections: i % 3})
					lobby.SetLaw(policy.Timeouts{}, policy.Limits{ClientConnections: 1000 * (i % 2)})
					ConnsAfter(uint64(i), 0, lobby, tenants[0], tenants[1])
				}
			}
		})
	}
	wg.Wait()
	if n := counted(g); n != 0 || g.Open() != 0 {
		t.Errorf("%d counted, %d open after the last", n, g.Open())
	}
	for _, a := range append(tenants, lobby) {
		if a.Open() != 0 || a.conns.len() != 0 {
			t.Errorf("%s: %d open, %d on its list", a.Name, a.Open(), a.conns.len())
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	for name, limit := range map[string]int{"uncounted": 0, "counted": 1000} {
		b.Run(name, func(b *testing.B) {
			g := still(b)
			a := NewAccount("acme", decide(native), nil, policy.Timeouts{}, policy.Limits{ClientConnections: limit})
			b.ReportAllocs()
			for b.Loop() {
				c := guest(g, a, 1)
				if err := c.Admit(nil); err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}
