// Package tenant decides for a tenant: which version of its policy is asked
// about a connection, what answers where that cannot, and the record of each.
// Guests are loaded when they are first asked and let go when nobody asks; what
// they have learned is kept. A Roster says whose a connection is.
package tenant

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Guest is a living instance of a tenant's own policy, which may fail. Its
// methods are called from several goroutines; Close after the others have
// returned. One that has a method Err() error is asked for the text of its
// last fault, one that has WantsClose() bool for whether it is to be told of
// every end.
type Guest interface {
	Decide(*policy.Ask) (policy.Verdict, policy.Fault)
	// Digest names the policy's code: lower-case hex.
	Digest() string
	// Learned returns a copy of what it has learned.
	Learned() policy.State
	Close() error
}

// Loader brings versions to life.
type Loader interface {
	// Load takes until the guest can be asked, or ctx is done. learned is what
	// another version, or an earlier guest of the same, had learned; it is for
	// the guest to take if it is of its format.
	Load(ctx context.Context, tenant string, v Version, learned policy.State) (Guest, error)
	// Fault is the cause that an error of Load stands for.
	Fault(error) policy.Fault
}

// States keeps what guests have learned beyond their lives.
type States interface {
	PutState(tenant, digest string, s policy.State) error
	State(tenant, digest string) (s policy.State, ok bool)
}

// Config configures a Tenant. The zero value works.
type Config struct {
	Name string
	// Native answers for a guest that cannot; nil: policy.Fixed.
	Native policy.Policy
	// Logger is told of faults, at most one line per role and cause in ten
	// seconds; it must not block. nil: nobody is told.
	Logger *slog.Logger
	// Remedies says what answers for a guest that cannot, by cause. nil:
	// policy.DefaultRemedies.
	Remedies *policy.Remedies
	// Loader loads versions that come without a guest. nil: they are lost.
	Loader Loader
	// States keeps what was learned. nil: the tenant does, while it lives.
	States States
	// Loads bounds how many tenants load at once, and has them take turns by
	// Name. nil: nothing does.
	Loads *LoadQueue
	// Worth is what sparing a client one reconnect is worth, in time of
	// holding its connection: a close whose client is back within that was
	// early. 0: none is.
	Worth time.Duration
	// Shadowed is told of each answer of a shadow, beside the one that was
	// enforced; ask is the shadow's question. It must not block, nor keep ask.
	// nil: nobody is.
	Shadowed func(ask *policy.Ask, enforced, shadow policy.Verdict)
}

// Tenant answers the questions about one tenant's connections. It never fails.
// Safe for concurrent use; create it with New.
type Tenant struct {
	name     string
	native   policy.Policy
	logger   *slog.Logger
	loader   Loader
	states   States
	gate     *LoadQueue
	shadowed func(*policy.Ask, policy.Verdict, policy.Verdict)

	plan     atomic.Pointer[plan] // never nil; replaced with mu held
	remedies atomic.Pointer[policy.Remedies]
	worth    atomic.Int64
	trouble  burst          // lines about States
	loads    sync.WaitGroup // of loadings

	mu     sync.Mutex // guards closed, the plan's change, and what residents say it guards
	closed bool
}

// New returns a tenant ruled by its native policy.
func New(cfg Config) *Tenant {
	t := &Tenant{
		name: cfg.Name, native: cfg.Native, logger: cfg.Logger,
		loader: cfg.Loader, states: cfg.States, gate: cfg.Loads, shadowed: cfg.Shadowed,
	}
	r := policy.DefaultRemedies()
	if cfg.Remedies != nil {
		r = *cfg.Remedies
	}
	t.remedies.Store(&r)
	t.SetWorth(cfg.Worth)
	if t.native == nil {
		t.native = policy.Fixed{}
	}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	t.plan.Store(&plan{active: newLane(policy.RoleActive, nil), plain: true})
	return t
}

// Name returns the tenant's name.
func (t *Tenant) Name() string { return t.name }

// SetWorth changes Config.Worth.
func (t *Tenant) SetWorth(d time.Duration) { t.worth.Store(int64(d)) }

// Decide asks the version that the connection is for, and in its place the
// native policy when that fails. It is on the hot path of every timeout: it
// allocates nothing and takes no lock (TestDecideAllocatesNothing). The answer
// of a Remote comes later, if there is an ask.Reply.
func (t *Tenant) Decide(ask *policy.Ask) policy.Verdict {
	for {
		p := t.plan.Load()
		if p.plain {
			v := t.native.Decide(ask)
			v.Source = policy.SourceNative
			return v
		}
		if p.shadow != nil {
			if v, ok := t.decideBeside(p, ask); ok {
				return v
			}
		} else if v, ok := t.decide(p, ask, ask.Reply); ok {
			return v
		}
	}
}

// decide asks by plan p; not ok: that is in force no more, and nobody was asked.
// reply takes an answer that comes later; nil: none may.
func (t *Tenant) decide(p *plan, ask *policy.Ask, reply policy.Replier) (v policy.Verdict, ok bool) {
	l := p.laneOf(&ask.Event)
	if l.resident == nil {
		v = t.native.Decide(ask)
		v.Source = policy.SourceNative
		return v, true
	}
	if ask.Event.Kind == uint8(abi.KindClose) && !l.wantsClose() {
		return policy.Verdict{Role: l.role}, true // it was another version that wants to be told
	}
	s := l.take(oneAsk)
	if s == nil {
		if t.plan.Load() != p {
			return v, false // the lane may be empty because p is gone
		}
		return t.cold(p, l, ask, reply), true
	}
	s.touch(ask.Event.NowMs)
	if s.loaded.remote != nil && reply != nil {
		return t.askRemote(p, s, ask, reply, t.newRemoteAsk(p, l, s, reply)), true
	}
	v, fault := s.guest.Decide(ask)
	s.release()
	if fault != policy.FaultNone {
		return t.fallback(p, l, ask, fault, reply), true
	}
	v.Source, v.Role = policy.SourcePolicy, l.role
	return v, true
}

// Digest returns the digest of the active version; empty: the native policy.
func (t *Tenant) Digest() string { return t.plan.Load().active.digest() }

// DigestOf returns the digest of the version in a role; empty: there is none.
func (t *Tenant) DigestOf(role policy.Role) string {
	if l := t.plan.Load().lane(role); l != nil {
		return l.digest()
	}
	return ""
}

// WantsClose reports whether any of the versions, as far as they have lived,
// wants to be told of every end.
func (t *Tenant) WantsClose() bool {
	p := t.plan.Load()
	return p.active.wantsClose() || p.canary.wantsClose() || p.shadow.wantsClose()
}

// Close keeps what the guests have learned and lets them go; loads that run
// are waited for. The tenant goes on answering natively. Idempotent.
func (t *Tenant) Close() error {
	t.mu.Lock()
	if !t.closed {
		c := t.changeLocked(Plan{}, nil, policy.State{})
		t.closed = true
		t.mu.Unlock()
		c.clear()
	} else {
		t.mu.Unlock()
	}
	t.loads.Wait()
	return nil
}
