package worker

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// TestQuickLoadsGoFirst: after a worker's death, who is loaded quickly is asked
// again before those are loaded that take long, and a tenant with many policies
// holds nobody up.
func TestQuickLoadsGoFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.world.with(func() {
			h.world.loadTime["heavy"] = 300 * time.Millisecond
			h.world.loadTime["many"] = longLoad
			for i := range 16 {
				h.world.loadTime[strconv.Itoa(i)] = time.Millisecond
			}
		})
		var others, quick []*Guest
		for range 8 {
			others = append(others, h.guest("heavy", Options{}, nil), h.guest("many", Options{}, nil))
		}
		for i := range 16 {
			quick = append(quick, h.guest(strconv.Itoa(i), Options{}, nil))
		}
		for round := range 3 {
			for _, f := range h.world.living() {
				f.Kill()
			}
			killed := time.Now()
			var slow, rs []*replies
			for _, g := range others {
				slow = append(slow, h.ask(g, 1))
			}
			for _, g := range quick {
				rs = append(rs, h.ask(g, 1))
			}
			time.Sleep(10 * time.Second)
			for i, r := range rs {
				if got := r.all(); len(got) != 1 || got[0].fault != policy.FaultNone || got[0].at.Sub(killed) > 30*time.Millisecond {
					t.Errorf("round %d: guest %d after %v: %v", round, i, got[0].at.Sub(killed), r.faults())
				}
			}
			for _, r := range slow {
				if got := r.faults(); fmt.Sprint(got) != fmt.Sprint([]policy.Fault{policy.FaultNone}) {
					t.Errorf("round %d: a load that takes long came to %v", round, got)
				}
			}
		}
	})
}

// TestDeathsWhileLoadingPutNothingOff: whose load has come to its end with one
// worker after the other is loaded again with the next question, not a second
// later.
func TestDeathsWhileLoadingPutNothingOff(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.living()[0].Kill()
		time.Sleep(10 * time.Second)
		h.world.with(func() { h.world.loadEnds["a"] = EndKilled })
		r := h.ask(g, 1)
		time.Sleep(3 * lastRest)
		synctest.Wait()
		if got := r.faults(); len(got) != 1 || got[0] != policy.FaultNotLoaded {
			t.Fatalf("answers %v", got)
		}
		h.world.with(func() { delete(h.world.loadEnds, "a") })
		asked := time.Now()
		r = h.ask(g, 1)
		time.Sleep(2 * lastRest)
		if got := r.all(); len(got) != 1 || got[0].fault != policy.FaultNone {
			t.Errorf("%v after %v", got, time.Since(asked))
		}
	})
}
