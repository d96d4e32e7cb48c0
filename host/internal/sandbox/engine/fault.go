package engine

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"idlehost/host/internal/policy"
)

// FaultError says why a policy could not be loaded, or has failed.
type FaultError struct {
	Policy string       // the source's name
	Step   string       // the step that failed: "gate", "configure", "on_timeout", ...
	Fault  policy.Fault // the cause in one word
	Err    error
}

// Error returns one line of at most about 1 KiB, whatever the guest's name and
// output are.
func (e *FaultError) Error() string {
	return fmt.Sprintf("policy %q: %s: %s", e.Policy, e.Step, oneLine(e.Err.Error(), maxReason))
}

// Unwrap returns the cause.
func (e *FaultError) Unwrap() error { return e.Err }

// maxReason bounds the text of an error in bytes; names of guest functions
// end up in it.
const maxReason = 512

// oneLine makes a stack trace fit a log line, and cuts it at limit bytes. What
// a terminal or a reader might obey, control characters and those that turn
// the direction of writing, becomes a question mark.
func oneLine(s string, limit int) string {
	s = strings.NewReplacer("\n\t", " ", "\n", "; ", "\t", " ").Replace(s)
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// CleanLine turns text of an untrusted process into one printable line of at most
// 512 bytes.
func CleanLine(s string) string { return oneLine(s, maxReason) }

// errOutput marks an answer that breaks the ABI.
var errOutput = errors.New("bad output")
