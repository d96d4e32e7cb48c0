package compile

import (
	"fmt"
	"strings"
	"time"

	"idlehost/host/internal/policy"
)

// Error is why a module was not compiled.
type Error struct {
	// Fault is FaultRefused where the module is wrong, FaultCompile where the
	// compiler fails at it, and FaultBusy where nothing is known to be wrong
	// with it: it may be tried again.
	Fault policy.Fault
	// Limit is what was exceeded: "wall", "cpu", "memory", "disk", "code",
	// "queue", "size", or "" for none.
	Limit string
	// Text says what happened, with the limit and what was used.
	Text string
	// Usage is that of the child, as far as it is known.
	Usage Usage

	err error // what it follows from; nil: nothing
}

// Usage is what a child took.
type Usage struct {
	Wall, CPU   time.Duration
	MemoryBytes int64 // resident at most; 0: not known
}

// String returns the usage for people.
func (u Usage) String() string {
	s := fmt.Sprintf("%v, of which %v of processor time", u.Wall.Round(time.Millisecond), u.CPU.Round(time.Millisecond))
	if u.MemoryBytes > 0 {
		s += ", and " + size(u.MemoryBytes)
	}
	return s
}

// Error returns one line.
func (e *Error) Error() string { return "compile: " + e.Text }

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.err }

// Cause returns Fault: package engine asks an error for it.
func (e *Error) Cause() policy.Fault { return e.Fault }

// compileError is the error for a module that cannot be compiled on any machine.
func compileError(limit string, u Usage, format string, args ...any) *Error {
	return &Error{Fault: policy.FaultCompile, Limit: limit, Usage: u, Text: fmt.Sprintf(format, args...)}
}

// busyError is the error for a module that was not compiled because time, memory
// or disk ran out: trying again may help.
func busyError(limit string, u Usage, format string, args ...any) *Error {
	return &Error{Fault: policy.FaultBusy, Limit: limit, Usage: u, Text: fmt.Sprintf(format, args...) + "; try again"}
}

// dirError is a folder that cannot be trusted with compiled code.
type dirError struct {
	path string
	err  error
}

func (e *dirError) Error() string { return fmt.Sprintf("compile: cache folder %s: %v", e.path, e.err) }
func (e *dirError) Unwrap() error { return e.err }

// line turns text from a child into one line of at most limit bytes.
func line(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), "; ")
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "?")
}
