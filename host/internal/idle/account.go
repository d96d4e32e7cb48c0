package idle

import (
	"sync"
	"sync/atomic"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
)

// Account is one tenant as the idle layer sees it. Create it with NewAccount,
// or with Terms.Account. There are two for every tenant, mostly of tenants
// without a connection: TestAccountBudget.
type Account struct {
	Name string
	// Policy answers on the goroutine that serves a whole shard of
	// connections. One with a method WantsClose() bool that returns true is
	// also told of every end.
	Policy policy.Policy
	Books  *books.Books // nil: none are kept

	law  atomic.Pointer[law]
	tape atomic.Pointer[Tape] // nil: nothing is taken down
	open atomic.Int64

	// set is what a policy set last: it mostly sets the same for all, who
	// then share it.
	set atomic.Pointer[leases]

	// counting says that the connections of each client are counted: since
	// the law first limited them.
	counting atomic.Bool

	setting sync.Mutex // held while the law changes; before a Conn's mu

	mu      sync.Mutex // guards the following; a Conn's mu may be held, never taken
	retired bool

	// Unknown says that it holds connections whose tenant is not known yet: until
	// their first request is complete they may be evicted. It is set before the
	// account has any.
	Unknown bool

	conns connList // guarded by mu

	claim atomic.Pointer[claim] // nil: it has had no connection, and shares with none
}

// NewAccount returns an account under the given law.
func NewAccount(name string, d policy.Policy, b *books.Books, t policy.Timeouts, l policy.Limits) *Account {
	return NewTerms(t).Account(name, d, b, l)
}

// SetLaw replaces timeouts and limits. Open connections follow at their next
// look, those that a policy gave leases keep them. A Policy or
// an Observer must not call it.
func (a *Account) SetLaw(t policy.Timeouts, l policy.Limits) { a.SetTerms(NewTerms(t), l) }

// SetTerms is SetLaw with terms that other accounts share.
//
// A limit on the connections of one client is in force once those that are
// open have been counted; from then on they are counted for good.
func (a *Account) SetTerms(t *Terms, l policy.Limits) {
	a.setting.Lock()
	defer a.setting.Unlock()
	if l.ClientConnections > 0 && !a.counting.Swap(true) {
		for _, c := range a.snapshot() {
			c.countLate(a)
		}
	}
	a.law.Store(&law{Terms: t, limits: l})
}

// Open returns the number of the account's open connections. The end of each
// of the others has been observed.
func (a *Account) Open() int { return int(a.open.Load()) }

// Retired reports whether Retire was called.
func (a *Account) Retired() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.retired
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

// wantsClose reports whether the policy is to be told of every end.
func (a *Account) wantsClose() bool {
	w, ok := a.Policy.(interface{ WantsClose() bool })
	return ok && w.WantsClose()
}

// enter puts c on the list.
func (a *Account) enter(c *Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns.add(c)
}

// leave takes c off the list.
func (a *Account) leave(c *Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns.remove(c)
}

// snapshot returns the connections on the list.
func (a *Account) snapshot() []*Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conns.all()
}

// after appends up to n connections whose IDs are larger than id to list.
func (a *Account) after(list []*Conn, id uint64, n int) []*Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conns.after(list, id, n)
}
