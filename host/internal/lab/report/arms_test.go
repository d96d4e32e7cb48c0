package report

import (
	"strings"
	"testing"

	"idlehost/host/internal/lab/study"
)

func TestACanaryIsExtrapolated(t *testing.T) {
	s := &study.Study{Policies: []study.Outcome{
		{Name: "adaptive", Total: study.Tally{CostMs: 1000, Premature: 10}},
		{Name: "canary 12345678", Source: "recorded", Share: 0.25, Total: study.Tally{CostMs: 200, Premature: 3, PeakOpen: 7}},
	}}
	w := whole(whole(s))
	if got := w.Policies[1]; got.Total.CostMs != 800 || got.Total.Premature != 12 || got.Total.PeakOpen != 7 || !strings.HasSuffix(got.Name, ", 25%") {
		t.Errorf("the canary's arm became %+v, want four times its cost and ends, and the same peak", got)
	}
	if w.Policies[0].Total != s.Policies[0].Total || s.Policies[1].Total.CostMs != 200 {
		t.Error("others, or the study itself, have changed")
	}
}
