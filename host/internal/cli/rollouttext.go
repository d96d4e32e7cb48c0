package cli

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func newPolicyShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "show [VERSION]",
		Short: "Show which versions are asked and how they do, or one version",
		Long: "Show which versions are asked, by whom, and how they do: the share of their\n" +
			"answers that are faults, and of their closes those whose client was back so soon\n" +
			"that keeping the connection would have paid (EARLY), or wanted it just after it\n" +
			"was closed (LATE). With VERSION: what the host knows of that one.\n" + aboutRemote,
		Example:           "  host policy show\n  host policy show 1a2b3c4d5e6f --json | jq .report.fuel",
		Args:              atMost(1, "one version"),
		ValidArgsFunction: r.completeVersions(),
		RunE: r.run(func(s *session, args []string) error {
			tenant, digest, err := s.about(args)
			if err != nil {
				return err
			}
			if digest != "" {
				p, err := s.Policy(s.ctx, tenant, digest)
				if err != nil || s.asJSON {
					return s.page(p, err)
				}
				return writePolicy(s.out, p)
			}
			ro, err := s.Rollout(s.ctx, tenant)
			if err != nil {
				return err
			}
			return s.showRollout(tenant, ro)
		}),
	}
}

// showRollout writes a rollout, with the names of the versions for people.
func (s *session) showRollout(tenant string, r *api.Rollout) error {
	if s.asJSON {
		return writeJSON(s.out, r)
	}
	list, err := s.Policies(s.ctx, tenant)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, p := range list {
		names[p.Digest] = p.Name
	}
	return writeRollout(s.out, r, names)
}

// writeRollout shows people who is asked, by whom, and with which effect.
func writeRollout(w io.Writer, r *api.Rollout, names map[string]string) error {
	t := newTable(w, "ROLE", "VERSION", "NAME", "CLIENTS", "ASKS", "FAULTS", "CLOSES", "EARLY", "LATE")
	active := 100.0
	if r.Canary != nil {
		active -= r.Percent
	}
	sideRow(t, r, api.StateActive, r.Active, percent(active), names)
	if r.Canary != nil {
		sideRow(t, r, api.StateCanary, r.Canary, percent(r.Percent), names)
	}
	if r.Shadow != nil {
		sideRow(t, r, api.StateShadow, r.Shadow, "-", names)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, m := range remarks(r) {
		if err := m.write(w); err != nil {
			return err
		}
	}
	return nil
}

func sideRow(t *table, r *api.Rollout, role string, release *spec.Release, clients string, names map[string]string) {
	version, name := "host's own", ""
	if release != nil {
		version, name = short(release.Digest), cut(names[release.Digest], 18)
	}
	side := sideOf(r, role)
	t.row(role, version, name, clients, count(side.Asks), rate(side.Faults, side.Asks), count(side.Closes),
		rate(side.Early, side.Closes), rate(side.Late, side.Closes))
}

// sideOf returns the record of a role; nothing happened to who has none.
func sideOf(r *api.Rollout, role string) api.RoleStats {
	for _, s := range r.Sides {
		if s.Role == role {
			return s
		}
	}
	return api.RoleStats{}
}

// remark is something else to say of a rollout.
type remark struct{ about, text string }

// write writes it in lines of at most 100 columns, which end where a part of
// the text does.
func (m remark) write(w io.Writer) error {
	const indent, columns = 12, 100
	line := fmt.Sprintf("%-*s", indent, m.about)
	for i, part := range strings.SplitAfter(plain(m.text), "; ") {
		if i > 0 && len([]rune(line+strings.TrimRight(part, " "))) > columns {
			if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
				return err
			}
			line = strings.Repeat(" ", indent)
		}
		line += part
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// workers says of a version where it runs, where that is worth a word.
var workers = map[string]string{
	"own":      "its tenant's own",
	"suspects": "that of suspects; it took too long, or ended a worker",
}

// remarks are what else there is to say of a rollout.
func remarks(r *api.Rollout) (list []remark) {
	if !r.Since.IsZero() {
		list = append(list, remark{"since", ago(r.Since)})
	}
	for _, c := range []struct {
		role    string
		release *spec.Release
	}{{api.StateActive, r.Active}, {api.StateCanary, r.Canary}, {api.StateShadow, r.Shadow}} {
		if c.release != nil && len(c.release.Params) > 0 {
			list = append(list, remark{"parameters", c.role + ": " + params(c.release.Params)})
		}
		side := sideOf(r, c.role)
		if side.Faults > 0 {
			list = append(list, remark{"faults", c.role + ": " + causes(side)})
		}
		if where := workers[side.Worker]; where != "" {
			list = append(list, remark{"worker", c.role + ": " + where})
		}
	}
	if c := r.Comparison; c != nil && r.Shadow != nil {
		list = append(list, remark{"shadow", compared(c)})
	}
	if len(r.Past) > 0 {
		list = append(list, remark{"before", short(r.Past[0].Digest)})
	}
	if v := r.Rollback; v != nil {
		list = append(list, remark{"taken back", verdict(v)})
	}
	return list
}

func verdict(v *spec.Rollback) string {
	by := "by hand"
	if v.Automatic {
		by = "by the guard"
	}
	text := fmt.Sprintf("%s, %s, %s ago", short(v.Digest), by, ago(v.At))
	if v.Reason != "" {
		text += ": " + cut(v.Reason, 200)
	}
	return text
}

// causes tells which faults there were, and what the last one said.
func causes(s api.RoleStats) string {
	var parts []string
	for _, cause := range sorted(s.Causes) {
		parts = append(parts, fmt.Sprintf("%s %s", count(s.Causes[cause]), cause))
	}
	text := strings.Join(parts, ", ")
	if s.LastFault != "" {
		text += "; the last: " + cut(s.LastFault, 120)
	}
	return strings.TrimPrefix(text, "; ")
}

// compared tells in words how a shadow's answers are beside those enforced.
func compared(c *api.Comparison) string {
	if c.Asks == 0 {
		return "has not been asked yet"
	}
	text := fmt.Sprintf("agrees on %s of %s answers", rate(c.Same, c.Asks), count(c.Asks))
	for _, part := range []struct {
		n    uint64
		what string
	}{
		{c.WouldClose, "would have closed %s more"}, {c.WouldKeep, "would have kept %s more"},
		{c.Shorter, "keeps %s for less long"}, {c.Longer, "keeps %s for longer"}, {c.Faults, "fails at %s"},
	} {
		if part.n > 0 {
			text += "; " + fmt.Sprintf(part.what, rate(part.n, c.Asks))
		}
	}
	if r := c.DeadlineRatio; r > 0 && math.Abs(r-1) >= 0.005 && !math.IsInf(r, 0) {
		text += fmt.Sprintf("; its deadlines are %.2f times as long", r)
	}
	return text
}
