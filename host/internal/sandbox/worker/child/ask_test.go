package child

import (
	"reflect"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/sdk/abi"
)

// questions is a batch without a channel.
type questions struct {
	asked   []channel.Question
	answers []channel.Answer
	begun   []int
}

func (q *questions) Len() int                             { return len(q.asked) }
func (q *questions) Question(i int, to *channel.Question) { *to = q.asked[i] }
func (q *questions) Begin(i int)                          { q.begun = append(q.begun, i) }
func (q *questions) Answer(i int, a *channel.Answer)      { q.answers[i] = *a }

// bench is an asker whose clock goes on by step each time it is looked at, beside
// what starts are due and what faults were told.
type bench struct {
	asker
	now, step time.Duration
	armed     []time.Duration
	starts    []uint32
	faults    []uint32
	engine    *engine.Engine
}

func newBench(t *testing.T, cfg engine.Config, modules ...wasmtest.Module) *bench {
	t.Helper()
	cfg.FuelPerSecond = unbounded
	e, err := engine.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	b := &bench{engine: e}
	b.asker = asker{
		guests: new(guests), patience: 4 * time.Millisecond,
		clock: func() time.Duration { b.now += b.step; return b.now },
		arm:   func(d time.Duration) { b.armed = append(b.armed, d) },
		start: func(n uint32, _ *guest, _ uint64) { b.starts = append(b.starts, n) },
		fault: func(n uint32, _ error) { b.faults = append(b.faults, n) },
	}
	for n, m := range modules {
		p, err := e.Load(t.Context(), engine.Source{Name: "guest", Wasm: m.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		b.guests.put(uint32(n), &guest{policy: p})
	}
	return b
}

// batch asks guests for a timeout each, and returns the faults.
func (b *bench) batch(kind abi.Kind, guests ...uint32) (*questions, []policy.Fault) {
	q := &questions{answers: make([]channel.Answer, len(guests))}
	for i, n := range guests {
		event := policy.Event{Kind: uint8(kind), NowMs: 1_700_000_000_000 + uint64(b.asker.batch)*100_000, Conn: uint64(i)}
		event.State[0], event.Leases[0] = byte(i+1), uint32(i+1)
		q.asked = append(q.asked, channel.Question{Guest: n, Event: event})
	}
	b.answer(q)
	var faults []policy.Fault
	for _, a := range q.answers {
		faults = append(faults, a.Fault)
	}
	return q, faults
}

func repeat[T any](n int, v T) (list []T) {
	for range n {
		list = append(list, v)
	}
	return list
}

const (
	none      = policy.FaultNone
	busy      = policy.FaultBusy
	notLoaded = policy.FaultNotLoaded
)

// spender takes some 90,000 units for a timeout: two of them, and the clock is
// looked at.
func spender() wasmtest.Module {
	return wasmtest.Guest(wasmtest.Func{
		Export: "on_timeout", Results: []byte{wasmtest.I64}, Locals: 1,
		Body: wasmtest.Code(wasmtest.Countdown(0, 45_000), wasmtest.Const64(wasmtest.Extend60s)),
	})
}

// TestRunThatHasHadItsTimeGoesBack: at 1 ms and no sooner, and its neighbour does not.
func TestRunThatHasHadItsTimeGoesBack(t *testing.T) {
	for _, tc := range []struct {
		step time.Duration // between two looks
		want []policy.Fault
	}{
		{runTime - 1, []policy.Fault{none, none, none, none, none}},
		{runTime, []policy.Fault{none, none, busy, busy, none}},
	} {
		b := newBench(t, engine.Config{}, spender(), wasmtest.Guest())
		b.step = tc.step
		q := &questions{}
		guests := []uint32{0, 0, 0, 0, 1}
		q, faults := b.batch(abi.KindTimeout, guests...)
		fuel := q.answers[0].Fuel
		if fuel <= lookFuel/2 || fuel > lookFuel {
			t.Fatalf("a question takes %d units", fuel)
		}
		if tc.step < runTime {
			// The second look of the run is at nearly twice the time.
			tc.want[3] = none
		}
		if !reflect.DeepEqual(faults, tc.want) {
			t.Errorf("at %v: %v, want %v", tc.step, faults, tc.want)
		}
		for i, a := range q.answers {
			if a.Fault == busy && (a.Fuel != 0 || a.Time != 0 || a.Reply != 0 || a.State[0] != byte(i+1) || a.Leases[0] != uint32(i+1)) {
				t.Errorf("answer %d went back as %+v", i, a)
			}
		}
	}
}

// TestBatchThatHasHadItsTimeGoesBack: at 5 ms and no sooner.
func TestBatchThatHasHadItsTimeGoesBack(t *testing.T) {
	guests := []uint32{0, 1, 0, 1, 0, 1, 0, 7}
	for step, want := range map[time.Duration][]policy.Fault{
		batchTime: {none, busy, busy, busy, busy, busy, busy, notLoaded},
		// The clock is looked at once after each run.
		batchTime/5 - 1: {none, none, none, none, none, none, busy, notLoaded},
		batchTime / 5:   {none, none, none, none, none, busy, busy, notLoaded},
	} {
		b := newBench(t, engine.Config{}, wasmtest.Guest(), wasmtest.Guest())
		b.step = step
		if _, faults := b.batch(abi.KindTimeout, guests...); !reflect.DeepEqual(faults, want) {
			t.Errorf("at %v: %v, want %v", step, faults, want)
		}
	}
}

// TestTimeIsSharedByFuel, among those of a run.
func TestTimeIsSharedByFuel(t *testing.T) {
	double := wasmtest.Guest(wasmtest.Returns("on_accept", 0), spender().Funcs[3])
	b := newBench(t, engine.Config{}, double, wasmtest.Guest())
	b.step = time.Millisecond
	q := &questions{answers: make([]channel.Answer, 4)}
	for _, k := range []abi.Kind{abi.KindTimeout, abi.KindAccept, abi.KindClose} {
		q.asked = append(q.asked, channel.Question{Event: policy.Event{Kind: uint8(k)}})
	}
	q.asked = append(q.asked, channel.Question{Guest: 1, Event: policy.Event{Kind: uint8(abi.KindTimeout)}})
	b.answer(q)
	a := q.answers
	sum := a[0].Time + a[1].Time
	if sum > time.Millisecond || sum < time.Millisecond-10 || a[1].Time == 0 || a[0].Time < 100*a[1].Time || a[2].Time != 0 {
		t.Errorf("times %v, %v, %v of %d, %d, %d units", a[0].Time, a[1].Time, a[2].Time, a[0].Fuel, a[1].Fuel, a[2].Fuel)
	}
	if a[3].Time != time.Millisecond {
		t.Errorf("the next run took %v", a[3].Time)
	}
}

// TestEveryQuestionIsWatched: the timer is set for the first, after 32, and after
// much fuel, and off when the batch is done. A guest that is not there has none.
func TestEveryQuestionIsWatched(t *testing.T) {
	b := newBench(t, engine.Config{}, spender(), wasmtest.Guest())
	for _, tc := range []struct {
		guests []uint32
		set    int
	}{
		{[]uint32{1, 9, 1}, 1},
		{[]uint32{9}, 0},
		{repeat(mostWatched, uint32(1)), 1},
		{repeat(mostWatched+1, uint32(1)), 2},
		{append(repeat(mostWatched, uint32(1)), 9), 1},
		{[]uint32{0, 1, 1}, 1},    // 90,000 units
		{[]uint32{0, 0, 1, 1}, 2}, // 180,000
		{[]uint32{0, 0, 0, 0, 1}, 3},
	} {
		b.armed = nil
		q, _ := b.batch(abi.KindTimeout, tc.guests...)
		if want := append(repeat(tc.set, 4*time.Millisecond), 0); !reflect.DeepEqual(b.armed, want) {
			t.Errorf("%v: timer is set to %v, want %v", tc.guests, b.armed, want)
		}
		var begun []int
		for i, n := range tc.guests {
			if n != 9 {
				begun = append(begun, i)
			}
		}
		if !reflect.DeepEqual(q.begun, begun) {
			t.Errorf("%v: begins %v", tc.guests, q.begun)
		}
	}
}

// TestNobodyPaysForWhoCameBefore: the timer is set anew for the next guest once
// the last ones have taken half a millisecond, whatever their fuel says.
func TestNobodyPaysForWhoCameBefore(t *testing.T) {
	for step, set := range map[time.Duration]int{ // the clock is looked at once after each run
		watchedTime: 6, watchedTime - 1: 3, watchedTime / 2: 3, watchedTime/2 - 1: 2,
	} {
		b := newBench(t, engine.Config{}, wasmtest.Guest(), wasmtest.Guest())
		b.step = step
		b.batch(abi.KindTimeout, 0, 1, 0, 1, 0, 1)
		if want := append(repeat(set, 4*time.Millisecond), 0); !reflect.DeepEqual(b.armed, want) {
			t.Errorf("at %v: timer is set to %v, want %v", step, b.armed, want)
		}
	}
}

// trapper traps at a close.
func trapper() wasmtest.Module {
	return wasmtest.Guest(wasmtest.Func{Export: "on_close", Body: wasmtest.Unreachable()})
}

// TestGuestWithoutAnInstanceIsNotAsked until another thread has made one: its
// questions go back, in order, those of other guests do not.
func TestGuestWithoutAnInstanceIsNotAsked(t *testing.T) {
	b := newBench(t, engine.Config{}, trapper(), wasmtest.Guest())
	if _, faults := b.batch(abi.KindClose, 0); faults[0] != policy.FaultTrap {
		t.Fatal(faults)
	}
	if want := []uint32{0}; !reflect.DeepEqual(b.faults, want) {
		t.Errorf("faults of %v are told", b.faults)
	}
	for range 2 {
		if _, faults := b.batch(abi.KindTimeout, 0, 1, 0, 0); !reflect.DeepEqual(faults, []policy.Fault{busy, none, busy, busy}) {
			t.Errorf("faults %v", faults)
		}
	}
	if want := []uint32{0}; !reflect.DeepEqual(b.starts, want) {
		t.Fatalf("starts %v", b.starts)
	}
	g := b.guests.find(0)
	g.start.fault, g.start.fuel = g.policy.Revive(1_700_000_000_000)
	g.start.took = 7 * time.Millisecond
	g.start.state.Store(started)
	q, faults := b.batch(abi.KindTimeout, 0, 0)
	if !reflect.DeepEqual(faults, []policy.Fault{none, none}) {
		t.Errorf("faults %v", faults)
	}
	first, second := q.answers[0], q.answers[1]
	if g.start.fuel == 0 || first.Fuel < second.Fuel+g.start.fuel || first.Time != 7*time.Millisecond || second.Time != 0 {
		t.Errorf("the first took %d units, %v, the second %d, %v", first.Fuel, first.Time, second.Fuel, second.Time)
	}
}

// TestQuestionIsToldOfAStartThatFailed, once, and the breaker of it.
func TestQuestionIsToldOfAStartThatFailed(t *testing.T) {
	b := newBench(t, engine.Config{}, trapper())
	b.batch(abi.KindClose, 0)
	b.batch(abi.KindTimeout, 0)
	g := b.guests.find(0)
	g.start.fault, g.start.fuel = policy.FaultInit, 99
	g.start.state.Store(started)
	q, faults := b.batch(abi.KindTimeout, 0)
	if faults[0] != policy.FaultInit || q.answers[0].Fuel != 99 || len(q.begun) != 0 {
		t.Errorf("answer %+v", q.answers[0])
	}
	if want := []uint32{0, 0}; !reflect.DeepEqual(b.faults, want) {
		t.Errorf("faults of %v are told", b.faults)
	}
	if b.batch(abi.KindTimeout, 0); len(b.starts) != 2 {
		t.Errorf("starts %v", b.starts)
	}
}

// TestGapsStayWithTheGuest: what was given last is there again, also where the
// question that brought it went back, and that of another is not.
func TestGapsStayWithTheGuest(t *testing.T) {
	at := uint32(wasmtest.Buffer + abi.GapsOffset)
	reads := wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Load32(at), wasmtest.Extend()))
	b := newBench(t, engine.Config{}, reads, reads)
	gaps := func(generation uint32) *policy.Gaps { return &policy.Gaps{Generation: generation} }
	ask := func(n uint32, kind channel.GapsKind, g *policy.Gaps) uint32 {
		q := &questions{asked: []channel.Question{{Guest: n, Kind: kind, Gaps: g, Event: policy.Event{Kind: uint8(abi.KindTimeout)}}}, answers: make([]channel.Answer, 1)}
		b.answer(q)
		return uint32(q.answers[0].Reply)
	}
	for i, tc := range []struct {
		n    uint32
		kind channel.GapsKind
		g    *policy.Gaps
		want uint32
	}{
		{0, channel.GapsSame, nil, 0}, // there was none
		{0, channel.GapsNew, gaps(5), 5},
		{1, channel.GapsNew, gaps(6), 6},
		{0, channel.GapsSame, nil, 5},
		{0, channel.GapsNone, nil, 0},
		{0, channel.GapsSame, nil, 5},
		{1, channel.GapsSame, nil, 6},
	} {
		if got := ask(tc.n, tc.kind, tc.g); got != tc.want {
			t.Errorf("question %d reads generation %d, want %d", i, got, tc.want)
		}
	}
	g := b.guests.find(0)
	g.start.state.Store(starting)
	ask(0, channel.GapsNew, gaps(8))
	g.start.state.Store(idle)
	if got := ask(0, channel.GapsSame, nil); got != 8 {
		t.Errorf("reads generation %d, want 8", got)
	}
}

