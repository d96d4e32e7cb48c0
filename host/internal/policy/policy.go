// Package policy holds the words that the idle layer, the engine, the tenants
// and the proxy share: what is asked (Ask), what is answered (Verdict), the
// limits that bind an answer, and the native fixed policy. Plain data; it
// knows neither connections nor Wasm.
package policy

import (
	"time"

	"idlehost/sdk/abi"
)

// The ABI's vocabulary, used throughout the host.
type (
	Event    = abi.Event
	Gaps     = abi.Gaps
	Kind     = abi.Kind
	Phase    = abi.Phase
	Side     = abi.Side
	Protocol = abi.Protocol
	Action   = abi.Action
)

// Ask is one question: the event, and the tenant's histogram beside it.
// The caller owns and reuses it; a Policy must not keep it.
type Ask struct {
	Event Event
	// Gaps is the tenant's histogram for the event's route class; nil when
	// the host keeps no books. It must not change while the question is asked.
	Gaps *Gaps
	// Reply takes the answer where that does not come inside the call; nil:
	// it must.
	Reply Replier
}

// Replier takes the answer to a question whose Decide has returned a verdict
// of SourcePending.
type Replier interface {
	// Answered is called exactly once, on any goroutine, without a lock, and
	// never inside the call of Decide. ask is the question as it was put, but
	// for State and Leases, which are as the policy has left them. It is the
	// caller's again afterwards.
	Answered(ask *Ask, v Verdict)
}

// Verdict is one answer. There is one in the record of every connection, so
// the fields are in an order that leaves no gaps.
type Verdict struct {
	// Deadline counts from the event's NowMs; meaningful with ActionExtend.
	Deadline time.Duration
	// Reason is the policy's own code, 0 to 32767, shown in logs.
	Reason uint16
	Action Action
	// Log asks for a decision line in the log.
	Log bool
	// Leases says that the policy edited Ask.Event.Leases.
	Leases bool
	// Source tells who answered.
	Source Source
	// Fault tells why the tenant's policy did not, where Source is
	// SourceFallback.
	Fault Fault
	// Role is that of the version that was asked, or should have been.
	Role Role
}

// Policy answers questions. Decide is called from several goroutines, must
// not block for long and never fails: what stands in for a failed policy is
// decided behind this interface. One whose answer takes long returns a verdict
// of SourcePending and tells Ask.Reply later.
type Policy interface {
	Decide(*Ask) Verdict
}

// Source tells who answered.
type Source uint8

// The sources of a verdict.
const (
	SourceNative   Source = iota // the operator's configuration: no policy is set
	SourcePolicy                 // the tenant's policy
	SourceFallback               // the operator's configuration, because the policy failed
	SourcePending                // nobody yet: Ask.Reply is told later; the rest of the verdict says nothing
)

var sourceNames = [...]string{"native", "policy", "fallback", "pending"}

// String returns the name used in logs and metrics.
func (s Source) String() string { return sourceNames[s] }

// Millis converts to whole milliseconds as the ABI counts them: negative is
// 0, more than 49 days is abi.Never-1.
func Millis(d time.Duration) uint32 {
	return uint32(min(max(d/time.Millisecond, 0), abi.Never-1))
}
