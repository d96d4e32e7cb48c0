package idle

import (
	"sync/atomic"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
)

// Account is one tenant as the idle layer sees it. Create it with NewAccount.
type Account struct {
	Name    string
	Decider Decider
	Books   *books.Books // nil: none are kept

	law  atomic.Pointer[law]
	open atomic.Int64
}

type law struct {
	timeouts policy.Timeouts
	limits   policy.Limits
	leases   [len(policy.Event{}.Leases)]uint32 // timeouts' Idle in milliseconds
}

// NewAccount returns an account under the given law.
func NewAccount(name string, d Decider, b *books.Books, t policy.Timeouts, l policy.Limits) *Account {
	a := &Account{Name: name, Decider: d, Books: b}
	a.SetLaw(t, l)
	return a
}

// SetLaw replaces timeouts and limits. Open connections follow at their next
// look, those that a policy gave leases keep them.
func (a *Account) SetLaw(t policy.Timeouts, l policy.Limits) {
	n := &law{timeouts: t, limits: l}
	for i := range t {
		n.leases[i] = policy.Millis(t[i].Idle)
	}
	a.law.Store(n)
}

// Open returns the number of the account's open connections.
func (a *Account) Open() int { return int(a.open.Load()) }

// wantsClose reports whether the policy is to be told of every end.
func (a *Account) wantsClose() bool {
	w, ok := a.Decider.(interface{ WantsClose() bool })
	return ok && w.WantsClose()
}
