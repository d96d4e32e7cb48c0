// Package channel carries batches of questions from the host to a worker
// process, and the answers back: the contents through memory that both have
// mapped, and one datagram each way that says that a batch, or its answers,
// are there. The host treats everything that a worker writes as hostile.
package channel

import (
	"errors"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Question is one question of a batch.
type Question struct {
	Guest uint32 // number that the host gave the instance
	Event policy.Event
	// Follows: State and Leases of the event are those that the question asked
	// last of the same guest has left, whatever stands in Event.
	Follows bool
	Kind    GapsKind
	// Gaps is the histogram where Kind is GapsNew. At the worker's end it lies
	// in shared memory and is valid until Batch.Done.
	Gaps *policy.Gaps
}

// GapsKind says which histogram stands beside an event.
type GapsKind uint8

// The kinds.
const (
	GapsNone GapsKind = iota // there is none
	GapsSame                 // the one that this guest was given last
	GapsNew                  // Question.Gaps
)

// Answer is what a worker answered. Exchange holds the fields to the ranges
// given here, and to nothing else.
type Answer struct {
	Fault  policy.Fault         // one that there is
	Reply  uint64               // as the guest's hook returned it: unchecked
	State  [abi.StateSize]uint8 // any
	Leases [abi.Phases]uint32   // any
	Fuel   uint64               // at most MaxFuel
	Hook   uint64               // the part of Fuel that the guest's hook took
	Time   time.Duration        // processor time, this question's share; 0 to MaxTime
}

// What an answer may claim at most. Both are far beyond what a question can
// use, so that sums of them do not overflow.
const (
	MaxFuel = 1<<32 - 1
	MaxTime = time.Minute
)

// MaxSlots is the largest batch that Open takes.
const MaxSlots = 1024

// What ends a channel. An error of Exchange wraps one of these,
// os.ErrDeadlineExceeded or os.ErrClosed; after it the channel is of no use.
var (
	ErrGone     = errors.New("the worker has gone")
	ErrProtocol = errors.New("the worker does not keep to the protocol")
)
