package idle

import (
	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Terms are the timeouts of every phase. They never change, so that accounts
// under the same ones share them. Create them with NewTerms.
type Terms struct {
	timeouts policy.Timeouts
	leases   leases // timeouts' Idle
}

// leases are the deadlines of each phase, in milliseconds; 0: none. Those that
// a Conn points to never change.
type leases [abi.Phases]uint32

// law is what binds the connections of an account.
type law struct {
	*Terms
	limits policy.Limits
}

// NewTerms returns the terms of t.
func NewTerms(t policy.Timeouts) *Terms {
	n := &Terms{timeouts: t}
	for i := range n.leases {
		n.leases[i] = policy.Millis(t[i].Idle)
	}
	return n
}

// Account returns an account under these terms.
func (t *Terms) Account(name string, d policy.Policy, b *books.Books, l policy.Limits) *Account {
	a := &Account{Name: name, Policy: d, Books: b}
	a.SetTerms(t, l)
	return a
}
