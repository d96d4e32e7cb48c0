package app

import (
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
	"idlehost/sdk/abi"
)

// ledger tells every tenant what became of its policy's decisions.
type ledger struct{}

// Asked is told by the tenant itself.
func (ledger) Asked(*idle.Account, *policy.Ask, policy.Verdict, time.Duration) {}

// Reused is no sign of anything.
func (ledger) Reused(*idle.Account, time.Duration) {}

// Late counts a client whose bytes were lost. One that is back on another
// connection is told of by Returned too.
func (ledger) Late(a *idle.Account, client uint64, after time.Duration, lost bool) {
	if t, ok := a.Decider.(*tenant.Tenant); ok && lost {
		t.Returned(client, after, true)
	}
}

// Returned counts a client that is back after its connection was closed.
func (ledger) Returned(a *idle.Account, client uint64, after time.Duration) {
	if t, ok := a.Decider.(*tenant.Tenant); ok {
		t.Returned(client, after, a.Books != nil && a.Books.Late(policy.Millis(after)))
	}
}

// Ended counts the idle connections that a policy has ended.
func (ledger) Ended(e *idle.End) {
	if t, ok := e.Account.Decider.(*tenant.Tenant); ok && e.Side == abi.SideAccepted && e.Reason == policy.ReasonPolicy {
		t.Closed(e.Verdict.Role)
	}
}

var _ idle.Observer = ledger{}
