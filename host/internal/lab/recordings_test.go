package lab

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/trace/logs"
	"idlehost/plugins"
)

// recordings returns the paths of real traffic, where there is some.
func recordings(t *testing.T) []string {
	dir := cmp.Or(os.Getenv("IDLEHOST_TRACES"), "../../../../shared/traces")
	paths, _ := filepath.Glob(filepath.Join(dir, "*.tsv.gz"))
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, ".durations.") })
	if len(paths) == 0 {
		t.Skip("no recordings: set IDLEHOST_TRACES to a folder of them")
	}
	return paths
}

// TestAdaptiveAgainstBestFixed plays real traffic through the adaptive policy
// with its standard parameters. It must not cost more than the best single
// timeout that hindsight can choose for that very recording; in less than an
// hour there is no time to learn prices of minutes: there a tenth more is
// allowed after the first third.
func TestAdaptiveAgainstBestFixed(t *testing.T) {
	if testing.Short() {
		t.Skip("replays hours of traffic")
	}
	for _, path := range recordings(t) {
		for _, worth := range []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute} {
			s := playFile(t, path, worth, 0)
			ratio, allowed := against(s), 1.0
			if short := time.Duration(s.Trace.SpanMs) * time.Millisecond; short < time.Hour {
				ratio, allowed = against(playFile(t, path, worth, short/3)), 1.1
			}
			t.Logf("%-28s worth %4v: %.3f of best fixed", s.Trace.Name, worth, ratio)
			if ratio > allowed {
				t.Errorf("%s, worth %v: adaptive costs %.3f of the best fixed timeout, %v allowed", s.Trace.Name, worth, ratio, allowed)
			}
		}
	}
}

func playFile(t *testing.T, path string, worth, warmup time.Duration) *study.Study {
	t.Helper()
	fixed, _ := plugins.Lookup("fixed")
	cfg := Config{
		Open:   func() (Recording, error) { return logs.Open(path, logs.Config{}) },
		Engine: newEngine(t), Setting: DefaultSetting(), Span: Span{CountFrom: int64(warmup)},
	}
	cfg.Setting.WorthMs = worth.Milliseconds()
	x := Experiment{Config: cfg, Name: filepath.Base(path), Policies: []Policy{bundled(t, "adaptive")}, Fixed: fixed, Parallel: runtime.GOMAXPROCS(0)}
	s, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func against(s *study.Study) float64 {
	return float64(s.Policies[0].Total.CostMs) / float64(s.Bounds.BestFixed.CostMs)
}