// TestStartTimeFollowsFuel and the module's size, and has a least.
func TestStartTimeFollowsFuel(t *testing.T) {
	for _, tc := range []struct {
		b      engine.Budgets
		module int
		want   time.Duration
	}{
		{engine.Budgets{}, 0, 60 * time.Millisecond},
		{engine.Budgets{}, 1 << 20, 60*time.Millisecond + 1<<20*wasmPrice},
		{engine.Budgets{Call: 400_000, Configure: 5_000_000, Init: 5_000_000}, 0, 220 * time.Millisecond},
	} {
		if got := startTime(tc.b, tc.module); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc, got, tc.want)
		}
	}
}

// TestAskingAllocatesNothing, on the thread that must not wait for a collection.
func TestAskingAllocatesNothing(t *testing.T) {
	b := newBench(t, engine.Config{}, wasmtest.Guest(), wasmtest.Guest())
	b.arm = func(time.Duration) {}
	q, _ := b.batch(abi.KindTimeout, 0, 0, 1, 1, 0)
	q.begun = make([]int, 0, 1<<16)
	if n := testing.AllocsPerRun(100, func() { b.answer(q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// stepping adds one to the connection's state for a timeout.
func stepping() wasmtest.Module {
	const at = wasmtest.Buffer + abi.EventStateOffset
	return wasmtest.Guest(wasmtest.Hook("on_timeout",
		wasmtest.Store64(at, wasmtest.Code(wasmtest.Load64(at), wasmtest.Const64(1), wasmtest.Add64())),
		wasmtest.Const64(wasmtest.Extend60s)))
}

// TestQuestionFollowsAnother of the same guest: it has the state that one has left,
// also where others come between them, in the batch, or another batch.
func TestQuestionFollowsAnother(t *testing.T) {
	b := newBench(t, engine.Config{}, stepping(), stepping())
	ask := func(qs ...channel.Question) (left []byte) {
		q := &questions{asked: qs, answers: make([]channel.Answer, len(qs))}
		b.answer(q)
		for _, a := range q.answers {
			if a.Fault != none {
				t.Fatal(a.Fault)
			}
			left = append(left, a.State[0])
		}
		return left
	}
	first := func(guest uint32, state byte) channel.Question {
		event := policy.Event{Kind: uint8(abi.KindTimeout), NowMs: 1_700_000_000_000}
		event.State[0] = state
		return channel.Question{Guest: guest, Event: event}
	}
	next := func(guest uint32) channel.Question {
		q := first(guest, 99)
		q.Follows = true
		return q
	}
	if got, want := ask(first(0, 5), next(0), first(1, 20), next(0), next(1)), []byte{6, 7, 21, 8, 22}; !reflect.DeepEqual(got, want) {
		t.Errorf("states %v are left, want %v", got, want)
	}
	if got, want := ask(next(1), next(0), first(0, 1), next(0)), []byte{23, 9, 2, 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("states %v are left, want %v", got, want)
	}
}
