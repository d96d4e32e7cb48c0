package config

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Timeouts is the operator's law: what holds where no policy answers, and the
// bounds of every answer. 0 switches a limit off.
type Timeouts struct {
	// Handshake is the longest a TLS handshake, or the detection of the
	// protocol, may take.
	Handshake Duration `toml:"handshake"`
	// Header is the longest a request's header section may take, HeaderIdle
	// the longest pause within it.
	Header     Duration `toml:"header"`
	HeaderIdle Duration `toml:"header_idle"`
	// Body is the longest pause in a request's content; past BodyGrace it
	// must also keep BodyMinRate bytes per second.
	Body        Duration `toml:"body"`
	BodyMinRate int64    `toml:"body_min_rate"`
	BodyGrace   Duration `toml:"body_grace"`
	// Upstream is how long an upstream may take to begin its answer, Response
	// the longest pause within the answer.
	Upstream Duration `toml:"upstream"`
	Response Duration `toml:"response"`
	// Write is how long a client may take nothing of an answer that is
	// waiting to be written; past WriteGrace it must also take WriteMinRate
	// bytes per second.
	Write        Duration `toml:"write"`
	WriteMinRate int64    `toml:"write_min_rate"`
	WriteGrace   Duration `toml:"write_grace"`
	// Idle is how long a client's connection may wait for its next request,
	// StreamIdle the same for HTTP/2, UpstreamIdle for the host's own
	// connections to an upstream.
	Idle         Duration `toml:"idle"`
	StreamIdle   Duration `toml:"stream_idle"`
	UpstreamIdle Duration `toml:"upstream_idle"`
	// Tunnel is how long a WebSocket or a TCP relay may be silent, HalfClosed
	// the same once one direction has ended.
	Tunnel     Duration `toml:"tunnel"`
	HalfClosed Duration `toml:"half_closed"`
	// Draining is how long a connection may take to say good-bye once its end
	// is decided and no request is under way; 0: 10 s.
	Draining Duration `toml:"draining"`
	// Floor is the shortest deadline a policy may set, Ceiling the longest
	// idle time that any connection reaches.
	Floor   Duration `toml:"floor"`
	Ceiling Duration `toml:"ceiling"`
	// Worth is what sparing a client one reconnect is worth, in time of
	// holding its connection.
	Worth Duration `toml:"worth"`
	// LateWindow is how soon after a close a client's return counts as late.
	LateWindow Duration `toml:"late_window"`
}

// Accepted returns the law of clients' connections.
func (t Timeouts) Accepted() policy.Timeouts {
	law := t.common()
	law[abi.PhaseHeader] = policy.Timeout{Idle: t.HeaderIdle.D(), Max: t.Header.D()}
	law[abi.PhaseBody] = policy.Timeout{Idle: t.Body.D(), MinRate: t.BodyMinRate, Grace: t.BodyGrace.D()}
	// The wait is the upstream's doing: the connection dialled to it is held
	// to a law, the client's is not.
	law[abi.PhaseUpstream] = policy.Timeout{}
	law[abi.PhaseWrite] = policy.Timeout{Idle: t.Write.D(), MinRate: t.WriteMinRate, Grace: t.WriteGrace.D()}
	law[abi.PhaseIdle] = policy.Timeout{Idle: t.Idle.D()}
	return law
}

// Dialled returns the law of the host's connections to upstreams. The pace of
// a request's content is the client's, who is held to it on the other side.
func (t Timeouts) Dialled() policy.Timeouts {
	law := t.common()
	law[abi.PhaseHeader] = policy.Timeout{Idle: t.Response.D()}
	law[abi.PhaseBody] = policy.Timeout{Idle: t.Response.D()}
	law[abi.PhaseUpstream] = policy.Timeout{Idle: t.Upstream.D()}
	law[abi.PhaseWrite] = policy.Timeout{Idle: t.Response.D()}
	law[abi.PhaseIdle] = policy.Timeout{Idle: t.UpstreamIdle.D()}
	return law
}

func (t Timeouts) common() policy.Timeouts {
	return policy.Timeouts{
		abi.PhaseHandshake:  {Max: t.Handshake.D()},
		abi.PhaseStreamIdle: {Idle: t.StreamIdle.D()},
		abi.PhaseTunnel:     {Idle: t.Tunnel.D()},
		abi.PhaseHalfClosed: {Idle: t.HalfClosed.D()},
		abi.PhaseDraining:   {Idle: t.Draining.D(), Max: t.Draining.D()},
	}
}

// DialledLimits returns what a policy may decide on upstream connections. A
// tenant's connection limit counts clients only: the connections that serve
// them must not be refused for being there.
func (c *Config) DialledLimits() policy.Limits {
	return policy.Limits{
		Floor:   c.Timeouts.Floor.D(),
		Ceiling: c.Timeouts.Ceiling.D(),
		Worth:   c.Timeouts.Worth.D(),
	}
}

// Window returns LateWindow in the unit of the books.
func (t Timeouts) Window() uint32 { return policy.Millis(time.Duration(t.LateWindow)) }
