package cli

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
)

// temporaryError is what nobody is to blame for.
type temporaryError struct{ error }

func (temporaryError) TryAgain() bool  { return true }
func (u temporaryError) Unwrap() error { return u.error }

func TestExitCodes(t *testing.T) {
	problems := config.Problems{{Key: "plugin.path", Text: "no", Hint: "yes"}}
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{errors.New("no"), ExitError, "host: error: no\n"},
		{usagef("yes", "no"), ExitUsage, "host: error: no\nhost: hint: yes\n"},
		{problems, ExitUsage, "host: error: plugin.path: no\nhost: hint: yes\n"},
		{temporaryError{problems}, ExitTryAgain, "host: error: plugin.path: no\nhost: hint: yes\n"},
		{fmt.Errorf("policy: %w", temporaryError{errors.New("no")}), ExitTryAgain, "host: error: policy: no\n"},
		{explain(api.NewProblem(api.KindBusy, "no")), ExitTryAgain, "host: error: busy: no\n"},
		{explain(api.NewProblem(api.KindRefused, "no")), ExitError, "host: error: policy refused: no\nhost: hint: host check FILE shows the whole report\n"},
	} {
		var out bytes.Buffer
		if code := report(&out, tt.err); code != tt.code || out.String() != tt.want {
			t.Errorf("%v: exit code %d, %q", tt.err, code, out.String())
		}
	}
}
