package tune_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/lab"
	"idlehost/host/internal/lab/tune"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/trace"
	"idlehost/plugins"
)

// recording is one that is in memory.
type recording struct {
	records []trace.Record
	next    int
}

func (*recording) Header() trace.Header {
	return trace.Header{Start: 1_700_000_000e9, Granularity: 10e6, Sample: 65536, Origin: "made up"}
}

func (*recording) Close() error { return nil }

func (r *recording) Next(to *trace.Record) error {
	if r.next == len(r.records) {
		return io.EOF
	}
	*to = r.records[r.next]
	r.next++
	return nil
}

// span is how long the made up recordings are.
const span = int64(4 * time.Hour)

// beats are clients that come back every 30 s, give or take one, for an hour at
// a time. Then they leave without a word, and another comes.
func beats(clients int) []trace.Record {
	random := rand.New(rand.NewPCG(3, 4))
	var all []trace.Record
	const hours = 4
	for c := range hours * clients {
		conn := uint64(c + 1)
		at := int64(c%hours)*span/hours + random.Int64N(30e9)
		end := int64(c%hours+1)*span/hours - 1e9
		all = append(all, trace.Record{Kind: trace.KindOpen, Time: at, Conn: conn, Client: conn})
		for ; at < end; at += 29e9 + random.Int64N(2e9) {
			all = append(all, trace.Record{Kind: trace.KindBegin, Time: at, Conn: conn},
				trace.Record{Kind: trace.KindEnd, Time: at + 20e6, Conn: conn, BytesIn: 100, BytesOut: 1000})
		}
	}
	slices.SortStableFunc(all, func(a, b trace.Record) int { return int(a.Time - b.Time) })
	return all
}

// workbench is a Config for a recording and a bundled policy.
func workbench(t *testing.T, records []trace.Record, name string, base map[string]string, params ...string) tune.Config {
	t.Helper()
	eng, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	cfg := lab.Config{
		Open:   func() (lab.Recording, error) { return &recording{records: records}, nil },
		Engine: eng, Setting: lab.DefaultSetting(),
	}
	wasm, ok := plugins.Lookup(name)
	if !ok {
		t.Fatalf("no policy %s", name)
	}
	c := tune.Config{
		Policy: lab.Policy{Name: name, Module: name, Wasm: wasm, Params: base}, Length: span, WorthMs: cfg.Setting.WorthMs, Seed: 1,
		Play: func(ctx context.Context, p lab.Policy, s lab.Span) (*lab.Played, error) {
			cfg := cfg
			cfg.Span = s
			return lab.Play(ctx, cfg, p, nil)
		},
		Check: func(ctx context.Context, p lab.Policy) error {
			loaded, err := eng.Load(ctx, engine.Source{Name: p.Name, Wasm: p.Wasm, Params: p.Params})
			if err != nil {
				return err
			}
			return loaded.Close()
		},
	}
	for _, text := range params {
		p, err := tune.ParseParam(text)
		if err != nil {
			t.Fatal(err)
		}
		c.Params = append(c.Params, p)
	}
	return c
}

// TestRealReplays: a constant timeout that is tuned to heartbeats of 30 s lies
// just past them, and is worth it in the hours that it was not fitted to.
func TestRealReplays(t *testing.T) {
	r, err := tune.Run(t.Context(), workbench(t, beats(10), "fixed", map[string]string{"timeout": "20s"}, "timeout=1s..5m"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := time.ParseDuration(r.Tuned.Params["timeout"])
	if err != nil || got < 30500*time.Millisecond || got > 45*time.Second {
		t.Errorf("timeout=%s, %v; want one past 31 s", r.Tuned.Params["timeout"], err)
	}
	if r.Keep || r.Tuned.Test.Premature != 0 || r.Default.Test.Premature < 2000 || r.Ratio.Value > 0.3 {
		t.Errorf("result %+v, want new parameters that close nothing early, at 0.3 of the cost at most", r)
	}
	// 10 clients, in 2 hours, each half minute.
	if n := r.Tuned.Test.Gaps; n < 2350 || n > 2420 {
		t.Errorf("%d gaps after the split, want about 2400", n)
	}
}

func TestThePolicyRefusesInItsOwnWords(t *testing.T) {
	_, err := tune.Run(t.Context(), workbench(t, beats(2), "adaptive", nil, "lambda=0.5..7.5"))
	if err == nil || !strings.Contains(err.Error(), "lambda=7.5: ") || !strings.Contains(err.Error(), "parameters refused") {
		t.Errorf("%v", err)
	}
	_, err = tune.Run(t.Context(), workbench(t, beats(2), "adaptive", nil, "quality=1..5"))
	if err == nil || !strings.Contains(err.Error(), "quality") {
		t.Errorf("%v", err)
	}
}

func TestARecordingThatIsTorn(t *testing.T) {
	cfg := workbench(t, beats(2), "adaptive", nil, "prior=1..50")
	torn := errors.New("torn")
	cfg.Play = func(context.Context, lab.Policy, lab.Span) (*lab.Played, error) { return nil, torn }
	if _, err := tune.Run(t.Context(), cfg); !errors.Is(err, torn) {
		t.Errorf("%v, want %v", err, torn)
	}
}
