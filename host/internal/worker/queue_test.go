package worker

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// TestNobodyHasASecondTurnBeforeAll, where a batch has no room for all, in time or
// in number.
func TestNobodyHasASecondTurnBeforeAll(t *testing.T) {
	for _, tc := range []struct {
		tenants, perBatch int
		cost              time.Duration
	}{
		{100, int(batchTime / tenantShare), tenantShare},
		{3 * batchSize, batchSize, time.Microsecond},
	} {
		var q queue
		for i := range tc.tenants {
			g := &Guest{tenant: strconv.Itoa(i), window: window{average: tc.cost}}
			for range 1000 {
				q.push(&question{guest: g})
			}
		}
		batches := tc.tenants / tc.perBatch
		seen := map[string]bool{}
		for range batches {
			for _, x := range q.take(nil, batchSize) {
				seen[x.guest.tenant] = true
			}
		}
		if len(seen) != tc.tenants {
			t.Errorf("%d of %d tenants had a turn in %d batches of %d tenants", len(seen), tc.tenants, batches, tc.perBatch)
		}
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
