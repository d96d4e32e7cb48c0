package worker

import (
	"strconv"
	"testing"
	"time"
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
