package policy

// Reason is why a connection ended.
type Reason uint8

// The reasons.
const (
	ReasonPeer     Reason = iota // the peer closed or reset it
	ReasonLocal                  // the protocol ended it: Connection: close, HTTP/1.0, GOAWAY answered
	ReasonPolicy                 // the policy said close
	ReasonClamp                  // the policy would have kept it, the operator's ceiling did not
	ReasonDefault                // the operator's timeout for the phase, no policy in charge
	ReasonProgress               // too slow: the phase's minimum rate or maximum time
	ReasonPressure               // the host or the tenant was full
	ReasonDrain                  // the host is shutting down or reloading
	ReasonError                  // a protocol or I/O error
)

var reasonNames = [...]string{
	"peer", "local", "policy", "clamp", "default", "progress", "pressure", "drain", "error",
}

// String returns the name used in logs and metrics.
func (r Reason) String() string { return reasonNames[r] }

// Host reports whether the host decided to end the connection.
func (r Reason) Host() bool { return r >= ReasonPolicy && r <= ReasonDrain }
