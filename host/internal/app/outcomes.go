package app

import (
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
	"idlehost/sdk/abi"
)

// outcomeObserver tells every tenant what became of its policy's decisions.
type outcomeObserver struct{}

// Asked is told by the tenant itself.
func (outcomeObserver) Asked(*idle.Account, *policy.Ask, policy.Verdict, time.Duration) {}

// Reused is no sign of anything.
func (outcomeObserver) Reused(*idle.Account, time.Duration) {}

// Late is told of by Returned too, once the client is back.
func (outcomeObserver) Late(*idle.Account, uint64, time.Duration, bool) {}

// Returned counts a client that is back after its connection was closed.
func (outcomeObserver) Returned(a *idle.Account, client uint64, after time.Duration) {
	if t, ok := a.Decider.(*tenant.Tenant); ok {
		t.Returned(client, after, a.Books != nil && a.Books.Late(policy.Millis(after)))
	}
}

// Ended counts the gaps that were cut short, whoever has decided it: those are
// what Returned tells the rest of.
func (outcomeObserver) Ended(e *idle.End) {
	if t, ok := e.Account.Decider.(*tenant.Tenant); ok && e.Side == abi.SideAccepted && e.Cut {
		t.Closed(e.Verdict.Role)
	}
}

var _ idle.Observer = outcomeObserver{}
