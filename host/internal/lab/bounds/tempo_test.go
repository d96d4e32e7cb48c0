package bounds

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/quick"
)

func TestBinsMeetAtTheirEdges(t *testing.T) {
	for b := range uint8(200) {
		low, width := edges(b)
		if bin(low) != b || bin(low+width-1) != b || bin(low+width) != b+1 {
			t.Errorf("bin %d is %d wide from %d", b, width, low)
		}
		if b > 0 && width*8 > low {
			t.Errorf("bin %d, from %d, is %d wide", b, low, width)
		}
	}
	if low, width := edges(bin(math.MaxUint32)); low+(width-1) != math.MaxUint32 {
		t.Errorf("the last bin ends at %d", low+(width-1))
	}
}

func TestPeriods(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	jittered := func(s, ms int64) func() int64 { return func() int64 { return s*1e9 + r.Int64N(ms*1e6) } }
	mixed := func(odds int, a, b func() int64) func() int64 {
		return func() int64 {
			if r.IntN(100) < odds {
				return a()
			}
			return b()
		}
	}
	spread := func() int64 { return int64(5e9 * math.Exp(2*r.NormFloat64())) }
	for _, c := range []struct {
		name string
		n    int
		next func() int64
		want int64 // ms
	}{
		{"a clock", 8, jittered(30, 1), 30_000},
		{"too few", 7, jittered(30, 1), 0},
		{"some jitter", 100, jittered(30, 1000), 30_500},
		{"at an edge of bins", 100, jittered(32, 1000), 32_500},
		{"a pair of requests each time", 100, mixed(50, jittered(60, 100), jittered(0, 300)), 60_050},
		{"missed now and then", 100, mixed(80, jittered(30, 100), jittered(60, 100)), 30_050},
		{"missed too often", 200, mixed(50, jittered(30, 100), jittered(60, 100)), 0},
		{"people", 500, spread, 0},
		{"haste", 500, jittered(0, 1200), 0},
		{"a day", 20, jittered(86_400, 1000), 86_400_500},
	} {
		var tempo tempo
		for range c.n {
			tempo.add(c.next())
		}
		if got := tempo.period(); got < c.want-c.want/100 || got > c.want+c.want/100 {
			t.Errorf("%s: %d ms, want %d", c.name, got, c.want)
		}
	}
}

func TestMedianIsNearIt(t *testing.T) {
	near := func(seed uint64) bool {
		r := rand.New(rand.NewPCG(seed, 1))
		var tempo tempo
		at := 200 + r.Int64N(1e7)
		for i := range 2*r.Int64N(50) + 1 {
			tempo.add((at + i%2*at/2) * 1e6)
		}
		return math.Abs(float64(tempo.median()-at)) <= float64(at)/8
	}
	if err := quick.Check(near, nil); err != nil {
		t.Error(err)
	}
	if m := new(tempo).median(); m != 0 {
		t.Errorf("of nothing: %d", m)
	}
}

func TestTempoBearsAnything(t *testing.T) {
	var tempo tempo
	for _, ns := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		tempo.add(ns)
	}
	for range 3 {
		tempo.count(255-55, math.MaxUint32, 7) // more than a cell can count
	}
	if tempo.median() < 0 || tempo.period() < 0 {
		t.Errorf("median %d, period %d", tempo.median(), tempo.period())
	}
	r := rand.New(rand.NewPCG(6, 6))
	for range 100_000 {
		tempo.add(int64(math.Exp(40*r.Float64()) * 1e3))
	}
	if len(tempo.cells) > 201 {
		t.Errorf("%d cells", len(tempo.cells))
	}
}
