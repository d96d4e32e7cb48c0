package observe

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

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
	// Dropped is how many decisions before this one the subscriber did not get:
	// it was too slow for them, or the tenant made them faster than they are
	// passed on.
	Dropped uint64
}

// A tenant's decisions are passed on at that rate, and so many at once: whoever
// listens makes them cost more than they do in silence, on goroutines that all
// tenants share.
const (
	decisionsASecond = 1000
	decisionsAtOnce  = 500
)

// Decisions passes answers on to those who listen. An answer costs one atomic load
// while nobody listens, and is dropped when a listener's channel is full. Tenants share nothing in
// it. Safe for concurrent use; create it with NewDecisions.
type Decisions struct {
	metrics *Metrics     // nil: what is dropped is not counted there
	feeds   sync.Map     // of *feed by account name; those that somebody listens to
	open    atomic.Int64 // feeds in the map

	mu sync.Mutex // held while somebody begins or stops to listen
}

// feed is what a tenant's listeners have in common.
type feed struct {
	mu        sync.Mutex // guards the following
	listeners []*listener
	limiter   *rate.Limiter
}

// listener is one subscription; its feed's mu guards it.
type listener struct {
	ch      chan Decision
	dropped uint64
}

// NewDecisions returns a hub without listeners. m, if not nil, counts what it
// drops.
func NewDecisions(m *Metrics) *Decisions { return &Decisions{metrics: m} }

// Subscribe returns the decisions of the accounts of a name, from now on, with
// room for buffer that wait; at least 1. What does not fit is dropped, counted,
// and told in the next that fits. stop closes the channel; it may be called
// more than once.
func (d *Decisions) Subscribe(account string, buffer int) (decisions <-chan Decision, stop func()) {
	l := &listener{ch: make(chan Decision, max(buffer, 1))}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.feed(account)
	if f == nil {
		f = &feed{limiter: rate.NewLimiter(decisionsASecond, decisionsAtOnce)}
		d.feeds.Store(account, f)
		d.open.Add(1)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, l)
	return l.ch, sync.OnceFunc(func() { d.unsubscribe(account, f, l) })
}

func (d *Decisions) unsubscribe(account string, f *feed, l *listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = slices.DeleteFunc(f.listeners, func(o *listener) bool { return o == l })
	if len(f.listeners) == 0 {
		d.feeds.Delete(account)
		d.open.Add(-1)
	}
	close(l.ch)
}

// feed returns the feed of an account; nil: nobody listens.
func (d *Decisions) feed(account string) *feed {
	if f, ok := d.feeds.Load(account); ok {
		return f.(*feed)
	}
	return nil
}

// Asked passes on an answer that was enforced.
func (d *Decisions) Asked(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	if d.open.Load() > 0 {
		d.tell(a, ask, v, took)
	}
}

// Shadowed passes on what a shadow answered beside. v.Role says so.
func (d *Decisions) Shadowed(a *idle.Account, ask *policy.Ask, v policy.Verdict) {
	if d.open.Load() > 0 {
		v.Role = policy.RoleShadow
		d.tell(a, ask, v, 0)
	}
}

func (d *Decisions) tell(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	f := d.feed(a.Name)
	if f == nil {
		return
	}
	if dropped := f.tell(ask, v, took); dropped > 0 && d.metrics != nil {
		d.metrics.of(a).notDelivered().Add(float64(dropped))
	}
}

// tell passes a decision on, and returns how many listeners do not get it.
func (f *feed) tell(ask *policy.Ask, v policy.Verdict, took time.Duration) (dropped int) {
	at := time.UnixMilli(int64(ask.Event.NowMs))
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.limiter.AllowN(at, 1) {
		for _, l := range f.listeners {
			l.dropped++
		}
		return len(f.listeners)
	}
	d := decisionOf(ask, v, at, took)
	for _, l := range f.listeners {
		d.Dropped = l.dropped
		select {
		case l.ch <- d:
			l.dropped = 0
		default:
			l.dropped++
			dropped++
		}
	}
	return dropped
}

func decisionOf(ask *policy.Ask, v policy.Verdict, at time.Time, took time.Duration) Decision {
	e := &ask.Event
	return Decision{
		At: at, Conn: e.Conn, Client: e.Client,
		Event: policy.Kind(e.Kind), Phase: policy.Phase(e.Phase), Side: policy.Side(e.Side), Protocol: policy.Protocol(e.Protocol),
		IdleMs: e.IdleMs, Action: v.Action, DeadlineMs: v.Deadline.Milliseconds(), Reason: v.Reason,
		Source: v.Source, Fault: v.Fault, Role: v.Role, TookNs: took.Nanoseconds(),
	}
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
