package check

import (
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

func TestRowsFoldPhases(t *testing.T) {
	answers := []Answer{
		{Scene: "a", Kind: "accept", Phase: "header", Action: "extend", Fuel: 3},
		{Scene: "a", Kind: "timeout", Phase: "header", IdleMs: 5, Action: "close", Fuel: 1},
		{Scene: "a", Kind: "close", Phase: "header"},
		{Scene: "a", Kind: "accept", Phase: "body", Action: "extend", Fuel: 9},
		{Scene: "a", Kind: "timeout", Phase: "body", IdleMs: 5, Action: "extend", DeadlineMs: 7},
		{Scene: "a", Kind: "close", Phase: "body", Fault: "trap"},
		{Scene: "a", Kind: "accept", Phase: "idle", Action: "extend", Flags: []string{"log"}},
		{Scene: "b", Kind: "accept", Phase: "idle", Action: "extend"},
		{Scene: "a", Kind: "accept", Phase: "write", Action: "extend", Leases: map[string]uint32{"idle": 1}},
	}
	var got []string
	for _, r := range tableRows(answers) {
		got = append(got, strings.Join([]string{r.Scene, r.Kind, r.action(), r.deadline(), r.where()}, " "))
		if r.where() == "header,body" && r.Fuel != 9 {
			t.Errorf("fuel of a fold is %d, not the most", r.Fuel)
		}
	}
	want := []string{
		"a accept extend 0s header,body", "a accept extend 0s idle", "a accept extend 0s write (leases: idle 1ms)",
		"a timeout close - header", "a timeout extend 7ms body", "a close trap - body",
		"b accept extend 0s idle",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPhaseText(t *testing.T) {
	var all []string
	for p := range abi.PhaseDraining + 1 {
		all = append(all, p.String())
	}
	for _, tt := range []struct {
		phases []string
		want   string
	}{
		{all, "all"}, {all[1:], "all but handshake"}, {all[2:], "all but handshake,header"}, {all[:2], "handshake,header"},
	} {
		if got := phaseText(tt.phases); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.phases, got, tt.want)
		}
	}
}

// TestTableShowsAnswers: action, deadline, flags, reason and leases are the
// guest's.
func TestTableShowsAnswers(t *testing.T) {
	r := guest(t,
		wasmtest.Hook("on_accept", wasmtest.Store32(wasmtest.Buffer+abi.EventLeasesOffset+4*uint32(abi.PhaseIdle), wasmtest.Const32(2500)),
			wasmtest.Const64(abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 4))),
		wasmtest.Hook("on_timeout", wasmtest.Const64(abi.Verdict(abi.ActionExtend, 90_000, abi.FlagLog, 12))))
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	var shown []string
	for _, line := range strings.Split(text(t, r), "\n") {
		shown = append(shown, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{"regular accept 0s default - leases 4 ", "regular timeout 10s extend 1m30s log 12 "} {
		if !slices.ContainsFunc(shown, func(l string) bool { return strings.HasPrefix(l, want) && strings.Contains(l, " all") }) {
			t.Errorf("no line %q in\n%s", want, strings.Join(shown, "\n"))
		}
	}
	if a := r.Answers[0]; a.Leases["idle"] != 2500 || len(a.Leases) != 1 || a.Reason != 4 {
		t.Errorf("first answer is %+v, want a lease of 2500 ms for idle only, and reason 4", a)
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		part uint64
		want float64
	}{{0, 0}, {1, 0.1}, {500, 50}, {100_000, 100}, {999, 99.9}} {
		whole := int64(1000)
		if tt.part == 1 || tt.part == 100_000 {
			whole = 100_000
		}
		if got := percent(tt.part, whole); got != tt.want {
			t.Errorf("%d of %d: %v %%, want %v", tt.part, whole, got, tt.want)
		}
	}
	if got := percent(199_999, 200_000); got != 99.9 {
		t.Errorf("nearly all is %v %%", got)
	}
}
