package app

import (
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
	"idlehost/sdk/abi"
)

// outcomeObserver reports the outcomes of a policy's decisions to its tenant.
type outcomeObserver struct{}

// Asked does nothing: the tenant counts its questions itself.
func (outcomeObserver) Asked(*idle.Account, *policy.Ask, policy.Verdict, time.Duration) {}

// Reused does nothing: reuse says nothing about a decision.
func (outcomeObserver) Reused(*idle.Account, time.Duration) {}

// Late does nothing: Returned counts the same client.
func (outcomeObserver) Late(*idle.Account, uint64, time.Duration, bool) {}

// Returned counts a client that is back after its connection was closed.
func (outcomeObserver) Returned(a *idle.Account, client uint64, after time.Duration) {
	if t, ok := a.Policy.(*tenant.Tenant); ok {
		t.Returned(client, after, a.Books != nil && a.Books.Late(policy.Millis(after)))
	}
}

// Ended counts the gaps that were cut short, whoever decided that: Returned counts
// those of them whose client came back.
func (outcomeObserver) Ended(e *idle.End) {
	if t, ok := e.Account.Policy.(*tenant.Tenant); ok && e.Side == abi.SideAccepted && e.Cut {
		t.Closed(e.Verdict.Role)
	}
}

var _ idle.Observer = outcomeObserver{}
