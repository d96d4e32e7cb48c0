package proxy

import (
	"context"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
	"idlehost/sdk/abi"
)

// unrouted is the target of a connection that belongs to no tenant: its first
// request is refused.
type unrouted struct {
	account *idle.Account
	refusal *route.Refusal
}

// Account returns that of all such connections.
func (u unrouted) Account() *idle.Account { return u.account }

// Warm does nothing.
func (unrouted) Warm(context.Context) {}

// Site returns none.
func (unrouted) Site(string) (*route.Site, bool) { return nil, false }

// Assign refuses.
func (u unrouted) Assign(string) (route.Target, error) { return nil, u.refusal }

// unroutedTimeout bounds how long a client may take to send what tells whose
// its connection is, or to ask.
const unroutedTimeout = 10 * time.Second

// newUnroutedAccount returns the account of connections that belong to no
// tenant, where the Config names none.
func newUnroutedAccount() *idle.Account {
	short := policy.Timeout{Idle: unroutedTimeout, Max: unroutedTimeout}
	a := idle.NewAccount("_unknown", policy.Fixed{}, nil, policy.Timeouts{
		abi.PhaseHandshake: short, abi.PhaseHeader: short, abi.PhaseBody: short,
		abi.PhaseUpstream: short, abi.PhaseWrite: short, abi.PhaseIdle: {Idle: unroutedTimeout}, abi.PhaseStreamIdle: {Idle: unroutedTimeout},
		abi.PhaseDraining: short, abi.PhaseTunnel: short, abi.PhaseHalfClosed: short,
	}, policy.Limits{})
	a.Unknown = true
	return a
}

var _ route.Unassigned = unrouted{}
