package child

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/hostile"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/longtest"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// story is questions as a host could ask them of one policy, from a seed.
type story struct {
	rng  *rand.Rand
	ms   uint64
	gaps policy.Gaps
	next policy.Event
}

func newStory(seed uint64) *story { return &story{rng: rand.New(rand.NewPCG(seed, 1))} }

// question returns the next one: mostly timeouts, of a few connections, with a
// histogram that changes now and then.
func (s *story) question() (policy.Event, *policy.Gaps, channel.GapsKind) {
	s.ms += uint64(s.rng.IntN(3000))
	e := policy.Event{
		Kind: uint8([]abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindTimeout, abi.KindTimeout, abi.KindClose}[s.rng.IntN(5)]),
		Conn: uint64(s.rng.IntN(5)), NowMs: 1_700_000_000_000 + s.ms, Random: s.rng.Uint64(),
		Phase: uint8(s.rng.IntN(abi.Phases)), Asks: uint32(s.rng.IntN(16)), Requests: uint32(s.rng.IntN(100)),
		AgeMs: uint32(s.rng.IntN(100_000)), PhaseMs: uint32(s.rng.IntN(50_000)),
	}
	for i := range e.ClientGaps {
		e.ClientGaps[i] = uint32(s.rng.IntN(50))
	}
	for i := range e.Leases {
		e.Leases[i] = uint32(s.rng.IntN(60_000))
	}
	copy(e.State[:], s.next.State[:])
	switch s.rng.IntN(8) {
	case 0:
		return e, nil, channel.GapsNone
	case 1:
		s.gaps.Generation++
		for i := range s.gaps.Cut {
			s.gaps.Cut[i] = uint32(s.rng.IntN(1000))
		}
		return e, &s.gaps, channel.GapsNew
	}
	if s.gaps.Generation == 0 {
		return e, nil, channel.GapsNone
	}
	return e, &s.gaps, channel.GapsSame
}

// compare asks a policy in this process and the same one in a worker.
func compare(t *testing.T, w *worker, n uint32, p *engine.Policy, s *story, count int) {
	t.Helper()
	for i := range count {
		event, gaps, kind := s.question()
		ask := policy.Ask{Event: event, Gaps: gaps}
		raw, fault, fuel := p.Answer(&ask)
		a := w.insist(t, &channel.Question{Guest: n, Event: event, Gaps: gaps, Kind: kind})
		if a.Reply != raw || a.Fault != fault || a.Fuel != fuel.All || a.Hook != fuel.Hook {
			t.Fatalf("question %d, %+v: %#x, %v, %+v units; in the worker %#x, %v, %d, %d", i, event, raw, fault, fuel, a.Reply, a.Fault, a.Fuel, a.Hook)
		}
		if fault == policy.FaultNone && (a.State != ask.Event.State || a.Leases != ask.Event.Leases) {
			t.Fatalf("question %d leaves state % x, leases %v; in the worker % x, %v", i, ask.Event.State, ask.Event.Leases, a.State, a.Leases)
		}
		if fault == policy.FaultNone {
			s.next.State = ask.Event.State
		}
	}
	want := p.State()
	got, err := w.State(t.Context(), n)
	if err != nil || got.Format != want.Format || !bytes.Equal(got.Bytes, want.Bytes) {
		t.Errorf("learned %d bytes, in the worker %d, %v", len(want.Bytes), len(got.Bytes), err)
	}
}

// TestWorkerAnswersAsTheHostItself: bundled policies, and one that fails now and
// then, in verdict, state, leases, faults, learned state and fuel.
func TestWorkerAnswersAsTheHostItself(t *testing.T) {
	e, w := newHost(t), startWorker(t, options{})
	sources := []engine.Source{source(counter())}
	for _, name := range plugins.Names() {
		wasm, _ := plugins.Lookup(name)
		sources = append(sources, engine.Source{Name: name, Wasm: wasm})
	}
	seed := longtest.Seed(t)
	for i, src := range sources {
		n := uint32(i)
		l := w.mustLoad(t, e, n, src)
		p, err := e.Load(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		stats := p.Stats()
		if l.Profile != p.Profile() || l.MemoryBytes != stats.MemoryBytes || l.Restored != stats.Restored || l.Fuel != stats.FuelSpent {
			t.Errorf("%s: loaded %+v, here %+v, %+v", src.Name, l, p.Profile(), stats)
		}
		t.Run(src.Name, func(t *testing.T) { compare(t, w, n, p, newStory(seed), 300) })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWorkerSurvivesWhatTheHostSurvives: of each attack that gets as far as a
// worker, the end is that which it has in the host's own process, and a neighbour
// is asked as ever.
func TestWorkerSurvivesWhatTheHostSurvives(t *testing.T) {
	o := options{}
	if raceSlow { // so is what the host does for a guest
		o.question = 100 * time.Millisecond
	}
	e, w := newHost(t), startWorker(t, o)
	w.mustLoad(t, e, 1, source(constant(1)))
	neighbour := w.ask(t, at(1, abi.KindTimeout, 0))[0].Reply
	tried, every := 0, 3
	if longtest.Count(t, 1, 2, "share of the attacks") > 1 {
		every = 1
	}
	for i, a := range hostile.Corpus() {
		if a.Class == hostile.Compiler || a.Class == hostile.Decoder || i%every != 0 {
			continue // they are over before there is anything to load
		}
		n := uint32(i + 2)
		src := engine.Source{Name: a.Name, Wasm: a.Wasm(), Params: a.Params}
		_, got := w.load(t, e, n, src)
		p, want := e.Load(t.Context(), src)
		if (got == nil) != (want == nil) || want != nil && got.Error() != want.Error() {
			t.Errorf("%s: in the worker %v\nhere %v", a.Name, got, want)
			continue
		}
		var fault *engine.FaultError
		if errors.As(want, &fault) && fault.Fault == policy.FaultRefused && fault.Step == "gate" {
			continue
		}
		tried++
		if want == nil {
			s := newStory(uint64(i))
			compare(t, w, n, p, s, 20)
			if err := errors.Join(p.Close(), w.Unload(n)); err != nil {
				t.Error(err)
			}
		}
		if a := w.insist(t, at(1, abi.KindTimeout, uint64(i))); a.Fault != policy.FaultNone || a.Reply != neighbour {
			t.Errorf("the neighbour's answer is %+v", a)
		}
	}
	if tried < 10 {
		t.Errorf("%d attacks came to the worker", tried)
	}
}
