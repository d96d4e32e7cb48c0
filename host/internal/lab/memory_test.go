package lab

import (
	"os"
	"runtime"
	"strconv"
	"testing"
)

// TestConstantMemory: a replay takes memory for who is there, not for how long
// it goes on. IDLEHOST_EVENTS says how many events the long one has; 10 million
// take about a minute.
func TestConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("replays hundreds of thousands of events")
	}
	const people = 500
	events := 300_000
	if text := os.Getenv("IDLEHOST_EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < events {
			t.Fatalf("IDLEHOST_EVENTS=%s: want a number from %d on", text, events)
		}
		events = n
	} else {
		t.Log("IDLEHOST_EVENTS=10000000 replays as many")
	}
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
