package lab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/trace"
	"idlehost/plugins"
)

// village is an hour of thirty clients: some with a heartbeat of 30 s, some
// who come back at odd times, some who come once.
func village() *tape {
	tp, r := new(tape), rand.New(rand.NewPCG(1, 2))
	for client := range uint64(30) {
		at := r.Int64N(60 * second)
		tp.open(at, client+1, client+1).requests(client+1, at)
		for client%3 < 2 && at < 3600*second {
			if at += 30*second + r.Int64N(second/4); client%3 == 1 {
				at += second << r.IntN(9)
			}
			tp.requests(client+1, at)
		}
	}
	sortTape(tp)
	return tp
}

func experiment(t *testing.T, tp *tape, parallel int, specs ...string) *study.Study {
	t.Helper()
	fixed, _ := plugins.Lookup("fixed")
	x := Experiment{Config: tp.config(t), Name: "village", Fixed: fixed, Parallel: parallel, Explain: true}
	for _, s := range specs {
		x.Policies = append(x.Policies, bundled(t, s))
	}
	s, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func outcome(t *testing.T, s *study.Study, name string) *study.Outcome {
	t.Helper()
	for i := range s.Policies {
		if s.Policies[i].Name == name {
			return &s.Policies[i]
		}
	}
	t.Fatalf("no policy %s", name)
	return nil
}

func TestExperimentIsDeterministic(t *testing.T) {
	var bytesOf [2][]byte
	for i, parallel := range []int{1, 4} {
		s := experiment(t, village(), parallel, "adaptive", "fixed:20s", "fixed:29s")
		var err error
		if bytesOf[i], err = json.Marshal(s); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(bytesOf[0], bytesOf[1]) {
		t.Errorf("the same experiment, other bytes:\n%.300s\n%.300s", bytesOf[0], bytesOf[1])
	}
}

func TestExperiment(t *testing.T) {
	s := experiment(t, village(), 2, "adaptive", "fixed:29500ms", "fixed:45s", "fixed:45s")
	best := outcome(t, s, "best fixed")
	if r := best.Interval.Ratio; r.Low != 1 || r.High != 1 {
		t.Errorf("the best fixed timeout against itself: %+v", r)
	}
	if got, want := best.Total.Premature, s.Bounds.BestFixed.Premature; got != want {
		t.Errorf("best fixed: played %d premature, reckoned %d", got, want)
	}
	if d := best.Total.HeldMs - s.Bounds.BestFixed.HeldMs; d < 0 || d > 10*best.Total.Closed {
		t.Errorf("best fixed: played %d ms held, reckoned %d: more than a step of the clock for each close",
			best.Total.HeldMs, s.Bounds.BestFixed.HeldMs)
	}
	if a, b := outcome(t, s, "fixed 45s"), outcome(t, s, "fixed 45s #2"); a.Total != b.Total {
		t.Error("the same policy twice, other sums")
	}
	for _, p := range s.Policies {
		if p.Total.CostMs < s.Bounds.Clairvoyant.CostMs {
			t.Errorf("%s is cheaper than who knows the future", p.Name)
		}
		if i := p.Interval.CostMs; i.Low > float64(p.Total.CostMs) || i.High < float64(p.Total.CostMs) {
			t.Errorf("%s: cost %d is not within %+v", p.Name, p.Total.CostMs, i)
		}
		if len(p.Open) != points+1 {
			t.Errorf("%s: %d samples", p.Name, len(p.Open))
		}
		most := slices.MaxFunc(p.Open, func(a, b study.Sample) int { return cmp.Compare(a.Open, b.Open) })
		if most.Open != p.Total.PeakOpen {
			t.Errorf("%s: a peak of %d is drawn, of %d told", p.Name, most.Open, p.Total.PeakOpen)
		}
	}
	if len(s.Cliffs) == 0 || s.Cliffs[0].Policy != "fixed 29500ms" || s.Cliffs[0].BeatMs != 30_000 || s.Cliffs[0].Clients < 8 {
		t.Errorf("cliffs %+v", s.Cliffs)
	}
	if len(s.Spikes) == 0 || s.Spikes[0].Policy != "fixed 29500ms" {
		t.Errorf("spikes %+v", s.Spikes)
	}
}

func TestDifferencesAreExplained(t *testing.T) {
	s := experiment(t, village(), 1, "fixed:29s", "fixed:45s")
	if len(s.Differences) == 0 {
		t.Fatal("none")
	}
	d := s.Differences[0]
	if d.CostMs[0] >= d.CostMs[1] || len(d.Decisions[0]) == 0 || len(d.Decisions[1]) == 0 {
		t.Fatalf("difference %+v, want the first cheaper, and decisions of both", d)
	}
	accept := d.Decisions[1][0]
	if accept.Event != "accept" || accept.Asked["worth_ms"] != 120_000 || accept.Asked["client"] == 0 {
		t.Errorf("first decision %+v", accept)
	}
	told := ""
	for _, x := range d.Decisions[1] {
		told += x.Outcome + "; "
	}
	if !strings.Contains(told, "closed, and the client back later, after 30") {
		t.Errorf("outcomes: %s", told)
	}
}

func TestAnEmptyRecordingIsAnError(t *testing.T) {
	tp := new(tape).then(trace.Record{Kind: trace.KindTenant, Name: "a"})
	cfg := Config{Open: func() (Recording, error) { return &recording{tp.header, nil}, nil }, Engine: newEngine(t), Setting: DefaultSetting()}
	if _, err := (&Experiment{Config: cfg, Name: "void"}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "void") {
		t.Errorf("error %v", err)
	}
}

func TestAPolicyThatFailsIsAnsweredFor(t *testing.T) {
	p := Policy{Name: "bad", Wasm: []byte("\x00asm\x01\x00\x00\x00")}
	cfg := village().config(t)
	if _, err := Play(t.Context(), cfg, p, nil); err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("error %v", err)
	}
}

// TestARecordingThatBeginsInTheMiddle counts from when it begins; what its
// connections have done before says how long they have been idle.
func TestARecordingThatBeginsInTheMiddle(t *testing.T) {
	tp := new(tape).open(-5*second, 1, 7).open(-300*second, 2, 8).open(second, 3, 9)
	tp.all[0].Age, tp.all[1].Age = 60*second, 60*second
	tp.requests(3, 2*second).requests(1, 4*second, 14*second).requests(2, 20*second)
	s := experiment(t, tp, 1, "fixed:8s", "fixed:10s")
	if s.Trace.SpanMs != 20_000 {
		t.Errorf("it lasts %d ms", s.Trace.SpanMs)
	}
	if !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.HasPrefix(n, "it begins with 2 connections open") }) {
		t.Errorf("notes %q", s.Notes)
	}
	eight, ten := outcome(t, s, "fixed 8s"), outcome(t, s, "fixed 10s")
	// The second is closed at once; 8 s end the first at 3 s, and with the gap
	// that began before, nothing of that is counted but the close.
	if eight.Total.Closed != 4 || ten.Total.Closed != 2 || eight.Total.Premature != 1 || ten.Total.Premature != 0 || eight.Total.PeakOpen != 2 {
		t.Errorf("8 s: %+v\n10 s: %+v", eight.Total, ten.Total)
	}
}
