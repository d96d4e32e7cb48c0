package idle

import (
	"sync/atomic"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Account is one tenant as the idle layer sees it. Create it with NewAccount.
type Account struct {
	Name    string
	Decider Decider
	Books   *books.Books // nil: none are kept

	law  atomic.Pointer[law]
	open atomic.Int64

	// set is what a policy set last: it mostly sets the same for all, who
	// then share it.
	set atomic.Pointer[leases]
}

type law struct {
	timeouts policy.Timeouts
	limits   policy.Limits
	leases   leases // timeouts' Idle
}

// leases are the deadlines of each phase, in milliseconds; 0: none. Those that
// a Conn points to never change.
type leases [abi.Phases]uint32

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

// share returns leases like l that are shared by those who got the same.
func (a *Account) share(l *leases) *leases {
	if s := a.set.Load(); s != nil && *s == *l {
		return s
	}
	s := new(leases)
	*s = *l
	a.set.Store(s)
	return s
}

// Open returns the number of the account's open connections.
func (a *Account) Open() int { return int(a.open.Load()) }

// wantsClose reports whether the policy is to be told of every end.
func (a *Account) wantsClose() bool {
	w, ok := a.Decider.(interface{ WantsClose() bool })
	return ok && w.WantsClose()
}
