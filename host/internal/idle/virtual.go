package idle

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// World is where the connections of a Virtual are.
type World struct {
	// Start is the wall clock at time 0, to which nothing else is added.
	Start time.Time
	// Seed makes the random numbers that policies are given.
	Seed uint64
	// Complete fills in what only a kernel or a whole host could tell, just
	// before a question is asked; Conn says of which connection. nil: nobody
	// does, and it stays unknown.
	Complete func(*policy.Event)
	// Late says when the look at a connection that is due at now happens. One
	// that is not later than now happens at once, and one that is OnCall when
	// Look is called. nil: all happen at once.
	Late func(conn uint64, now int64) int64
	// Closes says that the owner of a connection, which the host has decided to
	// end, closes it by itself, and soon. nil: they are closed at once.
	Closes func(conn uint64) bool
}

// OnCall is when a look happens that the caller has happen.
const OnCall = never

// Virtual is a Governor whose clock its caller moves: nothing happens by
// itself, nothing at random, and its connections have no sockets. What is
// decided of them, when, and what of it enters the books is as in any
// Governor: it is the same code. Not safe for concurrent use.
type Virtual struct {
	*Governor
	world    World
	question *question
	late     lateLooks
	ended    []*Conn // that the host has decided to end
}

// NewVirtual returns a Virtual at time 0. Linger, parking, ClientKey and Shards
// of cfg do not count. Close it.
func NewVirtual(cfg Config, w World) *Virtual {
	cfg.Shards, cfg.Linger, cfg.ParkAfter, cfg.StripAfter = 1, -1, -1, -1
	g := newGovernor(cfg)
	v := &Virtual{Governor: g, world: w, question: newQuestion()}
	v.question.rand = rand.NewPCG(w.Seed, 0)
	g.clock = newStillClock(w.Start, g.cfg.Granularity)
	g.complete = w.Complete
	g.asks.New = func() any {
		q := newQuestion()
		q.rand = v.question.rand
		return q
	}
	g.shards = []*shard{newShard(g.clock, int64(g.cfg.Granularity))}
	return v
}

// Close does nothing: a Virtual has no goroutines.
func (v *Virtual) Close() error { return nil }

// Set sets the clock and looks at nothing. It may go back a little, as stamps
// of the coarse clock do.
func (v *Virtual) Set(t int64) { v.clock.hand.Store(t) }

// Advance looks at all that is due by t, at its time and in its order, and
// leaves the clock at t. Connections that the host ends are closed.
func (v *Virtual) Advance(t int64) {
	s := v.shards[0]
	for {
		at := s.wakeAt
		delayed := len(v.late) > 0 && v.late[0].at <= at
		if delayed {
			at = v.late[0].at
		}
		if at > t {
			break
		}
		v.Set(max(at, v.Now()))
		if delayed {
			v.look(heap.Pop(&v.late).(lateLook).entry)
			continue
		}
		s.due = s.wheel.Advance(at, s.due[:0])
		s.wakeAt = s.wheel.Next()
		for _, e := range s.due {
			if !v.delay(e) {
				v.look(e)
			}
		}
	}
	v.Set(t)
}

// delay puts a look off, if the world has it happen late.
func (v *Virtual) delay(e *entry) bool {
	c, ok := e.Owner.(*Conn)
	if !ok || v.world.Late == nil {
		return false
	}
	at := v.world.Late(c.id, v.Now())
	if at <= v.Now() {
		return false
	}
	if at != OnCall {
		heap.Push(&v.late, lateLook{at, c.id, e})
	}
	return true
}

// Look looks at a connection now, due or not.
func (v *Virtual) Look(c *Conn) {
	v.shards[0].cancel(&c.entry)
	v.look(&c.entry)
}

// look does what a shard's goroutine does.
func (v *Virtual) look(e *entry) {
	if e.Linked() {
		return // it has been put back into the wheel since
	}
	e.Owner.expire(v.Now(), v.question)
	v.Settle()
}

// Settle closes what the host has decided to end, as its owner would whose
// Read is interrupted.
func (v *Virtual) Settle() {
	for len(v.ended) > 0 {
		c := v.ended[len(v.ended)-1]
		v.ended = v.ended[:len(v.ended)-1]
		if f := v.world.Closes; f == nil || !f(c.id) {
			c.Close()
		}
	}
}

// Open is Govern for a connection of a client known by its pseudonym.
func (v *Virtual) Open(a *Account, client uint64, side policy.Side) *Conn {
	c := v.Govern(noSocket{}, a, side)
	c.inner, c.client = &socketless{world: v, conn: c}, client
	return c
}

// Admit is that of the connection; one that is refused, or has to make room
// for it, is closed.
func (v *Virtual) Admit(c *Conn) error {
	err := c.Admit(nil)
	v.Settle()
	return err
}

// Pass says that bytes have passed, just now.
func (v *Virtual) Pass(c *Conn, in, out uint64) {
	c.bytesIn.Add(in)
	c.bytesOut.Add(out)
	c.lastRead.Store(v.Now())
	c.lastWrite.Store(v.Now())
}

// Touch says when bytes were last read and written, if that was later than is
// known.
func (v *Virtual) Touch(c *Conn, read, write int64) {
	c.lastRead.Store(max(c.lastRead.Load(), read))
	c.lastWrite.Store(max(c.lastWrite.Load(), write))
}

// Stir says that the first byte of a request has come. It takes back an end that
// its owner has yet to carry out: bytes that are there win.
func (v *Virtual) Stir(c *Conn) {
	c.lastRead.Store(v.Now())
	if c.Phase() == abi.PhaseIdle {
		c.stir()
	}
	if c.ending.Load() != 0 && c.side == sideAccepted && restful(c.endPhase) {
		c.reviveLocked() // as the end of a parked connection with HTTP/2 is
	}
	if c.gaps.open() && c.gaps.end < c.gaps.start {
		c.gaps.end = v.Now() // of a connection whose phase no byte changes, too
	}
}

// Leave closes a connection for a reason that is not the host's: ReasonPeer,
// ReasonError or ReasonLocal.
func (v *Virtual) Leave(c *Conn, r policy.Reason) {
	c.peerGone, c.failed = r == policy.ReasonPeer, r == policy.ReasonError
	c.Close()
}

// lateLook is a look that was put off; looks of the same time come by number.
type lateLook struct {
	at    int64
	conn  uint64
	entry *entry
}

type lateLooks []lateLook

func (l lateLooks) Len() int { return len(l) }
func (l lateLooks) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(l[i].at, l[j].at), cmp.Compare(l[i].conn, l[j].conn)) < 0
}
func (l lateLooks) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *lateLooks) Push(x any)   { *l = append(*l, x.(lateLook)) }
func (l *lateLooks) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	*l = (*l)[:last]
	return x
}
