package lab

import (
	"math"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// never is a time that has not come.
const never = math.MinInt64

// lane is one client's use of a connection, and the connection that the policy
// has let it have.
type lane struct {
	number uint64
	client uint64
	tenant *tenant
	conn   *idle.Conn // nil: the host has closed it
	tally  *tally     // of the client's kind
	group  *Group     // of the client
	facts  facts
	asked  asked

	inflight  int
	idleSince int64 // since when nothing is under way; valid if inflight is 0
	closedAt  int64 // when the policy closed the connection; never: it has not
	held      int64 // how long it had been idle then
	used      bool  // a request was made
	agreed    bool  // the last answer was the recorded one
	closing   bool  // the recording tells when its connection is closed

	in, out   uint64 // bytes, as the recording counts them
	side      policy.Side
	protocol  policy.Protocol
	phase     policy.Phase // the last without a request under way
	handshake uint16
}

// facts are what the recording last told of the connection that a replay
// cannot know.
type facts struct {
	rttUs, rttVarUs, holdBytes uint32
}

// asked is the last question that the recording tells of.
type asked struct {
	at    int64
	idle  int64 // how long the connection had been, nanoseconds
	kind  policy.Kind
	phase policy.Phase
}

// tunnel reports whether bytes, not requests, are what keeps it busy.
func (l *lane) tunnel() bool { return l.phase == abi.PhaseTunnel || l.phase == abi.PhaseHalfClosed }

// resting reports whether a phase is one that a connection waits in.
func resting(p policy.Phase) bool {
	switch p {
	case abi.PhaseIdle, abi.PhaseStreamIdle, abi.PhaseTunnel, abi.PhaseHalfClosed:
		return true
	}
	return false
}
