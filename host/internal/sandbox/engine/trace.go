package engine

import "strings"

// trimmedTrap is an error of wazero's whose stack trace ends with the guest's own
// functions.
type trimmedTrap struct {
	error
	text string
}

// Error returns the text that was kept.
func (t *trimmedTrap) Error() string { return t.text }

// Unwrap returns wazero's error.
func (t *trimmedTrap) Unwrap() error { return t.error }

// trimTrace leaves out the trampoline and the entry, which the author of a policy
// does not know: the last two of the trace, unless that was cut short.
func trimTrace(err error) error {
	text := err.Error()
	head, ok := strings.CutSuffix(text, "\n\t"+trampolineFrame)
	if !ok {
		return err
	}
	if at := strings.LastIndex(head, "\n\t"); at >= 0 {
		head = head[:at]
	}
	return &trimmedTrap{err, head}
}

// trampolineFrame is how wazero shows the trampoline.
const trampolineFrame = ".$0(unknown,i32,i32,i64) (i64,i64)"
