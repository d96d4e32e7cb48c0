package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"idlehost/host/internal/policy"
)

// FaultError says why a module is not, or no longer, a policy.
type FaultError struct {
	Policy string       // the source's name
	Step   string       // what was being done: "exports", "configure", "on_timeout", ...
	Fault  policy.Fault // the cause in one word
	Err    error
}

// Error returns one line, at most about 1 KiB, whatever the guest is called
// or says.
func (e *FaultError) Error() string {
	return fmt.Sprintf("policy %q: %s: %s", e.Policy, e.Step, oneLine(e.Err.Error(), maxReason))
}

// Unwrap returns the cause.
func (e *FaultError) Unwrap() error { return e.Err }

// maxReason bounds the text of an error in bytes; names of guest functions
// end up in it.
const maxReason = 512

// oneLine makes a stack trace fit a log line, and cuts it at limit bytes.
func oneLine(s string, limit int) string {
	s = strings.NewReplacer("\n\t", " ", "\n", "; ", "\t", " ").Replace(s)
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "?")
}

// faultOf tells what made a call into the guest fail. other stands for
// anything that is not a limit.
func faultOf(err error, grew *linear, other policy.Fault) policy.Fault {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return policy.FaultFuel
	case errors.Is(err, errOutput):
		return policy.FaultOutput
	case grew != nil && grew.refused:
		return policy.FaultMemory
	}
	return other
}

// errOutput marks what a guest answered as senseless.
var errOutput = errors.New("bad output")
