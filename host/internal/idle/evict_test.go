package idle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// narrow is room for so many: 39 of clients' commonly and 53 at most, 46 and 60
// with those to upstreams.
const narrow = 64

// crowdOf runs f in a bubble with a Governor that has few descriptors.
func crowdOf(t *testing.T, f func(*testing.T, *Governor, *log)) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		g := New(Config{Shards: 1, ParkAfter: -1, Linger: -1, Descriptors: narrow, Observer: l})
		defer g.Close()
		f(t, g, l)
		synctest.Wait() // what f has begun may still close connections
		g.Each(func(c *Conn) bool { c.Close(); return true })
		if g.sockets.Load() != 0 || g.evicting.Load() != 0 || g.refusing.Load() != 0 || len(g.ranking.list) != 0 {
			t.Errorf("left: %d sockets, %d evicted, %d told, %d claims",
				g.sockets.Load(), g.evicting.Load(), g.refusing.Load(), len(g.ranking.list))
		}
	})
}

func tenantOf(name string) *Account {
	return NewAccount(name, decide(native), nil, policy.Timeouts{}, policy.Limits{})
}

// come accepts and admits a connection, a moment after the one before.
func come(t *testing.T, g *Governor, a *Account) *Conn {
	t.Helper()
	time.Sleep(time.Millisecond)
	c, err := g.Accept(void{}, a, false)
	if err != nil {
		t.Fatalf("%s: %v, with %d descriptors in use", a.Name, err, g.sockets.Load())
	}
	if err := c.Admit(nil); err != nil {
		t.Fatal(a.Name, err)
	}
	return c
}

func evicted(c *Conn) bool { r, ending := c.Ending(); return ending && r == policy.ReasonPressure }

// TestWhoHoldsMostGivesItsLongestIdle, and nothing that is in use.
func TestWhoHoldsMostGivesItsLongestIdle(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, l *log) {
		big, small := tenantOf("big"), tenantOf("small")
		var bigs, smalls []*Conn
		for range 6 {
			smalls = append(smalls, come(t, g, small)) // the oldest of all
		}
		for range 33 {
			bigs = append(bigs, come(t, g, big))
		}
		bigs[0].Begin(0, false)
		bigs[2].Begin(0, false)
		bigs[2].End() // it is the youngest now
		for i, c := range []*Conn{bigs[1], bigs[3], bigs[4]} {
			come(t, g, []*Account{small, big, tenantOf("newcomer")}[i])
			if !evicted(c) {
				t.Fatalf("newcomer %d: the longest idle stays", i)
			}
			c.Close()
		}
		for i, c := range append(smalls, bigs[0], bigs[2]) {
			if _, ending := c.Ending(); ending {
				t.Errorf("connection %d has been evicted", i)
			}
		}
		if n := g.Evictions(CauseDescriptors); n != 3 || l.count() != 3 || g.sockets.Load() != 39 {
			t.Errorf("%d evictions, %d ends, %d sockets", n, l.count(), g.sockets.Load())
		}
	})
}

// TestNobodyBelowItsShareGivesAnything for who holds more.
func TestNobodyBelowItsShareGivesAnything(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		big, small := tenantOf("big"), tenantOf("small")
		idle := come(t, g, small)
		for range 38 {
			come(t, g, big).Begin(0, false)
		}
		for range 3 {
			if _, err := g.Accept(void{}, big, false); !errors.Is(err, ErrFull) {
				t.Fatal("big goes on:", err)
			}
		}
		if evicted(idle) || g.Refusals(CauseDescriptors) != 3 {
			t.Errorf("small's is evicted: %v; %d refusals", evicted(idle), g.Refusals(CauseDescriptors))
		}
		for i := range 14 { // up to its share, and to the most there may be
			c := come(t, g, small)
			c.Begin(0, false)
			if evicted(idle) {
				t.Fatal("evicted for connection", i)
			}
		}
		come(t, g, small) // there is no more: its own idle one goes
		if !evicted(idle) {
			t.Error("small holds its share, and gives nothing up for more")
		}
	})
}

// TestUpstreamsHaveAReserve: where clients have all that they may have, their
// requests still find a descriptor.
func TestUpstreamsHaveAReserve(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		a, up := tenantOf("a"), tenantOf("a")
		Together(a, up)
		for range 39 {
			come(t, g, a).Begin(0, false)
		}
		dial := func() (*Conn, error) {
			return g.Dial(t.Context(), up, func() (net.Conn, error) { return void{}, nil })
		}
		var dialled []*Conn
		for range 7 {
			c, err := dial()
			if err != nil {
				t.Fatal(len(dialled), err)
			}
			if err := c.Admit(nil); err != nil {
				t.Fatal(err)
			}
			dialled = append(dialled, c)
		}
		if _, err := dial(); !errors.Is(err, ErrFull) {
			t.Error("there is no end:", err)
		}
		dialled[3].Begin(0, false)
		if dialled[3].End(); evicted(dialled[3]) {
			t.Fatal("evicted without need")
		}
		time.Sleep(time.Millisecond)
		if _, err := dial(); err != nil || !evicted(dialled[3]) {
			t.Errorf("one that has served makes no room: %v", err)
		}
	})
}

