package books

import (
	"sync"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// weight returns how many gaps weigh on a route, at all stages together.
func (b *Books) weight(route uint16) (gaps uint64) {
	for n := range stage(stageCount) {
		var g policy.Gaps
		b.histogram(route, n).copyTo(&g)
		gaps += (sum(&g) + uint64(g.Unit)/2) / uint64(g.Unit)
	}
	return gaps
}

// TestHammerFirstGaps: of those who come first, each is counted.
func TestHammerFirstGaps(t *testing.T) {
	const workers = 8
	for range 200 {
		b := New(Config{Clients: 2000, Classes: 4})
		var start, done sync.WaitGroup
		start.Add(1)
		for w := range workers {
			done.Go(func() {
				start.Wait()
				b.Opened(uint64(w/4+1), 0)
				b.Returned(uint64(w/4+1), 3, 20)
				b.Fill(&policy.Event{Client: 1, Route: 3}, new(policy.Gaps), 0)
			})
		}
		start.Done()
		done.Wait()
		e, g := policy.Event{Client: 1, Route: 3}, policy.Gaps{}
		b.Fill(&e, &g, 0)
		if weight := b.weight(3); weight != workers || e.ClientConns != 4 || e.ClientGapCount != 4 || b.Clients() != 2 {
			t.Fatalf("%d gaps, %d connections and %d gaps of client 1, %d clients", weight, e.ClientConns, e.ClientGapCount, b.Clients())
		}
	}
}

// Many goroutines work on few clients; no gap and no close may be lost.
func TestHammer(t *testing.T) {
	const workers, loops, clients = 8, 2000, 5
	b := New(Config{Clients: 2000, HalfLife: maxHalfLife, Classes: 2})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var e policy.Event
			var g policy.Gaps
			for i := range loops {
				client, now := uint64(i%clients+1), int64(i)
				e.Client, e.Route = client, uint16(i%2)
				b.Opened(client, now)
				b.Returned(client, e.Route, uint32(i*w))
				b.Cut(client, e.Route, uint32(i), now)
				b.Closed(client)
				b.Fill(&e, &g, now)
				if e.ClientConns < e.ClientOpen {
					t.Errorf("client %d: %d open of %d", client, e.ClientOpen, e.ClientConns)
				}
			}
		})
	}
	wg.Wait()
	var weight uint64
	for route := range uint16(2) {
		weight += b.weight(route)
	}
	if weight != 2*workers*loops {
		t.Errorf("%d gaps in the histograms, want %d", weight, 2*workers*loops)
	}
	for client := uint64(1); client <= clients; client++ {
		e, _ := ask(b, client, loops)
		want := policy.Event{ClientConns: workers * loops / clients, ClientGapCount: 2 * workers * loops / clients}
		if e.ClientConns != want.ClientConns || e.ClientGapCount != want.ClientGapCount || e.ClientOpen != 0 {
			t.Errorf("client %d: conns %d gaps %d open %d", client, e.ClientConns, e.ClientGapCount, e.ClientOpen)
		}
		if kind, _ := entryOf(e.ClientGaps[0]); kind > abi.GapKindCut {
			t.Errorf("client %d: torn ring entry", client)
		}
	}
}
