package idle

import (
	"cmp"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
)

// Pressure is how full the process is, each from 0 to 1000.
type Pressure struct{ Conns, Fds, Memory uint16 }

// Config configures a Governor. The zero value works.
type Config struct {
	// Shards is the number of timing wheels; 0: GOMAXPROCS.
	Shards int
	// Granularity is the step of the wheel and of the coarse clock: a
	// deadline is kept never early and at most this late. 0: 10 ms.
	Granularity time.Duration
	// Pressure is asked at most once a second; nil: no pressure.
	Pressure func() Pressure
	// Limit is the number of accepted connections the host may have open;
	// 0: any.
	Limit int
	// Descriptors is how many descriptors connections of both sides may have
	// together, see SetDescriptors. 0: any number.
	Descriptors int
	// ClientKey is the key of the hash that clients are known by: with the
	// same one a client keeps its pseudonym over restarts. Zero: a random one.
	ClientKey [32]byte
	// Observer may be nil.
	Observer Observer
	// Linger is how long a connection that the host ended while idle waits
	// for bytes that crossed its FIN. 0: 500 ms. Negative: not at all.
	Linger time.Duration
	// ParkAfter is how long a connection is quiet before it is parked, if its
	// owner can park it. 0: 100 ms. Negative: never.
	ParkAfter time.Duration
	// StripAfter is how long a connection is parked before it is left with
	// nothing but its descriptor, where that is of TCP. That saves 0.9 KB
	// of 1.6 and takes, with the waking, 25 us of processor time;
	// keep-alive probes are then Go's default again. 0: 10 s. Negative:
	// never.
	StripAfter time.Duration
}

// endGrace is how long the owner of a connection has to close it after the
// host decided to end it, where its law has no time for phase Draining; then
// the host closes it itself.
const endGrace = 10 * time.Second

// Governor governs connections. Create it with New.
type Governor struct {
	cfg      Config
	clock    *clock
	shards   []*shard
	key      clientKey
	clients  clientCounter
	polling  sync.Once              // the poller is made, or nobody will
	poller   atomic.Pointer[poller] // nil: nothing parks
	closing  sync.Once
	asks     sync.Pool // of *question, for asks outside a shard's goroutine
	pendings sync.Pool // of *pending

	nextID   atomic.Uint64
	open     atomic.Int64 // both sides
	accepted atomic.Int64
	parked   atomic.Int64
	stripped atomic.Int64 // of the parked
	draining atomic.Bool

	ranking   ranking
	capacity  atomic.Pointer[capacity] // nil: there is no limit
	tight     atomic.Bool              // there is no memory for more
	sockets   atomic.Int64             // of both sides, those that linger too
	evicting  atomic.Int64             // of the sockets: evicted, and not closed yet
	refusing  atomic.Int64             // of the sockets: refused, and their clients are being answered
	pipes     atomic.Int64             // that are spliced through
	freed     signal                   // a socket was closed
	evictions [causes]atomic.Uint64
	refusals  [causes]atomic.Uint64

	complete func(*policy.Event) // of a Virtual; nil: events are complete

	pressure   atomic.Uint64 // the three of Pressure, 16 bits each
	pressureAt atomic.Int64
}

// New returns a running Governor.
func New(cfg Config) *Governor {
	g := newGovernor(cfg)
	g.clock = newClock(g.cfg.Granularity)
	g.asks.New = func() any { return newQuestion() }
	for range g.cfg.Shards {
		s := newShard(g.clock, int64(g.cfg.Granularity))
		go s.serve()
		g.shards = append(g.shards, s)
	}
	return g
}

// newGovernor returns one without clock and shards.
func newGovernor(cfg Config) *Governor {
	if cfg.Shards <= 0 {
		cfg.Shards = runtime.GOMAXPROCS(0)
	}
	if cfg.Granularity <= 0 {
		cfg.Granularity = 10 * time.Millisecond
	}
	cfg.Linger = cmp.Or(cfg.Linger, 500*time.Millisecond)
	cfg.ParkAfter = cmp.Or(cfg.ParkAfter, 100*time.Millisecond)
	cfg.StripAfter = cmp.Or(cfg.StripAfter, 10*time.Second)
	if cfg.Observer == nil {
		cfg.Observer = noObserver{}
	}
	g := &Governor{cfg: cfg, key: newClientKey(cfg.ClientKey)}
	g.pendings.New = func() any { return new(pending) }
	g.pressureAt.Store(-int64(time.Second))
	g.SetDescriptors(cfg.Descriptors)
	return g
}

