package v1_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/admin/v1"
)

func TestRation(t *testing.T) {
	r := v1.NewRation(2, 3, 10)
	now := then
	for i := range 3 {
		if wait := r.Take(now, "a"); wait != 0 {
			t.Fatalf("taking %d: wait %s", i+1, wait)
		}
	}
	wait := r.Take(now, "a")
	if wait <= 499*time.Millisecond || wait > 501*time.Millisecond || r.Wait(now, "a") != wait {
		t.Fatalf("the bucket is empty: wait %s, or %s", wait, r.Wait(now, "a"))
	}
	if r.Wait(now, "b") != 0 || r.Len() != 1 {
		t.Error("asking makes a bucket, or finds another's")
	}
	if now = now.Add(wait - 2); r.Take(now, "a") == 0 {
		t.Error("taken too early")
	}
	if now = now.Add(2); r.Wait(now, "a") != 0 || r.Take(now, "a") != 0 || r.Take(now, "a") == 0 {
		t.Error("not exactly one after the wait")
	}
	if now = now.Add(-time.Hour); r.Take(now, "a") == 0 {
		t.Error("a clock that goes back gives something")
	}
	now = now.Add(24 * time.Hour)
	for range 3 {
		if r.Take(now, "a") != 0 {
			t.Error("not full after a day")
		}
	}
	if r.Take(now, "a") == 0 {
		t.Error("more than full after a day")
	}
}

// TestRationIsBounded: it forgets whom it has not seen for longest.
func TestRationIsBounded(t *testing.T) {
	r := v1.NewRation(1, 1, 100)
	r.Take(then, "regular")
	for i := range 10000 {
		r.Take(then, fmt.Sprint(i))
		if r.Take(then, "regular") == 0 {
			t.Fatalf("forgotten after %d others", i+1)
		}
	}
	if r.Len() != 100 {
		t.Errorf("%d buckets", r.Len())
	}
	if r.Wait(then, "0") != 0 || r.Wait(then, "9999") == 0 {
		t.Error("not the oldest was forgotten")
	}
}

// TestRationHammered: no more is given than there is.
func TestRationHammered(t *testing.T) {
	r := v1.NewRation(1, 1000, 50)
	var mu sync.Mutex
	given := map[string]int{}
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint((g + i) % 4)
				r.Wait(then, key)
				if r.Take(then, key) == 0 {
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
