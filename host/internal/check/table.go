package check

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"idlehost/sdk/abi"
)

// tableRow is a line of the table: questions that differ in the phase only, and
// have the same answer.
type tableRow struct {
	Answer
	phases []string
}

// tableRows merges equal answers. Questions at close have no answer, and no row
// unless they failed.
func tableRows(answers []Answer) (rows []*tableRow) {
	for _, a := range answers {
		if a.Kind == abi.KindClose.String() && a.Fault == "" {
			continue
		}
		i := slices.IndexFunc(rows, func(r *tableRow) bool { return r.same(&a) })
		if i < 0 {
			i = len(rows)
			rows = append(rows, &tableRow{Answer: a})
		}
		rows[i].phases = append(rows[i].phases, a.Phase)
		rows[i].Fuel = max(rows[i].Fuel, a.Fuel)
	}
	sortRows(rows)
	return rows
}

// sortRows groups rows of one scene, kind and idle time, in the order in which
// these first came.
func sortRows(rows []*tableRow) {
	type key struct {
		scene, kind string
		idle        uint32
	}
	of := func(r *tableRow) key { return key{r.Scene, r.Kind, r.IdleMs} }
	order := map[key]int{}
	scenes := map[string]int{}
	for i, r := range rows {
		if _, seen := scenes[r.Scene]; !seen {
			scenes[r.Scene] = i
		}
		if _, seen := order[of(r)]; !seen {
			order[of(r)] = i
		}
	}
	slices.SortStableFunc(rows, func(a, b *tableRow) int {
		if a.Scene != b.Scene {
			return scenes[a.Scene] - scenes[b.Scene]
		}
		return order[of(a)] - order[of(b)]
	})
}

func (r *Report) writeAnswers(b *bytes.Buffer) {
	b.WriteString("\n")
	t := columns(b)
	fmt.Fprintln(t, "SCENE\tKIND\tIDLE\tACTION\tDEADLINE\tFLAGS\tREASON\tFUEL\tPHASE")
	for _, a := range tableRows(r.Answers) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", a.Scene, a.Kind, millis(a.IdleMs),
			a.action(), a.deadline(), dash(strings.Join(a.Flags, ",")), a.reason(), a.Fuel, a.where())
	}
	t.Flush()
}

func (a *Answer) action() string {
	if a.Fault != "" {
		return a.Fault
	}
	return a.Action
}

func (a *Answer) deadline() string {
	if a.Action != abi.ActionExtend.String() {
		return "-"
	}
	return millis(a.DeadlineMs).String()
}

func (a *Answer) reason() string {
	if a.Fault != "" {
		return "-"
	}
	return strconv.Itoa(int(a.Reason))
}

// where lists the phases, and the leases that were set there.
func (r *tableRow) where() string {
	s := phaseText(r.phases)
	if len(r.Leases) > 0 {
		s += " (leases: " + leaseText(r.Leases) + ")"
	}
	return s
}

// phaseText lists phases, or where these are fewer those that are missing.
func phaseText(phases []string) string {
	var others []string
	for p := range abi.PhaseDraining + 1 {
		if !slices.Contains(phases, p.String()) {
			others = append(others, p.String())
		}
	}
	switch {
	case len(others) == 0:
		return "all"
	case len(others) < len(phases):
		return "all but " + strings.Join(others, ",")
	}
	return strings.Join(phases, ",")
}

// leaseText lists leases by the phase's name.
func leaseText(leases map[string]uint32) string {
	var s []string
	for _, phase := range slices.Sorted(maps.Keys(leases)) {
		s = append(s, phase+" "+millis(leases[phase]).String())
	}
	return strings.Join(s, ", ")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