// Close stops the Governor's goroutines and waits for them. Connections stay
// as they are, ungoverned. Idempotent.
func (g *Governor) Close() error {
	g.closing.Do(func() {
		for _, s := range g.shards {
			s.close()
		}
		g.polling.Do(func() {})
		if p := g.poller.Load(); p != nil {
			p.close()
		}
		g.clock.close()
	})
	return nil
}

// Open returns the number of open connections of both sides.
func (g *Governor) Open() int { return int(g.open.Load()) }

// Draining reports whether Drain was called.
func (g *Governor) Draining() bool { return g.draining.Load() }

// Each calls f for every open connection, once, until it returns false, and for
// some that have just been closed.
func (g *Governor) Each(f func(*Conn) bool) {
	var conns []*Conn
	for _, s := range g.shards {
		conns = s.conns(conns[:0])
		for _, c := range conns {
			if !f(c) {
				return
			}
		}
	}
}

// Govern wraps nc, in phase Handshake, under a's law, whether or not there is
// room for it. Nothing is asked before Admit.
func (g *Governor) Govern(nc net.Conn, a *Account, side policy.Side) *Conn {
	g.sockets.Add(1)
	g.ranking.add(a.claimed(), 1)
	return g.govern(nc, a, side)
}

// govern is Govern for a connection that is counted already.
func (g *Governor) govern(nc net.Conn, a *Account, side policy.Side) *Conn {
	id := g.nextID.Add(1)
	now := g.clock.now()
	c := &Conn{
		inner: nc, gov: g,
		id: id, side: side, opened: now, account: a, phaseStart: now, gaps: noGaps(), stirred: -1, armed: never,
	}
	c.entry.Owner = c
	c.setPeerLocked(addrPort(nc.RemoteAddr()))
	c.setLeasesLocked(a.law.Load())
	g.open.Add(1)
	if side == sideAccepted {
		g.accepted.Add(1)
	}
	a.open.Add(1)
	a.enter(c)
	c.mu.Lock()
	c.countSpareLocked()
	c.rescheduleLocked(now)
	c.mu.Unlock()
	return c
}

// left takes a connection that has ended out of the numbers. When they show it,
// its end has been observed.
func (g *Governor) left(c *Conn, a *Account) {
	a.leave(c)
	g.ranking.add(a.claimed(), -1)
	g.open.Add(-1)
	if c.side == sideAccepted {
		g.accepted.Add(-1)
	}
	a.open.Add(-1)
}

// pressureNow returns the process's pressure, at most a second old.
func (g *Governor) pressureNow(now int64) Pressure {
	at := g.pressureAt.Load()
	if g.cfg.Pressure != nil && now-at >= int64(time.Second) && g.pressureAt.CompareAndSwap(at, now) {
		p := g.cfg.Pressure()
		g.pressure.Store(uint64(p.Conns) | uint64(p.Fds)<<16 | uint64(p.Memory)<<32)
	}
	v := g.pressure.Load()
	p := Pressure{Conns: uint16(v), Fds: uint16(v >> 16), Memory: uint16(v >> 32)}
	p.Conns = max(p.Conns, share(g.accepted.Load(), g.Limit()))
	return p
}

// share is n against limit, 0 to 1000; 0 without a limit.
func share(n int64, limit int) uint16 {
	if limit <= 0 {
		return 0
	}
	return uint16(min(max(n, 0)*1000/int64(limit), 1000))
}

// noObserver observes nothing.
type noObserver struct{}

func (noObserver) Asked(*Account, *policy.Ask, policy.Verdict, time.Duration) {}
func (noObserver) Reused(*Account, time.Duration)                             {}
func (noObserver) Late(*Account, uint64, time.Duration, bool)                 {}
func (noObserver) Returned(*Account, uint64, time.Duration)                   {}
func (noObserver) Ended(*End)                                                 {}
