package proxy

import (
	"net/http"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/sdk/abi"
)

// stranger is the Home of a connection that is nobody's: whatever is asked
// first is refused, and the last.
type stranger struct{ why Unknown }

// Site returns none.
func (stranger) Site() *httpproxy.Site { return nil }

// Owns is false.
func (stranger) Owns(string) bool { return false }

// Enter refuses.
func (s stranger) Enter(string) (Tenant, error) {
	return Tenant{}, &Refusal{Status: http.StatusMisdirectedRequest, Text: s.why.Error(), Close: true}
}

// patience is what a stranger gets to say who it is, or to ask.
const patience = 10 * time.Second

// newStrangers returns the account of connections that are nobody's, where the
// Config names none.
func newStrangers() *idle.Account {
	short := policy.Timeout{Idle: patience, Max: patience}
	a := idle.NewAccount("_unknown", policy.Fixed{}, nil, policy.Timeouts{
		abi.PhaseHandshake: short, abi.PhaseHeader: short, abi.PhaseBody: short,
		abi.PhaseUpstream: short, abi.PhaseWrite: short, abi.PhaseIdle: {Idle: patience}, abi.PhaseStreamIdle: {Idle: patience},
		abi.PhaseDraining: short, abi.PhaseTunnel: short, abi.PhaseHalfClosed: short,
	}, policy.Limits{})
	a.Unknown = true
	return a
}

var _ Lobby = stranger{}
