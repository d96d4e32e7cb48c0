package lab

import (
	"cmp"
	"io"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/trace"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

const second = int64(time.Second)

// recording is a Recording of what is in it.
type recording struct {
	header trace.Header
	all    []trace.Record
}

func (r *recording) Header() trace.Header { return r.header }
func (r *recording) Close() error         { return nil }
func (r *recording) Next(to *trace.Record) error {
	if len(r.all) == 0 {
		return io.EOF
	}
	*to, r.all = r.all[0], r.all[1:]
	return nil
}

// tape builds a recording.
type tape struct {
	header trace.Header
	all    []trace.Record
}

func (t *tape) open(at int64, conn, client uint64) *tape {
	t.all = append(t.all, trace.Record{
		Kind: trace.KindOpen, Time: at, Conn: conn, Client: client, Protocol: abi.ProtocolHTTP1, Phase: abi.PhaseIdle,
	})
	return t
}

// requests has a connection make requests that take no time.
func (t *tape) requests(conn uint64, at ...int64) *tape {
	for _, at := range at {
		t.all = append(t.all, trace.Record{Kind: trace.KindBegin, Time: at, Conn: conn}, trace.Record{Kind: trace.KindEnd, Time: at, Conn: conn})
	}
	return t
}

func (t *tape) close(at int64, conn uint64, why policy.Reason) *tape {
	t.all = append(t.all, trace.Record{Kind: trace.KindClose, Time: at, Conn: conn, Reason: why, Phase: abi.PhaseIdle})
	return t
}

func (t *tape) then(r ...trace.Record) *tape {
	t.all = append(t.all, r...)
	return t
}

func (t *tape) config(tb testing.TB) Config {
	return Config{
		Open:   func() (Recording, error) { return &recording{t.header, t.all}, nil },
		Engine: newEngine(tb), Setting: DefaultSetting(), Length: t.all[len(t.all)-1].Time,
	}
}

func newEngine(tb testing.TB) *engine.Engine {
	e, err := engine.New(tb.Context(), engine.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	return e
}

// bundled parses a policy of those that come with the host.
func bundled(tb testing.TB, spec string) Policy {
	all, err := Parse(spec, func(name string) ([]byte, error) {
		wasm, _ := plugins.Lookup(name)
		return wasm, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all[0]
}

func playTape(t *testing.T, tp *tape, spec string, edit ...func(*Config)) *Played {
	t.Helper()
	cfg := tp.config(t)
	for _, f := range edit {
		f(&cfg)
	}
	p, err := Play(t.Context(), cfg, bundled(t, spec), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// parts are those of a tally that the tests below are about.
type parts struct {
	gaps, reused, premature, closed, late            int64
	useful, short, never, censored, cost, peak, asks int64
}

func of(t study.Tally) parts {
	return parts{t.Gaps, t.Reused, t.Premature, t.Closed, t.Late, t.UsefulMs, t.ShortMs, t.NeverMs, t.CensoredMs, t.CostMs, t.PeakOpen, t.Asks}
}

func TestHeldTimeIsSplitByWhatBecameOfIt(t *testing.T) {
	for _, c := range []struct {
		name string
		tape *tape
		want parts
	}{
		{"a gap within the timeout", new(tape).open(0, 1, 7).requests(1, 0, 8*second).close(9*second, 1, policy.ReasonPeer),
			parts{gaps: 1, reused: 1, useful: 8000, never: 1000, cost: 9000, peak: 1, asks: 1}},
		{"a gap of the very timeout", new(tape).open(0, 1, 7).requests(1, 0, 10*second),
			parts{gaps: 1, reused: 1, useful: 10000, cost: 10000, peak: 1, asks: 1}},
		{"a longer one", new(tape).open(0, 1, 7).requests(1, 0, 25*second).close(25*second, 1, policy.ReasonPeer),
			parts{gaps: 1, premature: 1, closed: 1, short: 10000, cost: 130_000, peak: 1, asks: 3}},
		{"one that is over at once", new(tape).open(0, 1, 7).requests(1, 0, 10*second+second/2),
			parts{gaps: 1, premature: 1, closed: 1, late: 1, short: 10000, cost: 130_000, peak: 1, asks: 3}},
		{"a client that never returns", new(tape).open(0, 1, 7).requests(1, 0).open(60*second, 2, 8),
			parts{closed: 1, never: 10000, cost: 10000, peak: 1, asks: 3}},
		{"the end of the recording", new(tape).open(0, 1, 7).requests(1, 0).open(6*second, 2, 8),
			parts{censored: 6000, cost: 6000, peak: 2, asks: 2}},
		{"what the recording's host closed", new(tape).open(0, 1, 7).requests(1, 0).close(5*second, 1, policy.ReasonPolicy).
			open(8*second, 2, 7).requests(2, 8*second),
			parts{gaps: 1, reused: 1, useful: 8000, cost: 8000, peak: 1, asks: 1}},
	} {
		if got := of(playTape(t, c.tape, "fixed:10s").Outcome.Total); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestABusyConnectionIsNotIdle(t *testing.T) {
	long := new(tape).open(0, 1, 7).then(
		trace.Record{Kind: trace.KindBegin, Conn: 1},
		trace.Record{Kind: trace.KindBegin, Time: 30 * second, Conn: 1},
		trace.Record{Kind: trace.KindEnd, Time: 40 * second, Conn: 1},
		trace.Record{Kind: trace.KindEnd, Time: 80 * second, Conn: 1},
	).requests(1, 85*second)
	want := parts{gaps: 1, reused: 1, useful: 5000, cost: 5000, peak: 1, asks: 1}
	if got := of(playTape(t, long, "fixed:10s").Outcome.Total); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTunnels(t *testing.T) {
	tunnel := new(tape).open(0, 1, 7).then(
		trace.Record{Kind: trace.KindBegin, Conn: 1},
		trace.Record{Kind: trace.KindPhase, Conn: 1, Phase: abi.PhaseTunnel, Protocol: abi.ProtocolWebSocket},
		trace.Record{Kind: trace.KindBurst, Time: 20 * second, Conn: 1, Since: 20 * second},
		trace.Record{Kind: trace.KindBurst, Time: 80 * second, Conn: 1, Since: 60 * second},
		trace.Record{Kind: trace.KindClose, Time: 90 * second, Conn: 1, Phase: abi.PhaseTunnel, Reason: policy.ReasonPeer},
	)
	o := playTape(t, tunnel, "fixed:tunnel=30s").Outcome.Total
	if o.Broken != 1 || o.Premature != 1 || o.UsefulMs != 20_000 || o.ShortMs != 30_000 || o.NeverMs != 10_000 {
		t.Errorf("tunnel %+v, want one broken early, held for 20s of use, 30s and 10s in vain", o)
	}
}

func TestWarmUpIsLeftOut(t *testing.T) {
	tp := new(tape).open(0, 1, 7).requests(1, 0, 20*second, 25*second, 60*second)
	from := func(c *Config) { c.Span.CountFrom = 22 * second }
	want := parts{gaps: 2, reused: 0, premature: 1, closed: 1, short: 10_000, cost: 130_000, peak: 1}
	got := of(playTape(t, tp, "fixed:10s", from).Outcome.Total)
	want.asks, want.reused = got.asks, 1
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	upTo := func(c *Config) { c.Span.To = 24 * second }
	if got := of(playTape(t, tp, "fixed:10s", upTo).Outcome.Total); got.gaps != 1 || got.censored != 4000 {
		t.Errorf("up to 24 s: %+v", got)
	}
}

func TestALimitMakesRoom(t *testing.T) {
	tp := new(tape).open(0, 1, 1).requests(1, 0).open(second, 2, 2).requests(2, second).
		open(2*second, 3, 3).requests(3, 2*second).requests(1, 5*second)
	limited := func(c *Config) { c.Setting.Limit = 2 }
	o := playTape(t, tp, "fixed:60s", limited).Outcome.Total
	if o.Premature != 1 || o.PeakOpen > 3 || o.ShortMs != 2000 {
		t.Errorf("outcome %+v, want one closed early after 2s in vain, and 3 open at most", o)
	}
}

// The same recording and policy give the same numbers.
func TestPlayIsDeterministic(t *testing.T) {
	tp := new(tape)
	for i := range uint64(50) {
		tp.open(int64(i)*second, i+1, i%7+1)
		for j := range int64(20) {
			tp.requests(i+1, int64(i)*second+j*j*second/4)
		}
	}
	sortTape(tp)
	one, two := playTape(t, tp, "adaptive"), playTape(t, tp, "adaptive")
	if a, b := of(one.Outcome.Total), of(two.Outcome.Total); a != b || one.Outcome.Total.Fuel != two.Outcome.Total.Fuel {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func sortTape(t *tape) {
	slices.SortStableFunc(t.all, func(a, b trace.Record) int { return cmp.Compare(a.Time, b.Time) })
}
