package policy

import (
	"time"

	"idlehost/sdk/abi"
)

// Verdict is an answer. Make it with Default, Extend or Close.
type Verdict struct {
	Action   abi.Action
	Deadline time.Duration // from the event's NowMs, with ActionExtend
	Log      bool          // write the decision to the host's log
	Reason   uint16        // the policy's own code, 0 to 32767, shown in the log
}

// Default leaves the decision to the host: at accept the configured leases
// (or those the policy has set) hold, at a timeout the connection is closed.
func Default() Verdict { return Verdict{Action: abi.ActionDefault} }

// Extend keeps the connection for another d, unless it is used before. d is
// rounded up to a millisecond; the host clamps it to the operator's limits.
func Extend(d time.Duration) Verdict { return Verdict{Action: abi.ActionExtend, Deadline: d} }

// Close ends the connection; at accept it refuses it.
func Close() Verdict { return Verdict{Action: abi.ActionClose} }

// WithLog asks the host to log the decision.
func (v Verdict) WithLog() Verdict {
	v.Log = true
	return v
}

// WithReason attaches a code of the policy's own, 0 to 32767, to the log line.
func (v Verdict) WithReason(n uint16) Verdict {
	v.Reason = n & 0x7fff
	return v
}

// pack encodes v as the ABI returns it; leases says that the event's leases
// were edited.
func (v Verdict) pack(leases bool) int64 {
	var flags uint8
	if v.Log {
		flags |= abi.FlagLog
	}
	if leases {
		flags |= abi.FlagLeases
	}
	return abi.Verdict(v.Action, Millis(v.Deadline), flags, v.Reason)
}

// Millis counts d as the ABI does, in milliseconds, rounded up, so that a tiny
// extension is not none. Negative is 0, more than 49 days is Never-1.
func Millis(d time.Duration) uint32 {
	ms := d / time.Millisecond
	if d > ms*time.Millisecond {
		ms++
	}
	return uint32(min(max(ms, 0), abi.Never-1))
}
