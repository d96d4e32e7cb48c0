// Package idle is the idle-deadline connection layer. A Conn wraps an accepted
// or dialled connection below TLS, stamps its activity, knows its phase, and
// asks its tenant's policy when a deadline has passed. A Governor keeps all
// of them in timing wheels and ends those whose time has come.
//
// It knows connections and time, not Wasm, not tenants' stores, not HTTP.
package idle

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"idlehost/host/internal/policy"
)

// ErrRefused is returned by Admit when the policy, or a limit, refuses the
// connection. The caller closes it.
var ErrRefused = errors.New("connection refused by policy")

// ErrEnded is returned by Write on a dialled connection that the host has
// decided to end: no byte was written, so the request is safe to repeat.
var ErrEnded = errors.New("idle connection ended before use")

// Observer is told what happens. Its methods are called from any goroutine,
// must not block and must not keep what they are given.
type Observer interface {
	// Asked reports a question, its answer and how long that took.
	Asked(a *Account, ask *policy.Ask, v policy.Verdict, took time.Duration)
	// Reused reports an idle gap of a client's connection that ended in
	// another request.
	Reused(a *Account, gap time.Duration)
	// Late reports a client that wanted its connection just after it was
	// closed: lost says that its bytes reached the closed connection,
	// otherwise it came back on a new one; after counts from the close.
	Late(a *Account, client uint64, after time.Duration, lost bool)
	// Returned reports a client on a new connection, so long after the host
	// had closed its last one while that was idle; Late follows if it was soon.
	Returned(a *Account, client uint64, after time.Duration)
	// Ended reports the end of a connection.
	Ended(*End)
}

// End describes a connection that has ended.
type End struct {
	Account   *Account
	ID        uint64
	Side      policy.Side
	Protocol  policy.Protocol
	Phase     policy.Phase // at the decision to end it
	Reason    policy.Reason
	Verdict   policy.Verdict // the last answer; zero when nothing was asked
	Log       bool           // a verdict asked for a decision line
	Peer      netip.AddrPort
	Client    uint64 // the peer's pseudonym; 0: it has no address
	Age, Idle time.Duration
	Deadline  time.Duration // the last deadline that passed; 0 when none did
	Asks      uint32
	Requests  uint32
	BytesIn   uint64
	BytesOut  uint64
	Unread    int // bytes left in the kernel's receive buffer
	// Cut says that the host has cut a gap between two requests short: should
	// the client be back, Returned tells.
	Cut bool
}

// timeoutError is what a blocked Read or Write returns when the host ends the
// connection. net/http and crypto/tls treat it as a passed deadline:
// crypto/tls makes any other error permanent.
type timeoutError struct{ reason policy.Reason }

func (e timeoutError) Error() string   { return "idle deadline exceeded (" + e.reason.String() + ")" }
func (e timeoutError) Timeout() bool   { return true }
func (e timeoutError) Temporary() bool { return true }
func (e timeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded
}
