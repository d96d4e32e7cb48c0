// Package tenant decides for a tenant: its policy answers where it can, the
// operator's native policy where it cannot, and the cause is kept.
package tenant

import (
	"log/slog"
	"sync/atomic"

	"idlehost/host/internal/policy"
)

// Guest is a tenant's own policy, which may fail. Decide and Digest are
// called from several goroutines; Close after the last Decide has returned.
type Guest interface {
	Decide(*policy.Ask) (policy.Verdict, policy.Fault)
	// Digest names the policy's code: lower-case hex.
	Digest() string
	Close() error
}

// Config configures a Tenant.
type Config struct {
	Name string
	// Native answers for a guest that cannot; nil: policy.Fixed.
	Native policy.Policy
	// Logger is told of faults, at most one line per cause in ten seconds;
	// it must not block. nil: nobody is told.
	Logger *slog.Logger
	// Remedies says what answers for a guest that cannot, by cause. nil:
	// policy.DefaultRemedies.
	Remedies *policy.Remedies
}

// Tenant answers the questions about one tenant's connections. It never fails.
// Safe for concurrent use; create it with New.
type Tenant struct {
	name   string
	native policy.Policy
	logger *slog.Logger

	seat     atomic.Pointer[seat] // nil: no policy is set
	previous atomic.Pointer[seat] // was in charge before; nil: none, or no remedy wants it
	remedies atomic.Pointer[policy.Remedies]
	faults   [faults]atomic.Uint64
	bursts   [faults]burst
}

// faults is the number of causes.
const faults = int(policy.FaultBreaker) + 1

// New returns a tenant ruled by its native policy.
func New(cfg Config) *Tenant {
	t := &Tenant{name: cfg.Name, native: cfg.Native, logger: cfg.Logger}
	r := policy.DefaultRemedies()
	if cfg.Remedies != nil {
		r = *cfg.Remedies
	}
	t.remedies.Store(&r)
	if t.native == nil {
		t.native = policy.Fixed{}
	}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	return t
}

// Name returns the tenant's name.
func (t *Tenant) Name() string { return t.name }

// Decide asks the tenant's policy, and the native one in its place when it
// fails. It is on the hot path of every timeout: it allocates nothing and
// takes no lock (TestDecideAllocatesNothing).
func (t *Tenant) Decide(ask *policy.Ask) policy.Verdict {
	s := t.take()
	if s == nil {
		v := t.native.Decide(ask)
		v.Source = policy.SourceNative
		return v
	}
	v, fault := s.decide(ask)
	digest := s.digest
	s.release()
	if fault == policy.FaultNone {
		v.Source = policy.SourcePolicy
		return v
	}
	return t.fallback(ask, fault, digest)
}

// Replace puts a policy in charge; nil: the native one. Questions that are
// being asked finish with the old policy, which is closed after the last,
// unless a remedy wants it: then the one before it is.
func (t *Tenant) Replace(g Guest) {
	if g == nil {
		t.install(nil)
		return
	}
	s := &seat{guest: g, digest: g.Digest(), logger: t.logger}
	if w, ok := g.(interface{ WantsClose() bool }); ok {
		s.wantsClose = w.WantsClose()
	}
	t.install(s)
}

// Lose notes that the policy which should be in charge could not be loaded:
// until Replace, the native one answers, and every answer says why.
func (t *Tenant) Lose(cause policy.Fault, digest string) {
	t.faults[cause].Add(1)
	t.install(&seat{lost: cause, digest: digest, logger: t.logger})
}

func (t *Tenant) install(s *seat) {
	if s != nil {
		s.refs.Store(1) // the tenant's own
	}
	old := t.seat.Swap(s)
	if old == nil {
		return
	}
	if s == nil || old.guest == nil || !t.remedies.Load().Uses(policy.RemedyPrevious) {
		old.release()
		old = nil
	}
	if s == nil || old != nil {
		t.remember(old)
	}
}

// Guest calls f with the policy in charge, which is not closed meanwhile; not
// at all when there is none.
func (t *Tenant) Guest(f func(Guest)) {
	if s := t.take(); s != nil {
		defer s.release()
		if s.guest != nil {
			f(s.guest)
		}
	}
}

// Digest returns the digest of the policy in charge, or of the one that could
// not be loaded; empty: none is set.
func (t *Tenant) Digest() string {
	if s := t.seat.Load(); s != nil {
		return s.digest
	}
	return ""
}

// Faults returns how often a cause kept the policy from answering.
func (t *Tenant) Faults(cause policy.Fault) uint64 { return t.faults[cause].Load() }

// WantsClose reports whether the policy wants to be told of every end, which
// it says by a method of the same name.
func (t *Tenant) WantsClose() bool {
	s := t.seat.Load()
	return s != nil && s.wantsClose
}

// Close takes the policies out of charge. The tenant goes on answering natively.
func (t *Tenant) Close() error {
	t.install(nil)
	return nil
}

// Short returns the part of a digest that is shown to people.
func Short(digest string) string { return digest[:min(12, len(digest))] }
