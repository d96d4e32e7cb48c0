package engine

import "strings"

// trap is an error of wazero's whose stack trace ends where the guest's own
// functions do.
type trap struct {
	error
	text string
}

// Error returns the text that was kept.
func (t *trap) Error() string { return t.text }

// Unwrap returns wazero's error.
func (t *trap) Unwrap() error { return t.error }

// ownFrames leaves out the trampoline and the entry, which the author of a policy
// knows nothing of: the last two of the trace, unless that was cut short.
func ownFrames(err error) error {
	text := err.Error()
	head, ok := strings.CutSuffix(text, "\n\t"+trampolineFrame)
	if !ok {
		return err
	}
	if at := strings.LastIndex(head, "\n\t"); at >= 0 {
		head = head[:at]
	}
	return &trap{err, head}
}

// trampolineFrame is how wazero shows the trampoline.
const trampolineFrame = ".$0(unknown,i32,i32,i64) (i64,i64)"