// TestNewConnectionIsNotEvictedBeforeItIsHeard: for 20 ms.
func TestNewConnectionIsNotEvictedBeforeItIsHeard(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		lobby := tenantOf("lobby")
		lobby.Unknown = true
		var first *Conn
		for i := range 39 {
			c, err := g.Accept(void{}, lobby, false)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = c
			}
		}
		begun := time.Now()
		if _, err := g.Accept(void{}, lobby, false); err != nil || !evicted(first) {
			t.Errorf("%v, evicted: %v", err, evicted(first))
		}
		if d := time.Since(begun); d != introductionTime {
			t.Errorf("after %v", d)
		}
		if err := first.Admit(nil); !errors.Is(err, ErrRefused) {
			t.Error("one that was evicted is admitted:", err)
		}
	})
}

// TestHalfARequestOfNobodysGoesAfterSilence, and that of a tenant's not at all.
func TestHalfARequestOfNobodysGoesAfterSilence(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		lobby, a := tenantOf("lobby"), tenantOf("a")
		lobby.Unknown = true
		theirs := come(t, g, a)
		theirs.SetPhase(abi.PhaseHeader)
		half, silent := come(t, g, lobby), come(t, g, lobby)
		half.SetPhase(abi.PhaseHeader)
		time.Sleep(introductionTime)
		for i, want := range []*Conn{silent, half, nil} {
			if got := g.Relieve(); got != (want != nil) || want != nil && !evicted(want) {
				t.Errorf("%d: evicted %v", i, got)
			}
		}
		if evicted(theirs) {
			t.Error("a tenant's request is lost")
		}
	})
}

// TestTunnelsAreInUse, however quiet.
func TestTunnelsAreInUse(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		c := come(t, g, tenantOf("a"))
		c.SetProtocol(abi.ProtocolTCP)
		for _, p := range []policy.Phase{abi.PhaseIdle, abi.PhaseTunnel, abi.PhaseHalfClosed} {
			if c.SetPhase(p); g.Relieve() {
				t.Errorf("evicted in phase %v", p)
			}
		}
	})
}

// TestEvictedConnectionIsClosedSoon, whatever its owner does: until then nobody
// waits longer than that.
func TestEvictedConnectionIsClosedSoon(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, l *log) {
		a := tenantOf("a")
		c := come(t, g, a)
		freed := g.Freed()
		begun := time.Now()
		if !g.Relieve() || g.evicting.Load() != 1 {
			t.Fatal("not evicted")
		}
		<-freed
		if d := time.Since(begun); d < evictGrace || d > evictGrace+20*time.Millisecond {
			t.Errorf("closed after %v", d)
		}
		synctest.Wait() // the descriptor is free before the end is observed
		if l.end(t).Reason != policy.ReasonPressure || g.evicting.Load() != 0 {
			t.Errorf("it ended with %+v and %d are being evicted, want the reason pressure and none", l.end(t), g.evicting.Load())
		}
		c.Close()
	})
}

// TestFullHostWaitsForWhoIsLeaving.
func TestFullHostWaitsForWhoIsLeaving(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		a := tenantOf("a")
		var open []*Conn
		for range 39 {
			open = append(open, come(t, g, a))
		}
		for range 14 { // their owners are slow to close them
			come(t, g, tenantOf("newcomer"))
		}
		if g.sockets.Load() != 53 || g.evicting.Load() == 0 {
			t.Fatalf("%d sockets, %d evicted", g.sockets.Load(), g.evicting.Load())
		}
		go func() {
			time.Sleep(100 * time.Millisecond)
			for _, c := range open {
				if evicted(c) {
					c.Close()
				}
			}
		}()
		begun := time.Now()
		come(t, g, a)
		if d := time.Since(begun); d < 100*time.Millisecond || d > 150*time.Millisecond {
			t.Errorf("accepted after %v", d)
		}
	})
}

// TestClientsAreTold that there is no room, a few at a time.
func TestClientsAreTold(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		a := tenantOf("a")
		for range 39 {
			come(t, g, a).Begin(0, false)
		}
		for i := range 6 {
			c, err := g.Accept(void{}, a, true)
			if i >= maxRefusing {
				if !errors.Is(err, ErrFull) {
					t.Error("told beyond measure:", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Admit(nil); !errors.Is(err, ErrRefused) {
				t.Error("admitted:", err)
			}
			defer c.Close()
		}
		if n := g.Refusals(CauseDescriptors); n != 6 {
			t.Errorf("%d refusals", n)
		}
	})
}

// TestDialTriesAgainWhereTheSystemHasNoDescriptor.
func TestDialTriesAgainWhereTheSystemHasNoDescriptor(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		a := tenantOf("a")
		for range 8 {
			come(t, g, a)
		}
		none := &net.OpError{Op: "dial", Err: syscall.EMFILE}
		for _, tt := range []struct {
			fails, tried int
			full         bool
		}{{0, 1, false}, {2, 3, false}, {100, dialTries, true}} {
			tried := 0
			c, err := g.Dial(t.Context(), a, func() (net.Conn, error) {
				g.Each(func(c *Conn) bool {
					if evicted(c) {
						c.Close()
					}
					return true
				})
				if tried++; tried <= tt.fails {
					return nil, none
				}
				return void{}, nil
			})
			if errors.Is(err, ErrFull) != tt.full || tried != tt.tried || !tt.full && err != nil {
				t.Errorf("%d failures: tried %d times, %v", tt.fails, tried, err)
			}
			if c != nil {
				c.Close()
			}
		}
		refused := errors.New("connection refused")
		if _, err := g.Dial(t.Context(), a, func() (net.Conn, error) { return nil, refused }); !errors.Is(err, refused) || errors.Is(err, ErrFull) {
			t.Error(err)
		}
	})
}

