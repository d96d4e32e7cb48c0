package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

const aboutLogs = `Follow the answers that a tenant's policies give, as they are given: of the
version in charge and the canary those that were enforced, of the shadow those
that would have been. A reader that is too slow is told how many it has missed.
With --json, a line is an object of the API.
`

// The API's words for what a line tells in another way.
const (
	sideDialled  = "dialled"
	eventTimeout = "timeout"
	actionExtend = "extend"
	sourcePolicy = "policy"
)

// errEnough ends a stream of which enough was seen.
var errEnough = errors.New("enough")

func newLogs(r *remote) *cobra.Command {
	var most int
	var role string
	var faults bool
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Follow the decisions of a tenant's policies",
		Long:  aboutLogs + aboutRemote,
		Example: "  host policy logs -t acme\n" +
			"  host policy logs --role canary --faults\n" +
			"  host policy logs --json -n 1000 | jq -r .action | sort | uniq -c",
		Args: exactly(0, "no argument"),
	}
	cmd.Flags().IntVarP(&most, "lines", "n", 0, "end after so many; 0: never")
	cmd.Flags().StringVar(&role, "role", "", "only answers of the active, canary or shadow version")
	cmd.Flags().BoolVar(&faults, "faults", false, "only faults")
	roles := []string{api.StateActive, api.StateCanary, api.StateShadow}
	completeWord(cmd, "role", roles...)
	cmd.RunE = r.run(func(s *session, _ []string) error {
		if role != "" && !slices.Contains(roles, role) {
			return usagef("one of "+strings.Join(roles, ", "), "--role: there is no role %q", role)
		}
		tenant, err := s.whose()
		if err != nil {
			return err
		}
		seen := 0
		err = s.Decisions(s.ctx, tenant, func(d api.Decision) error {
			if role != "" && d.Role != role || faults && d.Fault == "" {
				return nil
			}
			if err := s.decision(&d); err != nil {
				return err
			}
			if seen++; seen == most {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough), s.ctx.Err() != nil:
			return nil
		case err == nil:
			s.remark("the host has ended the stream")
		}
		return err
	})
	return cmd
}

func (s *session) decision(d *api.Decision) error {
	if s.asJSON {
		return writeLine(s.out, d)
	}
	if d.Dropped > 0 {
		if _, err := fmt.Fprintf(s.out, "... %s more, missed\n", count(d.Dropped)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(s.out, line(d)+"\n")
	return err
}

// line tells of a decision.
func line(d *api.Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  #%d %s %s/%s", d.At.Local().Format("15:04:05.000"), d.Conn, d.Client, d.Protocol, d.Phase)
	if d.Side == sideDialled {
		b.WriteString(" (upstream)")
	}
	if d.Event == eventTimeout {
		fmt.Fprintf(&b, " after %s", lasting(millis(d.IdleMs)))
	} else {
		b.WriteString(" " + d.Event)
	}
	b.WriteString(": " + d.Action)
	if d.Action == actionExtend {
		b.WriteString(" " + lasting(millis(d.DeadlineMs)))
	}
	if d.Reason != 0 {
		fmt.Fprintf(&b, " (%d)", d.Reason)
	}
	fmt.Fprintf(&b, "  %s", d.Role)
	if d.Version != "" {
		b.WriteString(" " + short(d.Version))
	}
	if d.Source != sourcePolicy {
		b.WriteString(" " + d.Source)
	}
	if d.Fault != "" {
		b.WriteString(" fault " + d.Fault)
	}
	fmt.Fprintf(&b, " %s", time.Duration(d.TookNs))
	return cut(b.String(), 240)
}
