package idle

import (
	"testing"
	"time"
)

func TestGaps(t *testing.T) {
	const ms = int64(time.Millisecond)
	at := func(now int64) func() int64 { return func() int64 { return now } }

	g := noGaps()
	if _, came, ok := g.close(at(5 * ms)); ok || came != -1 || g.count != 0 {
		t.Errorf("before a request: closed a gap %v, came %d, count %d, want false, -1, 0", ok, came, g.count)
	}
	g.begin(10 * ms)
	g.end = 18 * ms
	if gap, came, ok := g.close(at(20 * ms)); !ok || gap != 8*time.Millisecond || came != 18*ms {
		t.Errorf("a gap that a byte ended: %v, came %d, %v, want 8ms, %d, true", gap, came, ok, 18*ms)
	}
	g.begin(30 * ms)
	if gap, came, ok := g.close(at(54 * ms)); !ok || gap != 24*time.Millisecond || came != 54*ms {
		t.Errorf("a gap without a byte: %v, came %d, %v, want 24ms, %d, true", gap, came, ok, 54*ms)
	}
	if want := (gaps{start: -1, end: -1, count: 2, last: 24, mean: (7*8 + 24) / 8, max: 24}); g != want {
		t.Errorf("after both: got %+v, want %+v", g, want)
	}
}
