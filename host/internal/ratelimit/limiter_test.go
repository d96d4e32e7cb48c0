package ratelimit_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/ratelimit"
)

// then is any time.
var then = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestLimiter(t *testing.T) {
	l := ratelimit.New(2, 3, 10)
	now := then
	for i := range 3 {
		if wait := l.Take(now, "a"); wait != 0 {
			t.Fatalf("taking %d: wait %s", i+1, wait)
		}
	}
	wait := l.Take(now, "a")
	if wait <= 499*time.Millisecond || wait > 501*time.Millisecond || l.Wait(now, "a") != wait {
		t.Fatalf("the bucket is empty: wait %s, or %s", wait, l.Wait(now, "a"))
	}
	if l.Wait(now, "b") != 0 || l.Len() != 1 {
		t.Error("asking makes a bucket, or finds another's")
	}
	if now = now.Add(wait - 2); l.Take(now, "a") == 0 {
		t.Error("taken too early")
	}
	if now = now.Add(2); l.Wait(now, "a") != 0 || l.Take(now, "a") != 0 || l.Take(now, "a") == 0 {
		t.Error("not exactly one after the wait")
	}
	if now = now.Add(-time.Hour); l.Take(now, "a") == 0 {
		t.Error("a clock that goes back gives something")
	}
	now = now.Add(24 * time.Hour)
	for range 3 {
		if l.Take(now, "a") != 0 {
			t.Error("not full after a day")
		}
	}
	if l.Take(now, "a") == 0 {
		t.Error("more than full after a day")
	}
}

// TestLimiterIsBounded: it forgets whom it has not seen for longest.
func TestLimiterIsBounded(t *testing.T) {
	l := ratelimit.New(1, 1, 100)
	l.Take(then, "regular")
	for i := range 10000 {
		l.Take(then, fmt.Sprint(i))
		if l.Take(then, "regular") == 0 {
			t.Fatalf("forgotten after %d others", i+1)
		}
	}
	if l.Len() != 100 {
		t.Errorf("%d buckets", l.Len())
	}
	if l.Wait(then, "0") != 0 || l.Wait(then, "9999") == 0 {
		t.Error("not the oldest was forgotten")
	}
}

// TestLimiterHammered: no more is given than there is.
func TestLimiterHammered(t *testing.T) {
	l := ratelimit.New(1, 1000, 50)
	var mu sync.Mutex
	given := map[string]int{}
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint((g + i) % 4)
				l.Wait(then, key)
				if l.Take(then, key) == 0 {
					mu.Lock()
					given[key]++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	for key, n := range given {
		if n != 1000 {
			t.Errorf("%s: %d given", key, n)
		}
	}
}
