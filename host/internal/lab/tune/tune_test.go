package tune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/lab"
	"idlehost/host/internal/lab/study"
)

const hour = int64(3600e9)

// terrain is a policy whose cost is a function of its parameters: of each
// client, in milliseconds, before (train) or after (test) the split.
type terrain struct {
	cost    func(params map[string]string, client int, test bool) int64
	refuse  func(params map[string]string) error
	clients int
	played  atomic.Int64
	whole   atomic.Int64
}

func (w *terrain) play(_ context.Context, p lab.Policy, s lab.Span) (*lab.Played, error) {
	w.played.Add(1)
	test := s.CountFrom > 0
	if test {
		w.whole.Add(1)
	}
	out := &lab.Played{}
	var total int64
	for c := range w.clients {
		ms := w.cost(p.Params, c, test)
		total += ms
		out.Groups = append(out.Groups, lab.Group{Client: uint64(c), HeldUs: ms * 1000})
	}
	out.Outcome.Total = study.Tally{CostMs: total, HeldMs: total, Gaps: 10_000}
	out.Outcome.Digest = "digest"
	return out, nil
}

func (w *terrain) check(_ context.Context, p lab.Policy) error {
	if w.refuse == nil {
		return nil
	}
	return w.refuse(p.Params)
}

func (w *terrain) config(t *testing.T, params ...string) Config {
	t.Helper()
	if w.clients == 0 {
		w.clients = 50
	}
	cfg := Config{
		Policy: lab.Policy{Name: "p"}, Play: w.play, Check: w.check, Length: 10 * hour, WorthMs: 120_000, Seed: 1,
	}
	for _, text := range params {
		p, err := ParseParam(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Params = append(cfg.Params, p)
	}
	return cfg
}

func number(params map[string]string, key string, absent float64) float64 {
	text, ok := params[key]
	if !ok {
		return absent
	}
	if d, err := time.ParseDuration(text); err == nil && d != 0 {
		return d.Seconds()
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func tuned(t *testing.T, cfg Config) *Result {
	t.Helper()
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// valley costs least at x = low, twice as much at the default.
func valley(low float64) *terrain {
	return &terrain{cost: func(p map[string]string, client int, _ bool) int64 {
		d := number(p, "x", 1-low) - low
		return int64(1e6*(1+4*d*d)) + int64(client)
	}}
}

func TestFindsTheBottomOfAValley(t *testing.T) {
	w := valley(0.83)
	r := tuned(t, w.config(t, "x=0.0..1"))
	if got := number(r.Tuned.Params, "x", 0); got < 0.82 || got > 0.84 {
		t.Errorf("x=%v, want about 0.83", got)
	}
	if r.Keep || r.Ratio.Value > 0.8 || r.Ratio.Interval.High >= 1 || r.Ratio.Interval.Low > r.Ratio.Value {
		t.Errorf("keep %v, ratio %+v", r.Keep, r.Ratio)
	}
	if n := w.played.Load(); n > 1+32+2 || w.whole.Load() != 2 {
		t.Errorf("%d replays, %d of them whole; want at most 35, and 2", n, w.whole.Load())
	}
	if p := r.Params[0]; p.Edge != "" || p.Effect < 0.5 || len(r.Notes) != 0 {
		t.Errorf("%+v, notes %q", p, r.Notes)
	}
}

func TestFindsABottomOnALogarithmicScale(t *testing.T) {
	w := &terrain{cost: func(p map[string]string, _ int, _ bool) int64 {
		held := number(p, "x", 75)
		return int64(1000*held) + int64(2e7/(1+held))
	}}
	r := tuned(t, w.config(t, "x=100ms..1h"))
	if got := number(r.Tuned.Params, "x", 0); got < 130 || got > 150 { // the least is at 140.4 s
		t.Errorf("x=%s", r.Tuned.Params["x"])
	}
}

func TestFindsTheBottomOfABowl(t *testing.T) {
	for seed := range uint64(5) {
		w := &terrain{cost: func(p map[string]string, _ int, _ bool) int64 {
			x, y := number(p, "x", 0)-0.3, number(p, "y", 0)-0.72
			cost := 1e6 * (1 + 2*x*x + y*y + 1.5*x*y)
			if p["mode"] != "b" {
				cost *= 1.3
			}
			return int64(cost) / 500 * 500 // plateaus
		}}
		cfg := w.config(t, "x=0.0..1", "y=0.0..1", "z=1..50", "mode={a,b,c}")
		cfg.Seed = seed
		r := tuned(t, cfg)
		x, y := number(r.Tuned.Params, "x", 0), number(r.Tuned.Params, "y", 0)
		if best := r.Tuned.Train.CostMs / 50; best > 1_010_000 || r.Tuned.Params["mode"] != "b" {
			t.Errorf("seed %d: x=%v y=%v mode=%s: cost %d, want about 1000000", seed, x, y, r.Tuned.Params["mode"], best)
		}
		if r.Params[2].Effect != 0 || r.Params[0].Effect < 0.1 || r.Params[3].Effect < 0.25 {
			t.Errorf("seed %d: %+v", seed, r.Params)
		}
		if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "z hardly matters") {
			t.Errorf("seed %d: notes %q", seed, r.Notes)
		}
		if r.Trials > cfg.trials() {
			t.Errorf("seed %d: %d trials, want at most %d", seed, r.Trials, cfg.trials())
		}
	}
}

func TestTheSameWithAnyNumberOfWorkers(t *testing.T) {
	var first string
	for _, workers := range []int{1, 2, 7} {
		w := &terrain{cost: func(p map[string]string, c int, test bool) int64 {
			x, y := number(p, "x", 0), number(p, "y", 0)
			for range c % 3 {
				runtime.Gosched() // replays end in another order
			}
			return int64(1e6*((x-0.4)*(x-0.4)+(y-0.1)*x)) + int64(c)*1000
		}}
		cfg := w.config(t, "x=0.0..1", "y=0.001..1.0")
		cfg.Workers, cfg.Trials = workers, 40
		text, err := json.Marshal(tuned(t, cfg))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(text)
		} else if string(text) != first {
			t.Errorf("%d workers: %s\nwant %s", workers, text, first)
		}
	}
}

func TestTheMiddleOfAPlateau(t *testing.T) {
	w := &terrain{cost: func(p map[string]string, _ int, _ bool) int64 {
		if x := number(p, "x", 0); x >= 0.3 && x <= 0.7 {
			return 1000
		}
		return 2000
	}}
	r := tuned(t, w.config(t, "x=0.0..1"))
	if x := number(r.Tuned.Params, "x", 0); x < 0.4 || x > 0.6 {
		t.Errorf("x=%v, want the middle of 0.3 to 0.7", x)
	}
}

// TestNoiseIsNotAGain: what is found in noise on the first part is worth
// nothing on the second.
func TestNoiseIsNotAGain(t *testing.T) {
	w := &terrain{clients: 200, cost: func(p map[string]string, c int, test bool) int64 {
		h := uint64(c)*0x9e3779b97f4a7c15 + uint64(1000*number(p, "x", 3))*0xbf58476d1ce4e5b9
		if test {
			h ^= 0x5555555555555555
		}
		h = (h ^ h>>31) * 0x94d049bb133111eb
		return 1000 + int64(h>>52)
	}}
	r := tuned(t, w.config(t, "x=0.0..1"))
	if !r.Keep {
		t.Errorf("ratio %+v is called a gain", r.Ratio)
	}
	if r.Tuned.Train.CostMs >= r.Default.Train.CostMs {
		t.Errorf("fitted to noise it costs %d, as it stands %d: this test says nothing", r.Tuned.Train.CostMs, r.Default.Train.CostMs)
	}
}

func TestTheEdgeOfARange(t *testing.T) {
	r := tuned(t, valley(1.2).config(t, "x=0.0..1"))
	if r.Params[0].Edge != "high" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "x=1 is the high end of 0.0..1") {
		t.Errorf("%+v, notes %q", r.Params[0], r.Notes)
	}
}

func TestTheConstantTimeoutIsFittedToo(t *testing.T) {
	w := &terrain{cost: func(p map[string]string, c int, _ bool) int64 {
		if v, ok := p["timeout"]; ok {
			d := number(map[string]string{"v": v}, "v", 0) - 40
			return int64(900 + d*d + float64(c))
		}
		return 2000 + int64(1000*number(p, "x", 0.5))
	}}
	cfg := w.config(t, "x=0.0..1")
	var err error
	if cfg.FixedParam, err = ParseParam("timeout=100ms..1h"); err != nil {
		t.Fatal(err)
	}
	r := tuned(t, cfg)
	if got := number(r.Fixed.Params, "timeout", 0); got < 36 || got > 44 {
		t.Errorf("fixed timeout %s, want about 40s", r.Fixed.Params["timeout"])
	}
	if r.ToFixed.Interval.Low <= 1 || !strings.Contains(strings.Join(r.Notes, "\n"), "does better after the split") {
		t.Errorf("to fixed %+v, notes %q", r.ToFixed, r.Notes)
	}
}

func TestRefusals(t *testing.T) {
	words := errors.New("quantile: want less than 1")
	above := func(limit float64) func(map[string]string) error {
		return func(p map[string]string) error {
			if number(p, "x", 0) > limit {
				return words
			}
			return nil
		}
	}
	w := valley(0.5)
	w.refuse = above(0.9)
	if _, err := Run(t.Context(), w.config(t, "x=0.0..1")); !errors.Is(err, words) || !strings.Contains(err.Error(), "x=1: ") {
		t.Errorf("%v, want the policy's words and the value", err)
	}
	if w.played.Load() != 0 {
		t.Error("it was played before it was refused")
	}
	w.refuse = func(map[string]string) error { return words }
	if _, err := Run(t.Context(), w.config(t, "x=0.0..1")); err == nil || !strings.Contains(err.Error(), "as it stands") {
		t.Errorf("%v, want that the policy is refused as it stands", err)
	}
}

// TestCombinationsThatAreRefused: parameters that bind each other are searched
// where they may be.
func TestCombinationsThatAreRefused(t *testing.T) {
	w := &terrain{cost: func(p map[string]string, _ int, _ bool) int64 {
		from, to := number(p, "from", 0.8), number(p, "to", 0.95)
		return int64(1e6 * (1 + (from-0.4)*(from-0.4) + (to-0.6)*(to-0.6)))
	}, refuse: func(p map[string]string) error {
		if number(p, "from", 0.8) >= number(p, "to", 0.95) {
			return errors.New("from: not below to")
		}
		return nil
	}}
	r := tuned(t, w.config(t, "from=0.0..0.98", "to=0.01..1"))
	from, to := number(r.Tuned.Params, "from", 0), number(r.Tuned.Params, "to", 0)
	if r.Tuned.Train.CostMs > 50*1_010_000 || from >= to {
		t.Errorf("from=%v to=%v: %d", from, to, r.Tuned.Train.CostMs/50)
	}
	if !strings.Contains(strings.Join(r.Notes, "\n"), "refused") {
		t.Errorf("notes %q, want the refusals", r.Notes)
	}
}

func TestErrorsNameTheTrial(t *testing.T) {
	broken := errors.New("trace: torn")
	w := valley(0.5)
	cfg := w.config(t, "x=0.0..1")
	cfg.Play = func(ctx context.Context, p lab.Policy, s lab.Span) (*lab.Played, error) {
		if p.Params["x"] == "0" {
			return nil, broken
		}
		return w.play(ctx, p, s)
	}
	if _, err := Run(t.Context(), cfg); !errors.Is(err, broken) || !strings.Contains(err.Error(), "x=0: ") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, w.config(t, "x=0.0..1")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}

func TestConfigs(t *testing.T) {
	for _, c := range []struct {
		want  string
		broke func(*Config)
	}{
		{"no parameter", func(c *Config) { c.Params = nil }},
		{"twice", func(c *Config) { c.Params = append(c.Params, c.Params[0]) }},
		{"at most 8", func(c *Config) {
			for i := range 8 {
				c.Params = append(c.Params, &Param{Name: fmt.Sprint(i), Values: []string{"a", "b"}})
			}
		}},
		{"split", func(c *Config) { c.Split = 1 }},
		{"split", func(c *Config) { c.Split = -0.1 }},
		{"too short", func(c *Config) { c.Length = 0 }},
		{"too short", func(c *Config) { c.Length = 1 }},
		{"trials", func(c *Config) { c.Trials = -1 }},
	} {
		cfg := valley(0.5).config(t, "x=0.0..1")
		c.broke(&cfg)
		if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestProgress(t *testing.T) {
	cfg := valley(0.5).config(t, "x=0.0..1")
	last, high := 0, 0
	cfg.Progress = func(done, most int) {
		if done != last+1 || most < done {
			t.Errorf("%d of %d after %d", done, most, last)
		}
		last, high = done, most
	}
	tuned(t, cfg)
	if last == 0 || high > 1+32+3 {
		t.Errorf("%d of %d", last, high)
	}
}

func TestTinyBudgets(t *testing.T) {
	for n := 1; n < 12; n++ {
		cfg := valley(0.5).config(t, "x=0.0..1", "y=1..50", "z={a,b}")
		cfg.Trials = n
		if r := tuned(t, cfg); r.Trials > n || r.Trials == 0 {
			t.Errorf("%d trials, want at most %d", r.Trials, n)
		}
	}
}