// TestTightMemoryWantsOneForOne.
func TestTightMemoryWantsOneForOne(t *testing.T) {
	crowdOf(t, func(t *testing.T, g *Governor, _ *log) {
		a := tenantOf("a")
		c := come(t, g, a)
		g.SetTight(true)
		come(t, g, tenantOf("b"))
		if !evicted(c) || g.Evictions(CauseMemory) != 1 {
			t.Error("nothing is evicted")
		}
		c.Close()
		for n := 0; g.Shrink(1) > 0; n++ {
			if n > 1 {
				t.Fatal("there is no end")
			}
		}
		if _, err := g.Accept(void{}, a, false); !errors.Is(err, ErrFull) || g.Refusals(CauseMemory) != 1 {
			t.Error("accepted:", err)
		}
		if _, err := g.Dial(t.Context(), a, func() (net.Conn, error) { return void{}, nil }); err != nil {
			t.Error("a request that is under way is lost:", err)
		}
		g.SetTight(false)
		come(t, g, a)
	})
}

// TestPipesAreBounded, and given back.
func TestPipesAreBounded(t *testing.T) {
	g := still(t)
	for range 100 {
		if !g.takePipe() {
			t.Fatal("no pipe although nothing is bounded")
		}
	}
	for range 100 {
		g.givePipe()
	}
	g.SetDescriptors(narrow)
	for i := range 3 {
		if got, want := g.takePipe(), i < 2; got != want {
			t.Errorf("pipe %d: %v; there are two", i, got)
		}
	}
	if g.givePipe(); !g.takePipe() {
		t.Error("a pipe that was given back is lost")
	}
}

// TestEvictHammer: tenants come, ask, dial and go at once, beyond all that there
// is. There are never more descriptors in use than there are, what is in use is
// never evicted, and in the end nothing is left.
func TestEvictHammer(t *testing.T) {
	g := New(Config{Shards: 2, ParkAfter: -1, Linger: -1, Descriptors: narrow})
	defer g.Close()
	lobby := tenantOf("lobby")
	lobby.Unknown = true
	claims := []*claim{lobby.claimed()}
	var group sync.WaitGroup
	for i := range 6 {
		a, up := tenantOf(fmt.Sprint("t", i)), tenantOf(fmt.Sprint("t", i))
		Together(a, up)
		claims = append(claims, a.claimed())
		group.Go(func() {
			var open []*Conn
			for n := range 300 {
				c, err := g.Accept(void{}, []*Account{a, lobby}[n%2], n%3 == 0)
				if used := g.sockets.Load(); used > narrow+maxRefusing {
					t.Errorf("%d descriptors are in use", used)
				}
				if err != nil {
					continue
				}
				open = append(open, c)
				if c.Admit(nil) != nil || c.Reassign(a) != nil {
					c.Close()
					continue
				}
				if c.Begin(0, false) {
					if d, err := g.Dial(context.Background(), up, func() (net.Conn, error) { return void{}, nil }); err == nil {
						if d.Admit(nil) == nil && d.Begin(0, false) {
							d.End()
						}
						open = append(open, d)
					}
					if evicted(c) {
						t.Error("evicted while in use")
					}
					c.End()
				}
				for len(open) > n%12 {
					open[0].Close()
					open = open[1:]
				}
				if n%50 == 0 {
					g.Relieve()
					g.Shrink(2)
					g.Calm()
				}
			}
			for _, c := range open {
				c.Close()
			}
		})
	}
	group.Wait()
	for i, cl := range claims {
		if cl.held != 0 || cl.spare[0].Load() != 0 || cl.spare[1].Load() != 0 {
			t.Errorf("claim %d holds %d, spare %d and %d", i, cl.held, cl.spare[0].Load(), cl.spare[1].Load())
		}
	}
	if g.sockets.Load() != 0 || g.evicting.Load() != 0 || g.refusing.Load() != 0 || g.Open() != 0 {
		t.Errorf("left: %d sockets, %d evicted, %d told, %d open", g.sockets.Load(), g.evicting.Load(), g.refusing.Load(), g.Open())
	}
}
