package app

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
)

// TestWhatIsChargedIsTold: in the limits of the tenant, and to the metrics; what
// the operator's configuration names is charged to nobody.
func TestWhatIsChargedIsTold(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	wasm, err := os.ReadFile(learner(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	m := r.tenants.get("a")
	p, _, err := r.control.Upload(t.Context(), operator, "a", api.Upload{Wasm: wasm})
	if err != nil {
		t.Fatal(err)
	}
	checked := m.quota.Spent()
	if checked <= 0 {
		t.Error("a check costs nothing")
	}
	if _, err := r.control.Step(t.Context(), operator, "a", api.Step{Kind: api.StepPromote, Digest: p.Digest}, api.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if m.quota.Spent() <= checked {
		t.Error("a load costs nothing")
	}
	m.quota.Charge(1500 * time.Millisecond)
	spent := m.quota.Spent()
	l, err := r.hosting.Effective("a")
	if err != nil {
		t.Fatal(err)
	}
	if l.LoadSpentMs != int(spent.Milliseconds()) || l.LoadLeftMs >= l.LoadSavedMs-1000 || l.LoadLeftMs < l.LoadSavedMs-l.LoadSpentMs-1 {
		t.Errorf("charged %v; told are %d ms, of %d ms there are %d left", spent, l.LoadSpentMs, l.LoadSavedMs, l.LoadLeftMs)
	}
	_, after, _ := strings.Cut(r.metricsText(), "\n"+`host_policy_processor_seconds_total{tenant="a"} `)
	number, _, _ := strings.Cut(after, "\n")
	if got, err := strconv.ParseFloat(number, 64); err != nil || math.Abs(got-spent.Seconds()) > 1e-6 {
		t.Errorf("the metrics have %q, want %v", number, spent.Seconds())
	}
	if q := r.tenants.get("default").quota; q.Spent() != 0 {
		t.Errorf("the tenant of the configuration was charged %v", q.Spent())
	}
}

// TestRefusalsForWantOfMeansSayWhenToComeAgain, and others do not.
func TestRefusalsForWantOfMeansSayWhenToComeAgain(t *testing.T) {
	fresh, poor := engine.NewQuota(engine.QuotaConfig{}), engine.NewQuota(engine.QuotaConfig{LoadSaved: time.Second})
	poor.Charge(2 * time.Second)
	for _, tt := range []struct {
		fault policy.Fault
		quota *engine.Quota
		least time.Duration
	}{
		{policy.FaultRate, fresh, time.Second}, {policy.FaultRate, poor, 300 * time.Second},
		{policy.FaultBusy, fresh, time.Second}, {policy.FaultTrap, poor, 0}, {policy.FaultRefused, poor, 0},
	} {
		got := refusedFor(tt.fault.String(), tt.quota)
		if got < tt.least || got > 2*tt.least {
			t.Errorf("%v: again in %v, want %v or some more", tt.fault, got, tt.least)
		}
	}
}
