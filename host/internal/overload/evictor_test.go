package overload

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// silent is a connection without a socket.
type silent struct{ net.Conn }

func (silent) RemoteAddr() net.Addr             { return nil }
func (silent) Close() error                     { return nil }
func (silent) SetReadDeadline(time.Time) error  { return nil }
func (silent) SetWriteDeadline(time.Time) error { return nil }

// testEvictor is an evictor whose host has connections, and memory that the test says.
type testEvictor struct {
	*Evictor
	logs     strings.Builder
	live     int // thousandths of the limit that are in use
	garbage  int // that are free once they are collected
	collects int
	files    int
}

func newTestEvictor(conns int) (*testEvictor, *idle.Governor) {
	g := idle.New(idle.Config{Shards: 1, Linger: -1, ParkAfter: -1})
	r := &testEvictor{}
	r.Evictor = &Evictor{
		governor: g, logger: slog.New(slog.NewTextHandler(&r.logs, nil)),
		memory: func() (uint64, uint64) { return uint64(r.live+r.garbage) << 20, 1000 << 20 },
		files:  func() observe.Usage { return observe.Usage{Files: uint64(r.files)} },
		collect: func() {
			r.collects++
			r.garbage = 0
		},
	}
	a := idle.NewAccount("a", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
	for range conns {
		if err := g.Govern(silent{}, a, abi.SideAccepted).Admit(nil); err != nil {
			panic(err)
		}
	}
	return r, g
}

// pass looks as often as the ticker would, and closes what was evicted.
func (r *testEvictor) pass(d time.Duration) {
	for range d / evictorEvery {
		time.Sleep(evictorEvery)
		r.look(time.Now())
		r.governor.Each(func(c *idle.Conn) bool {
			if _, ending := c.Ending(); ending {
				c.Close()
				r.live--
				r.garbage++
			}
			return true
		})
	}
}

func TestMemoryIsRelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := newTestEvictor(200)
		defer g.Close()
		r.live, r.garbage = 800, 99
		if r.pass(time.Minute); r.collects > 0 || g.Open() != 200 {
			t.Errorf("below nine tenths: %d collections, %d connections", r.collects, g.Open())
		}
		r.garbage = 150
		if r.pass(time.Minute); r.collects != 1 || g.Open() != 200 || r.Reasons() != nil {
			t.Errorf("what was garbage: %d collections, %d connections, %v", r.collects, g.Open(), r.Reasons())
		}
		r.live = 900
		r.pass(time.Second)
		if n := g.Open(); n != 175 {
			t.Errorf("%d connections are left after the first eighth", n)
		}
		if s := r.Reasons(); len(s) != 1 || !strings.Contains(s[0], "memory is short") {
			t.Errorf("%q", s)
		}
		r.pass(time.Minute)
		if n := g.Open(); n > 150 || n < 100 || r.Reasons() != nil {
			t.Errorf("%d connections are left, %v; enough is 850", n, r.Reasons())
		}
		if n := g.Evictions(idle.CauseMemory); n != uint64(200-g.Open()) {
			t.Errorf("%d evictions", n)
		}
		if log := r.logs.String(); strings.Count(log, "\n") != 2 || !strings.Contains(log, "suffices again") {
			t.Error(log)
		}
	})
}

// TestFullMemoryAcceptsNobody, until there is some again, and collects no more
// than once a second.
func TestFullMemoryAcceptsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := newTestEvictor(0)
		defer g.Close()
		a := idle.NewAccount("b", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
		r.live = 969
		r.pass(time.Second)
		c, err := g.Accept(silent{}, a, false)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		r.live, r.collects = 970, 0
		r.pass(10 * time.Second)
		if _, err := g.Accept(silent{}, a, false); err == nil || r.collects > 10 {
			t.Errorf("%v, %d collections", err, r.collects)
		}
		r.live = 100
		r.pass(2 * time.Second)
		if c, err = g.Accept(silent{}, a, false); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

// TestShortDescriptorsAreTold once, and when they suffice again.
func TestShortDescriptorsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := newTestEvictor(30)
		defer g.Close()
		r.descriptors = Divide(200)
		r.files = 60
		r.pass(2 * time.Second)
		if _, most := g.Descriptors(); most < 120 || most > r.descriptors.Connections || r.Reasons() != nil {
			t.Errorf("room for %d of %d, %v", most, r.descriptors.Connections, r.Reasons())
		}
		r.files = 30 + 150 // recordings, or what else
		r.pass(time.Second)
		if _, most := g.Descriptors(); most > 200-150 {
			t.Errorf("room for %d where others have 150 of 200", most)
		}
		for range 3 {
			g.Relieve()
			r.pass(5 * time.Second)
			if s := r.Reasons(); len(s) != 1 || !strings.Contains(s[0], "descriptors are short") {
				t.Fatalf("%q", s)
			}
		}
		r.pass(calmAfter)
		if log := r.logs.String(); r.Reasons() != nil || strings.Count(log, "\n") != 2 ||
			!strings.Contains(log, "evicted=1") || !strings.Contains(log, "evicted=3") {
			t.Error(r.Reasons(), log)
		}
	})
}

func TestDescriptorsAreDivided(t *testing.T) {
	for limit, want := range map[int]Descriptors{
		0: {}, 30: {30, 12, 40, 16}, 200: {200, 12, 40, 148}, 1024: {1024, 64, 128, 832},
		20_000: {20_000, 156, 156, 19_688}, 1 << 20: {1 << 20, 8192, 8192, 1<<20 - 2*8192},
	} {
		if got := Divide(limit); got != want {
			t.Errorf("%d: %+v, want %+v", limit, got, want)
		}
	}
	if n := idle.Fits(Divide(20_000).Connections); n < 19_000 {
		t.Errorf("20,000 descriptors are enough for %d connections only", n)
	}
	d := Divide(200)
	for others, want := range map[int]int{0: 148, 30: 148, 52: 140, 100: 92, 190: fewest, 500: fewest} {
		if got := d.beside(others); got != want {
			t.Errorf("beside %d others: %d, want %d", others, got, want)
		}
	}
}

func TestReliefEnds(t *testing.T) {
	g := idle.New(idle.Config{Shards: 1})
	defer g.Close()
	r := NewEvictor(g, Descriptors{}, slog.New(slog.NewTextHandler(io.Discard, nil)), observe.NewProcess())
	r.Close()
}
