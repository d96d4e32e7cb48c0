// Package cli is the command line of the host: commands, flags, messages and
// exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/check"
	"idlehost/host/internal/config"
	"idlehost/host/internal/sandbox/engine"
)

// Exit codes.
const (
	ExitOK    = 0 // it did what it was asked to
	ExitError = 1 // it could not
	ExitUsage = 2 // the command line or the configuration is wrong
	// ExitTryAgain is that of sysexits.h (EX_TEMPFAIL): nothing is known to be
	// wrong, and the same may go well another time.
	ExitTryAgain = 75
)

// Main runs one command line, without the program's name, and returns the exit
// code. Whatever is asked for goes to stdout; messages and logs to stderr.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := newRoot(newFlags())
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	return report(stderr, err)
}

// usageError is a mistake on the command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(hint, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), hint: hint}
}

// report writes what went wrong, in lines that begin with "host: error:", and
// what to do about it, and returns the exit code.
func report(w io.Writer, err error) int {
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			say(w, "error", p.Error())
			say(w, "hint", p.Hint)
		}
		if tryAgain(err) {
			return ExitTryAgain
		}
		return ExitUsage
	}
	say(w, "error", err.Error())
	var usage *usageError
	if errors.As(err, &usage) {
		say(w, "hint", usage.hint)
		return ExitUsage
	}
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		say(w, "hint", hinted.Hint())
	case errors.Is(err, engine.ErrParams):
		say(w, "hint", check.ParamsHint)
	}
	if tryAgain(err) {
		return ExitTryAgain
	}
	return ExitError
}

// tryAgain reports whether an error says that trying again is worth while.
func tryAgain(err error) bool {
	var t interface{ TryAgain() bool }
	return errors.As(err, &t) && t.TryAgain()
}

// say writes a message. Parts of it may be anybody's, and it may go to a
// terminal.
func say(w io.Writer, kind, text string) {
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	fmt.Fprintf(w, "host: %s: %s\n", kind, strings.Join(lines, "\n       "))
}

// exactly takes n arguments, and says so in our words.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usagef("usage: "+cmd.UseLine(), "%s takes %s, not %d arguments", cmd.CommandPath(), what, len(args))
	}
}
