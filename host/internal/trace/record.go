// Package trace is the recording of connections' lives: what is written down
// (Record), the file it is kept in (FORMAT.md, Writer, Reader), and what
// anything that yields records has to look like (Source). Plain data and
// bytes; it knows neither connections nor policies' code.
package trace

import (
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Kind is what a record tells.
type Kind uint8

// The kinds. Beside each the fields of Record that it uses, besides Kind, Time
// and Conn.
const (
	// KindOpen: a connection was admitted, or, with Age, is found open where
	// the recording begins. Tenant, Client, Side, Protocol, Handshake, Phase,
	// Age, BytesIn, BytesOut.
	KindOpen Kind = 1 + iota
	// KindBegin: a request begins, its header section is complete. Route,
	// Body, Since.
	KindBegin
	// KindEnd: a request ended. BytesIn, BytesOut.
	KindEnd
	// KindPhase: a phase or protocol began that no Begin or End implies.
	// Phase, Protocol, Handshake.
	KindPhase
	// KindBurst: bytes passed in a tunnel after a silence of Since. BytesIn,
	// BytesOut.
	KindBurst
	// KindHint: the peer announced its own idle timeout. Since.
	KindHint
	// KindAsk: a question. Ask.
	KindAsk
	// KindClose: the connection ended. Phase, Reason, Cut, Since, BytesIn,
	// BytesOut.
	KindClose
	// KindLost: so many records, Count, that should be here are not. Conn is 0.
	KindLost
	// KindTenant: Tenant stands for Name from here on. Conn is 0.
	KindTenant
	// KindPolicy: the tenant's policy in a role is the module Name (SHA-256,
	// hexadecimal; empty: none) with Params ("key=value\n" sorted by key) from
	// here on. Tenant, Role. Conn is 0.
	KindPolicy
	// KindRules: the law of the tenant's connections of a side from here on.
	// Tenant, Side, Rules. Conn is 0.
	KindRules
	// KindAnswer: the answer to the connection's last question, where it was
	// applied or dropped. One that was given inside the call is the next record
	// after the question, of the same time. That of a shadow is beside the one
	// that was enforced, before or after it, and has the question's time. Answer.
	KindAnswer
	kindEnd
)

// Record is one thing that happened. A Source fills in the one its caller
// owns; what Ask and Rules point to is the Source's, valid until its next call.
type Record struct {
	Kind Kind
	// Time is when, in nanoseconds since the header's Start, exactly as the
	// idle layer reckoned with it. Records are in the order they were written
	// down, which may differ from that of Time by a few tens of milliseconds:
	// the idle layer's coarse clock runs ahead by up to one step. What is said
	// of connections that were open before the recording may be negative.
	Time int64
	// Conn is the connection's number, unique in a recording, from 1 on.
	Conn uint64

	Tenant    uint32 // as a KindTenant record has introduced it
	Client    uint64 // pseudonym; 0: unknown
	Side      policy.Side
	Protocol  policy.Protocol
	Phase     policy.Phase
	Reason    policy.Reason
	Role      policy.Role
	Handshake uint16
	Route     uint16
	Body      bool // content follows the header section
	Cut       bool // the host has cut a gap between two requests short
	// Age is how long the connection had been open, nanoseconds.
	Age int64
	// Since, in nanoseconds: of Begin, how long before Time its first byte
	// came; of Burst, the silence before it; of Close, how long the connection
	// had been idle; of Hint, the timeout.
	Since int64
	// BytesIn and BytesOut count from the connection's opening.
	BytesIn, BytesOut uint64
	Count             uint64
	Name, Params      string
	// Ask is the question as it was put. In a recording of version 1, State and
	// Leases are as the policy has left them.
	Ask    *policy.Event
	Answer *Answer
	Rules  *Rules
}

// Answer is what was answered, with State and Leases of the event as the policy
// has left them.
type Answer struct {
	Verdict policy.Verdict
	State   [abi.StateSize]uint8
	Leases  [abi.Phases]uint32
	// Dropped says that the answer came too late to be applied: the connection
	// had closed, or what was asked about was over.
	Dropped bool
}

// Rules is a tenant's law: what was in force where no policy decided, and
// what bound it where one did.
type Rules struct {
	Timeouts policy.Timeouts
	Limits   policy.Limits
}

// Own has the record point to copies that are its own.
func (r *Record) Own() {
	if r.Ask != nil {
		ask := *r.Ask
		r.Ask = &ask
	}
	if r.Answer != nil {
		answer := *r.Answer
		r.Answer = &answer
	}
	if r.Rules != nil {
		rules := *r.Rules
		r.Rules = &rules
	}
}

// Header is what a recording as a whole says of itself.
type Header struct {
	// Start is the wall clock at Time 0, Unix nanoseconds, as the idle layer had
	// it: an event's NowMs is Start/1e6 plus Time/1e6.
	Start int64
	// Granularity is the step of the idle layer's coarse clock, nanoseconds.
	Granularity int64
	// Sample is how many of 65536 clients were taken down.
	Sample uint32
	// Host is what has written it, such as "host v1.2.3"; at most 255 bytes.
	Host string
	// Origin is what it was made from: "live", or the name of a log that was
	// imported; at most 255 bytes.
	Origin string
}

// Source yields records one after the other.
type Source interface {
	// Header is known from the start.
	Header() Header
	// Next fills in r; io.EOF after the last.
	Next(r *Record) error
}
