package observe

import (
	"fmt"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// explain says in a sentence why a connection ended.
func explain(e *idle.End) string {
	return fmt.Sprintf("idle %s in phase %s; %s", e.Idle.Round(time.Millisecond), e.Phase, cause(e))
}

func cause(e *idle.End) string {
	switch e.Reason {
	case policy.ReasonPeer:
		return "the peer closed"
	case policy.ReasonLocal:
		return "the protocol ended it"
	case policy.ReasonPolicy:
		if e.Verdict.Action == abi.ActionClose && e.Asks <= 1 && e.Requests == 0 && e.Deadline == 0 {
			return fmt.Sprintf("policy refused it (reason %d)", e.Verdict.Reason)
		}
		return fmt.Sprintf("policy said close (reason %d)", e.Verdict.Reason)
	case policy.ReasonClamp:
		return "policy would have kept it, the operator's ceiling ended it"
	case policy.ReasonDefault:
		return byDefault(e.Verdict)
	case policy.ReasonProgress:
		return fmt.Sprintf("too slow: %d bytes in and %d out in %s", e.BytesIn, e.BytesOut, e.Age.Round(time.Millisecond))
	case policy.ReasonPressure:
		return "the host or the tenant is full"
	case policy.ReasonDrain:
		return "the host is shutting down"
	}
	return "a protocol or I/O error"
}

func byDefault(v policy.Verdict) string {
	switch v.Source {
	case policy.SourceFallback:
		return fmt.Sprintf("the operator's timeout ended it: policy failed (%s)", v.Fault)
	case policy.SourcePolicy:
		return fmt.Sprintf("the operator's timeout ended it: policy left it to the host (reason %d)", v.Reason)
	}
	return "the operator's timeout ended it"
}
