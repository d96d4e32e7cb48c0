package tenant

import (
	"log/slog"
	"sync/atomic"

	"idlehost/host/internal/policy"
)

// seat holds the policy in charge for as long as somebody asks it.
type seat struct {
	guest      Guest        // nil where it could not be loaded
	lost       policy.Fault // why guest is nil
	digest     string
	wantsClose bool
	logger     *slog.Logger

	// refs counts the questions being asked, and one for being in charge.
	// Once it is 0 it stays 0: the guest is closed.
	refs atomic.Int64
}

// take returns the seat in charge, to be released; nil if there is none.
func (t *Tenant) take() *seat { return retained(&t.seat) }

// retained returns the seat that p holds, to be released; nil if it holds none.
func retained(p *atomic.Pointer[seat]) *seat {
	for {
		s := p.Load()
		if s == nil || s.retain() {
			return s
		}
		// It was replaced and closed between the two looks.
	}
}

func (s *seat) retain() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives the seat back; the last one out closes the policy.
func (s *seat) release() {
	if s.refs.Add(-1) > 0 || s.guest == nil {
		return
	}
	if err := s.guest.Close(); err != nil {
		s.logger.Warn("policy not closed", "policy", Short(s.digest), "error", err)
	}
}

func (s *seat) decide(ask *policy.Ask) (policy.Verdict, policy.Fault) {
	if s.guest == nil {
		return policy.Verdict{}, s.lost
	}
	return s.guest.Decide(ask)
}
