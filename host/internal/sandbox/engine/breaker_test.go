package engine

import "testing"

// TestJitterKeepsItsBounds, uses them, and is the same for the same seed.
func TestJitterKeepsItsBounds(t *testing.T) {
	const ms = 1000
	least, most := uint64(ms), uint64(ms)
	differ := false
	for seed := range uint64(200) {
		for n := range 20 {
			a, b := breaker{seed: seed, failures: n}, breaker{seed: seed, failures: n}
			got := a.jitter(ms)
			if got != b.jitter(ms) {
				t.Fatalf("seed %d, failure %d: not the same twice", seed, n)
			}
			least, most = min(least, got), max(most, got)
			differ = differ || got != (&breaker{seed: seed + 1, failures: n}).jitter(ms)
		}
	}
	if least < 750 || least > 760 || most > 1250 || most < 1240 || !differ {
		t.Errorf("%d to %d ms of 750 to 1250; seeds differ: %t", least, most, differ)
	}
}

// TestBreakerReplays: equal faults at equal times wait equally long.
func TestBreakerReplays(t *testing.T) {
	a, b := breaker{seed: 7}, breaker{seed: 7}
	for now := uint64(0); now < 300_000; now += 777 {
		if a.open(now) != b.open(now) {
			t.Fatalf("at %d ms they differ", now)
		}
		if !a.open(now) {
			a.fault(now)
			b.fault(now)
		}
	}
}
