package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestProcessorTimeOfQuestions: two seconds can be saved up, a debt is paid back
// to the nanosecond, and fuel counts beside it.
func TestProcessorTimeOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQuota(QuotaConfig{CPUPerSecond: 20 * time.Millisecond, FuelPerSecond: 1000})
		ask := func(what string, want bool) {
			t.Helper()
			if got := q.MayAsk(1e12); got != want {
				t.Errorf("%s: may ask: %v", what, got)
			}
		}
		ask("new", true)
		q.Asked(0, 40*time.Millisecond)
		ask("all that was saved is used, and nothing is owed", true)
		q.Asked(0, 10*time.Millisecond)
		ask("10 ms are owed", false)
		time.Sleep(time.Second/2 - 1)
		ask("1 ns early", false)
		time.Sleep(1)
		ask("paid back", true)
		q.SetCPUPerSecond(time.Millisecond)
		q.Asked(0, time.Millisecond)
		ask("at a lower rate", false)
		time.Sleep(time.Second)
		ask("at a lower rate, a second later", true)
		q.Asked(2001, 0)
		ask("without fuel", false)
		if got, want := q.CPUSpent(), 51*time.Millisecond; got != want {
			t.Errorf("spent %v, want %v", got, want)
		}
		q.SetCPUPerSecond(0)
		if got, want := q.CPUPerSecond(), 20*time.Millisecond; got != want {
			t.Errorf("%v a second, want %v, which holds where nobody says anything", got, want)
		}
	})
	var none *Quota
	none.Asked(1, time.Hour)
	none.SetCPUPerSecond(1)
	if !none.MayAsk(0) || none.CPUSpent() != 0 || none.CPUPerSecond() != 0 {
		t.Error("no quota bounds something")
	}
}
