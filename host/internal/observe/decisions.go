package observe

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// Decision is one answer of a policy.
type Decision struct {
	At         time.Time // to the millisecond, as the policy was told
	Conn       uint64
	Client     uint64 // pseudonym; 0: the peer has no address
	Event      policy.Kind
	Phase      policy.Phase
	Side       policy.Side
	Protocol   policy.Protocol
	IdleMs     uint32
	Action     policy.Action
	DeadlineMs int64
	Reason     uint16
	Source     policy.Source
	Fault      policy.Fault
	Role       policy.Role
	TookNs     int64 // 0 of a shadow
	// Dropped is how many decisions before this one the subscriber was too
	// slow for.
	Dropped uint64
}

// Decisions passes answers on to whoever listens: an atomic load each while
// nobody does, and never more than a channel takes. Safe for concurrent use;
// create it with NewDecisions.
type Decisions struct {
	// listeners by account name; nil: there are none. What is pointed to
	// never changes.
	listeners atomic.Pointer[map[string][]*listener]

	mu sync.Mutex // held to replace listeners
}

type listener struct {
	mu      sync.Mutex // guards the following
	ch      chan Decision
	dropped uint64
	stopped bool
}

// NewDecisions returns a hub without listeners.
func NewDecisions() *Decisions { return new(Decisions) }

// Subscribe returns the decisions of the accounts of a name, from now on, with
// room for buffer that wait; at least 1. What does not fit is dropped, counted,
// and told in the next that fits. stop closes the channel; it may be called
// more than once.
func (d *Decisions) Subscribe(account string, buffer int) (decisions <-chan Decision, stop func()) {
	l := &listener{ch: make(chan Decision, max(buffer, 1))}
	d.change(account, func(list []*listener) []*listener { return append(slices.Clone(list), l) })
	return l.ch, sync.OnceFunc(func() {
		d.change(account, func(list []*listener) []*listener {
			return slices.DeleteFunc(slices.Clone(list), func(o *listener) bool { return o == l })
		})
		l.stop()
	})
}

// change replaces the listeners to an account.
func (d *Decisions) change(account string, f func([]*listener) []*listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := map[string][]*listener{}
	if old := d.listeners.Load(); old != nil {
		for name, list := range *old {
			next[name] = list
		}
	}
	if list := f(next[account]); len(list) > 0 {
		next[account] = list
	} else {
		delete(next, account)
	}
	if len(next) == 0 {
		d.listeners.Store(nil)
		return
	}
	d.listeners.Store(&next)
}

// Asked passes on an answer that was enforced.
func (d *Decisions) Asked(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	if m := d.listeners.Load(); m != nil {
		tell((*m)[a.Name], ask, v, took)
	}
}

// Shadowed passes on what a shadow answered beside. v.Role says so.
func (d *Decisions) Shadowed(account string, ask *policy.Ask, v policy.Verdict) {
	if m := d.listeners.Load(); m != nil {
		v.Role = policy.RoleShadow
		tell((*m)[account], ask, v, 0)
	}
}

func tell(list []*listener, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	if len(list) == 0 {
		return
	}
	e := &ask.Event
	d := Decision{
		At: time.UnixMilli(int64(e.NowMs)), Conn: e.Conn, Client: e.Client,
		Event: policy.Kind(e.Kind), Phase: policy.Phase(e.Phase), Side: policy.Side(e.Side), Protocol: policy.Protocol(e.Protocol),
		IdleMs: e.IdleMs, Action: v.Action, DeadlineMs: v.Deadline.Milliseconds(), Reason: v.Reason,
		Source: v.Source, Fault: v.Fault, Role: v.Role, TookNs: took.Nanoseconds(),
	}
	for _, l := range list {
		l.tell(d)
	}
}

func (l *listener) tell(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	d.Dropped = l.dropped
	select {
	case l.ch <- d:
		l.dropped = 0
	default:
		l.dropped++
	}
}

func (l *listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	close(l.ch)
}

// Reused is no decision, like what follows.
func (d *Decisions) Reused(*idle.Account, time.Duration) {}

// Late is none.
func (d *Decisions) Late(*idle.Account, uint64, time.Duration, bool) {}

// Returned is none.
func (d *Decisions) Returned(*idle.Account, uint64, time.Duration) {}

// Ended is none.
func (d *Decisions) Ended(*idle.End) {}

var _ idle.Observer = (*Decisions)(nil)
