package worker

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// TestNobodyWaitsForMoreThanABatchTime of others, from its first question on: where
// all of many tenants have questions without end, whatever those take. A question
// each is asked of them, though, and a batch is as long as it is.
func TestNobodyWaitsForMoreThanABatchTime(t *testing.T) {
	for _, tenants := range []int{1, 2, 100, 3 * batchSize, 2000} {
		for _, cost := range []time.Duration{time.Microsecond / 10, time.Microsecond, 30 * time.Microsecond, tenantShare} {
			q, waited := crowdedQueue(tenants, cost), map[string]time.Duration{}
			others := time.Duration(tenants) * (cost + besideCost)
			bound := max(batchTime, others) + batchTime + batchSize*besideCost
			for round := 3 * tenants; round > 0; {
				batch := q.take(nil, batchSize)
				for _, x := range batch {
					delete(waited, x.guest.tenant)
				}
				for _, l := range q.turns {
					waited[l.tenant] += time.Duration(len(batch)) * (cost + besideCost)
				}
				for tenant, d := range waited {
					if d > bound {
						t.Fatalf("%d tenants of %v: %s has waited for %v, of %v", tenants, cost, tenant, d, bound)
					}
				}
				round -= len(batch)
			}
		}
	}
}

func crowdedQueue(tenants int, cost time.Duration) *queue {
	q := new(queue)
	for i := range tenants {
		x := &question{guest: &Guest{tenant: strconv.Itoa(i), window: window{average: cost}}}
		for range 300 {
			q.push(x)
		}
	}
	return q
}

// TestTurnsOfManyAreLong: a change of the guest takes as much as a small question.
func TestTurnsOfManyAreLong(t *testing.T) {
	q := crowdedQueue(100, time.Microsecond/2)
	runs, last := 0, ""
	for _, x := range q.take(nil, batchSize) {
		if x.guest.tenant != last {
			runs, last = runs+1, x.guest.tenant
		}
	}
	if most := batchSize / 10; runs > most {
		t.Errorf("%d questions are of %d turns, want at most %d", batchSize, runs, most)
	}
}

// TestPutOffIsNext: what a batch has no room for begins the next one, in order.
func TestPutOffIsNext(t *testing.T) {
	q := crowdedQueue(100, 30*time.Microsecond)
	n := q.n
	batch := q.take(nil, batchSize)
	off := slices.Clone(batch[len(batch)/2:])
	q.putOff(off)
	next := q.take(nil, batchSize)
	if !slices.Equal(next[:len(off)], off) {
		t.Error("the next batch begins with something else")
	}
	if left := n - len(batch)/2 - len(next); q.n != left {
		t.Errorf("%d questions wait, want %d", q.n, left)
	}
}

// TestQuestionsAreBounded: clients that come and go faster than a guest answers
// do not fill the memory, and their tenant is asked again once it has caught up.
func TestQuestionsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.cost["a"] = time.Hour })
		h.ask(g, mostOpen)
		over := h.ask(g, 2)
		synctest.Wait()
		if got := over.faults(); len(got) != 2 || got[0] != policy.FaultBusy {
			t.Errorf("above the bound: %v", got)
		}
		h.world.with(func() { h.world.cost["a"] = 0 })
		time.Sleep(300 * time.Hour)
		last := h.ask(g, 1)
		time.Sleep(time.Second)
		if got := last.faults(); len(got) != 1 || got[0] != policy.FaultNone {
			t.Errorf("later: %v", got)
		}
	})
}
