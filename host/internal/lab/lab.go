// Package lab replays recordings through policies in virtual time and counts
// what each of them would have cost. It drives the idle layer, the books and
// the engine that serve live traffic, fed with a recording by lanes (package
// demand) instead of sockets.
package lab

import (
	"io"
	"time"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// Recording is a trace that is being read.
type Recording interface {
	trace.Source
	io.Closer
}

// Policy is a policy to be played.
type Policy struct {
	Name   string // short, unique in a study
	Module string // what it was loaded from: a file, or a bundled policy's name
	Wasm   []byte
	Params map[string]string
}

// Span is the part of a recording that is played and counted, in nanoseconds of
// its time.
type Span struct {
	// CountFrom leaves out of the sums what comes before it; the policy learns
	// from it all the same.
	CountFrom int64
	// To ends the replay. 0: the end of the recording.
	To int64
}

// Config says what is replayed, and how it is counted.
type Config struct {
	// Open opens the recording, once for every pass. Required.
	Open func() (Recording, error)
	// Engine runs the policies. Required.
	Engine *engine.Engine
	// Setting is what is assumed; see DefaultSetting.
	Setting study.Setting
	// Tenant, if not empty, is the only one whose connections count.
	Tenant string
	Span   Span
	// Length is that of the recording, nanoseconds, where it is known: by it
	// series are sampled. 0: there are none.
	Length int64
	// Kind tells the kind of a client. nil: none does.
	Kind func(client uint64, side policy.Side, protocol policy.Protocol) string
	// Period tells the heartbeat of a client, nanoseconds; 0: it has none. nil:
	// none has.
	Period func(client uint64) int64
}

// DefaultSetting is a reconnect worth 120 s, as the host's configuration has
// it, over a round trip of 50 ms where the recording tells none.
func DefaultSetting() study.Setting {
	return study.Setting{Seed: 1, WorthMs: 120_000, RoundTripMs: 50, RoundTrips: 2, HandshakeUs: 600}
}

// StandardTimeouts is the law of a recording that tells none: that of the
// host's configuration as it comes.
func StandardTimeouts(s policy.Side) policy.Timeouts {
	law := policy.Timeouts{
		abi.PhaseIdle:       {Idle: 75 * time.Second},
		abi.PhaseStreamIdle: {Idle: 180 * time.Second},
		abi.PhaseTunnel:     {Idle: time.Hour},
		abi.PhaseHalfClosed: {Idle: time.Minute},
	}
	if s == abi.SideAccepted {
		law[abi.PhaseHeader] = policy.Timeout{Idle: 10 * time.Second}
		law[abi.PhaseBody] = policy.Timeout{Idle: time.Minute}
		law[abi.PhaseWrite] = policy.Timeout{Idle: time.Minute}
	}
	return law
}

// StandardLimits are those of the host's configuration as it comes.
func StandardLimits() policy.Limits {
	return policy.Limits{Floor: 100 * time.Millisecond, Ceiling: 24 * time.Hour}
}
