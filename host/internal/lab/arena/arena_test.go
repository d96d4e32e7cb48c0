// Package arena judges the bundled policies by real traffic, and by traffic that
// is made up of clients of known kinds.
package arena_test

import (
	"math"
	"testing"

	"idlehost/host/internal/lab"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/longtest"
	"idlehost/plugins"
)

// TestAdaptiveAgainstBestFixed plays traffic through the adaptive policy, as it
// is shipped and with its standard parameters. Beside it stands the best fixed
// timeout that hindsight can choose for that very traffic, reckoned from its
// gaps without the lab.
func TestAdaptiveAgainstBestFixed(t *testing.T) {
	towns := towns()
	traces := towns[:longtest.Count(t, 1, len(towns), "kinds of traffic")]
	if len(traces) == len(towns) {
		for _, path := range recordings(t) {
			traces = append(traces, readTrace(t, path))
		}
	}
	eng, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	var all float64
	for _, tr := range traces {
		for _, worth := range []int64{30 * second, 2 * minute, 10 * minute} {
			all += math.Log(compare(t, eng, tr, worth, 0))
			if tr.end < hour { // in less there is no time to learn prices of minutes
				compare(t, eng, tr, worth, tr.end/3)
			}
		}
	}
	mean := math.Exp(all / float64(3*len(traces)))
	t.Logf("adaptive costs %.3f of the best fixed timeouts in the (geometric) mean", mean)
	if mean > 0.96 {
		t.Error("that is too much")
	}
}

// limit is what adaptive may cost in best fixed timeouts.
func limit(tr *trace) float64 {
	switch {
	case tr.end < hour:
		return 1.1
	case tr.recorded:
		return 1
	}
	return 1.06 // where clients are all alike there is nothing to gain, only to learn
}

// compare returns the cost of what begins at from or later in best fixed timeouts.
func compare(t *testing.T, eng *engine.Engine, tr *trace, worth, from int64) float64 {
	t.Helper()
	wasm, ok := plugins.Lookup("adaptive")
	if !ok {
		t.Fatal("no adaptive policy")
	}
	cfg := lab.Config{Open: tr.open, Engine: eng, Setting: lab.DefaultSetting(), Span: lab.Span{CountFrom: from * 1e6}}
	cfg.Setting.WorthMs = worth
	p, err := lab.Play(t.Context(), cfg, lab.Policy{Name: "adaptive", Wasm: wasm}, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, got := tr.gaps(from), p.Outcome.Total
	fixed, tau := g.bestFixed(worth)
	ratio := float64(got.CostMs) / float64(fixed)
	t.Logf("%-18s worth %3d s, from %4d s: adaptive %.3f of the best fixed timeout [%.1f s], %.3f of the optimum, %d questions",
		tr.name, worth/second, from/second, ratio, float64(tau)/1000, float64(got.CostMs)/float64(g.optimum(worth)), got.Asks)
	if ratio > limit(tr) {
		t.Errorf("%s, worth %d s: adaptive costs %.4f of the best fixed timeout, at most %.2f is wanted", tr.name, worth/second, ratio, limit(tr))
	}
	return ratio
}
