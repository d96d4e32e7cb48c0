package books

import (
	"runtime"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func ask(b *Books, client uint64, now int64) (policy.Event, policy.Gaps) {
	e, g := policy.Event{Client: client}, policy.Gaps{}
	b.Fill(&e, &g, now)
	return e, g
}

func entryOf(e uint32) (abi.GapKind, uint32) { return abi.GapKind(e >> gapBits), e & (1<<gapBits - 1) }

func TestClientNeverSeen(t *testing.T) {
	b := New(Config{})
	for _, client := range []uint64{0, 7} {
		e := policy.Event{Client: client, ClientConns: 9, ClientGapCount: 9}
		e.ClientGaps[31] = 9
		b.Fill(&e, nil, 1000)
		want := policy.Event{Client: client, ClientClosedMs: abi.Never}
		if e != want {
			t.Errorf("client %d: got %+v, want nothing known", client, e)
		}
	}
}

func TestUnknownClientStillCountsForTenant(t *testing.T) {
	b := New(Config{})
	b.Opened(0, 0)
	b.Returned(0, 0, 20)
	b.Cut(0, 0, 30, 50)
	b.Gone(0, 0, 40)
	b.Closed(0)
	if _, returned := b.Opened(0, 60); returned {
		t.Error("clients of unknown address were taken for one client")
	}
	e, g := ask(b, 0, 60)
	if e.ClientGapCount != 0 || b.Clients() != 0 {
		t.Error("a client of unknown address was remembered")
	}
	if g.Returned[abi.Bin(20)] == 0 || g.Cut[abi.Bin(30)] == 0 || g.Gone[abi.Bin(40)] == 0 {
		t.Error("its gaps are missing from the tenant's histogram")
	}
}

func TestCutBecomesReturnedWhenTheClientIsBack(t *testing.T) {
	b := New(Config{})
	b.Opened(7, 0)
	b.Cut(7, 0, 5_000, 10_000)
	b.Closed(7)

	e, g := ask(b, 7, 10_400)
	if e.ClientConns != 1 || e.ClientOpen != 0 || e.ClientCut != 1 || e.ClientGapCount != 1 {
		t.Errorf("counts after the cut: %+v", e)
	}
	if e.ClientClosedMs != 400 || e.ClientCutMs != 5_000 || e.ClientLateMs != 0 || e.ClientLate != 0 {
		t.Errorf("last close: %+v", e)
	}
	if kind, ms := entryOf(e.ClientGaps[0]); kind != abi.GapKindCut || ms != 5_000 {
		t.Errorf("newest gap is %v %d, want cut 5000", kind, ms)
	}
	weight := g.Cut[abi.Bin(5_000)]
	if weight == 0 {
		t.Fatal("the cut is missing from the histogram")
	}

	since, returned := b.Opened(7, 10_900)
	if !returned || since != 900 {
		t.Errorf("Opened = %d, %v; want 900, true", since, returned)
	}
	e, g = ask(b, 7, 10_900)
	if e.ClientLateMs != 5_900 || e.ClientLate != 1 || e.ClientGapCount != 1 {
		t.Errorf("after the return: %+v", e)
	}
	if kind, ms := entryOf(e.ClientGaps[0]); kind != abi.GapKindReturned || ms != 5_900 {
		t.Errorf("newest gap is %v %d, want returned 5900", kind, ms)
	}
	if g.Cut[abi.Bin(5_000)] != 0 || g.Returned[abi.Bin(5_900)] != weight {
		t.Error("the weight did not move from cut to returned")
	}
	if _, returned := b.Opened(7, 11_000); returned {
		t.Error("one close was answered twice")
	}
}

func TestLateWithinIsInclusive(t *testing.T) {
	for _, c := range []struct{ since, want int64 }{{1000, 1}, {1001, 0}} {
		b := New(Config{})
		b.Cut(7, 0, 10, 0)
		b.Opened(7, c.since)
		if e, _ := ask(b, 7, c.since); int64(e.ClientLate) != c.want {
			t.Errorf("back after %d ms: late %d, want %d", c.since, e.ClientLate, c.want)
		}
	}
}

func TestReturnAtTheSameMillisecondIsStillAReturn(t *testing.T) {
	b := New(Config{})
	b.Cut(7, 0, 0, 100)
	b.Opened(7, 90) // the clock was set back
	if e, _ := ask(b, 7, 100); e.ClientLateMs == 0 {
		t.Error("ClientLateMs = 0 says that the client has not come back")
	}
}

func TestRingForgetsTheOldest(t *testing.T) {
	b := New(Config{})
	b.Cut(7, 0, 1, 0)
	for i := range uint32(abi.ClientGaps) {
		b.Returned(7, 0, 100+i)
	}
	b.Opened(7, 50) // must not touch the entry that has replaced the cut
	e, _ := ask(b, 7, 50)
	for i, got := range e.ClientGaps {
		if want := uint32(100 + abi.ClientGaps - 1 - i); got != want {
			t.Fatalf("gap %d is %d, want %d", i, got, want)
		}
	}
	if e.ClientGapCount != abi.ClientGaps+1 {
		t.Errorf("count %d", e.ClientGapCount)
	}
}

func TestLongGapsAreClamped(t *testing.T) {
	b := New(Config{})
	b.Gone(7, 0, abi.Never)
	e, g := ask(b, 7, 0)
	if kind, ms := entryOf(e.ClientGaps[0]); kind != abi.GapKindGone || ms != 1<<30-1 {
		t.Errorf("got %v %d", kind, ms)
	}
	if g.Gone[abi.Bins-1] == 0 {
		t.Error("the open bin is empty")
	}
}

func TestRouteClasses(t *testing.T) {
	b := New(Config{Classes: 2})
	b.Returned(1, 1, 50)
	b.Returned(1, 9, 50) // no such class: 0
	var g policy.Gaps
	for _, c := range []struct{ route, class uint16 }{{0, 0}, {1, 1}, {9, 0}} {
		e := policy.Event{Route: c.route}
		b.Fill(&e, &g, 0)
		if g.Route != uint32(c.class) || g.Returned[abi.Bin(50)] == 0 {
			t.Errorf("route %d: got class %d", c.route, g.Route)
		}
	}
}

func TestFillCopiesOnlyWhatChanged(t *testing.T) {
	b := New(Config{})
	e, g := ask(b, 1, 0)
	if g.Unit == 0 {
		t.Fatal("an empty histogram was not copied")
	}
	g.Part = 9 // a copy would clear it
	b.Fill(&e, &g, 0)
	if g.Part != 9 {
		t.Error("copied again although nothing changed")
	}
	b.Returned(1, 0, 50)
	b.Fill(&e, &g, 0)
	if g.Part != 0 {
		t.Error("a change was not copied")
	}
}

func TestLeastRecentlyUsedClientIsForgotten(t *testing.T) {
	b := New(Config{Clients: 2})
	b.Opened(1, 0)
	b.Opened(2, 0)
	b.Returned(1, 0, 5)
	b.Opened(3, 0) // forgets 2
	b.Closed(2)    // must not bring it back
	for client, want := range map[uint64]uint32{1: 1, 2: 0, 3: 1} {
		if e, _ := ask(b, client, 0); e.ClientConns != want {
			t.Errorf("client %d: %d connections, want %d", client, e.ClientConns, want)
		}
	}
	if b.Clients() != 2 {
		t.Errorf("%d clients", b.Clients())
	}
}

func TestSteadyStateAllocs(t *testing.T) {
	b := New(Config{Clients: 4096})
	for c := range uint64(10_000) {
		b.Opened(c+1, 0)
	}
	var e policy.Event
	var g policy.Gaps
	now := int64(0)
	allocs := testing.AllocsPerRun(1000, func() {
		now++
		client := uint64(now)*7919 + 20_000 // evicts one each time
		b.Opened(client, now)
		b.Returned(client, 0, uint32(now))
		b.Cut(client, 0, 3, now)
		b.Closed(client)
		b.Gone(client, 0, 4)
		e.Client = client
		b.Fill(&e, &g, now)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const clients = 16384
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := New(Config{Clients: clients})
	for c := range uint64(10 * clients) {
		b.Returned(c+1, 0, 50)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := b.Clients(); n > clients {
		t.Errorf("%d clients remembered, limit %d", n, clients)
	}
	per := float64(after.HeapAlloc-before.HeapAlloc) / float64(b.Clients())
	t.Logf("%.0f bytes per client", per)
	if per > 256 {
		t.Errorf("%.0f bytes per client, budget 256", per)
	}
	runtime.KeepAlive(b)
}

// TestQuietBooksAreSmall: a host has many tenants, and most are quiet.
func TestQuietBooksAreSmall(t *testing.T) {
	const n = 500
	for name, c := range map[string]struct {
		clients uint64
		budget  int
	}{"empty": {0, 1 << 10}, "of one client": {1, 8 << 10}, "of twenty": {20, 16 << 10}} {
		t.Run(name, func(t *testing.T) {
			all := make([]*Books, n)
			before := liveHeap()
			for i := range all {
				all[i] = New(Config{Classes: 64})
				for client := range c.clients {
					all[i].Opened(client+1, 0)
					all[i].Returned(client+1, 63, 50)
					all[i].Closed(client + 1)
				}
				e, g := ask(all[i], 99, 0)
				if e.ClientClosedMs != abi.Never || g.Unit == 0 {
					t.Fatal("nothing was asked")
				}
			}
			each := int(liveHeap()-before) / n
			t.Logf("%d bytes each", each)
			if each > c.budget {
				t.Errorf("%d bytes each, budget %d", each, c.budget)
			}
			runtime.KeepAlive(all)
		})
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLookingMakesNothing: questions about clients and classes of which nothing
// was noted allocate nothing, nor do ends of connections.
func TestLookingMakesNothing(t *testing.T) {
	b := New(Config{Classes: 64})
	var e policy.Event
	var g policy.Gaps
	if n := testing.AllocsPerRun(100, func() {
		e.Client++
		e.Route = uint16(e.Client % 64)
		b.Closed(e.Client)
		b.Fill(&e, &g, 0)
	}); n != 0 || b.Clients() != 0 {
		t.Errorf("%v allocations, %d clients", n, b.Clients())
	}
	if b.plain.nearest(0) != nil || b.others.Load() != nil {
		t.Error("there is a histogram")
	}
}

// TestBlankClassLooksLikeAFreshOne, before and after somebody has copied it.
func TestBlankClassLooksLikeAFreshOne(t *testing.T) {
	b := New(Config{Classes: 2, HalfLife: 100})
	var blank, fresh policy.Gaps
	b.Fill(&policy.Event{Route: 1}, &blank, 0)
	b.histogram(1, 0).copyTo(&fresh)
	fresh.Generation = 1
	if blank != fresh || blank.Generation != 1 || blank.Route != 1 || blank.Unit == 0 {
		t.Errorf("blank: %+v, fresh: %+v", blank, fresh)
	}
	blank.Part = 9 // a copy would clear it
	New(Config{Classes: 2, HalfLife: 100}).Fill(&policy.Event{Route: 1}, &blank, 0)
	if blank.Part != 9 {
		t.Error("copied again although nothing changed")
	}
}

func BenchmarkReturned(b *testing.B) {
	bk := New(Config{})
	i := uint64(0)
	for b.Loop() {
		i++
		bk.Returned(i*7919%30_000, 0, uint32(i))
	}
}

func BenchmarkFill(b *testing.B) {
	bk := New(Config{})
	for c := range uint64(16_000) {
		bk.Returned(c, 0, 70)
	}
	var e policy.Event
	var g policy.Gaps
	i := uint64(0)
	for b.Loop() {
		i++
		e.Client = i * 7919 % 16_000
		g.Generation = 0
		bk.Fill(&e, &g, 0)
	}
}

// Clients returns how many clients are remembered.
func (b *Books) Clients() int {
	n := 0
	for i := range b.shards {
		s := b.shards[i].Load()
		if s == nil {
			continue
		}
		s.mu.Lock()
		n += len(s.table.slab)
		s.mu.Unlock()
	}
	return n
}
