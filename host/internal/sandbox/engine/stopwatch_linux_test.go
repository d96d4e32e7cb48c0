package engine

import (
	"testing"
	"time"
)

// spin keeps a processor busy for d of its time.
func spin(d time.Duration) {
	w := startStopwatch(threadTime)
	defer w.stop()
	for threadTime()-w.began < d {
	}
}

// TestStopwatchCountsOwnTime only: not that of others who are waited for.
func TestStopwatchCountsOwnTime(t *testing.T) {
	const busy = 30 * time.Millisecond
	w := startStopwatch(threadTime)
	done := make(chan struct{})
	go func() { defer close(done); spin(busy) }()
	<-done
	if took := w.stop(); took > busy/2 {
		t.Errorf("waiting took %v", took)
	}
	w = startStopwatch(threadTime)
	spin(busy)
	if took := w.stop(); took < busy {
		t.Errorf("spinning for %v took %v", busy, took)
	}
}
