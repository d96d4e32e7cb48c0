package lab

import (
	"runtime"
	"testing"

	"idlehost/host/longtest"
)

// TestConstantMemory: a replay takes memory for who is there, not for how long
// it goes on.
func TestConstantMemory(t *testing.T) {
	const people = 500
	events := longtest.Count(t, 300_000, 10_000_000, "events")
	cfg, p := townConfig(t, people, events), bundled(t, "adaptive")
	heap := heapWatch{fifth: int64(events / 5)}
	played, err := Play(t.Context(), cfg, p, heap.look)
	if err != nil {
		t.Fatal(err)
	}
	if played.Records != int64(events) || played.Outcome.Total.Asks < int64(events)/10 {
		t.Fatalf("%d records, %d asks", played.Records, played.Outcome.Total.Asks)
	}
	t.Logf("%d events, %d asks: %d KiB of live heap after the first fifth, %d KiB at most later",
		events, played.Outcome.Total.Asks, heap.early/1024, heap.late/1024)
	// Of what grows with the events, 300 thousand would take some megabytes.
	if heap.late > heap.early+heap.early/4+512<<10 {
		t.Errorf("the heap grows from %d to %d bytes", heap.early, heap.late)
	}
}

// heapWatch looks at the live heap now and then.
type heapWatch struct {
	fifth, played int64
	early, late   uint64 // the most in the first fifth, and later
}

func (h *heapWatch) look(records int64) {
	h.played += records
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if h.played <= h.fifth {
		h.early = max(h.early, m.HeapAlloc)
	} else {
		h.late = max(h.late, m.HeapAlloc)
	}
}
