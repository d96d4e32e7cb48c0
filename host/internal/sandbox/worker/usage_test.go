package worker

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestLightTenantWaitsForOneBatch, not for a turn of each of many tenants whose
// questions take long, also where all become due at once.
func TestLightTenantWaitsForOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(queue)
		push := func(tenant string, cost time.Duration, n int) {
			g := &Guest{tenant: tenant, window: window{average: cost}}
			for range n {
				q.push(&question{guest: g})
			}
		}
		for range 10 { // everybody is known
			for i := range 24 {
				push(fmt.Sprint(i), 2*time.Millisecond, 1)
			}
			push("light", 2*time.Microsecond, 40)
			for q.n > 0 {
				answerBatch(q)
			}
			time.Sleep(100 * time.Millisecond)
		}
		for i := range 24 {
			push(fmt.Sprint(i), 2*time.Millisecond, 40)
		}
		answerBatch(q)
		push("light", 2*time.Microsecond, 1)
		if first := q.take(nil, batchSize)[0].guest.tenant; first != "light" {
			t.Errorf("the next batch begins with tenant %s", first)
		}
	})
}

// answerBatch has a batch answered, in the time that is expected.
func answerBatch(q *queue) {
	for _, x := range q.take(nil, batchSize) {
		q.use(x.guest.tenant, x.guest.cost(), time.Now())
	}
}

// TestTurnComesLaterOnceMuchIsTaken, also where it was given before.
func TestTurnComesLaterOnceMuchIsTaken(t *testing.T) {
	q := new(queue)
	for _, tenant := range []string{"a", "b", "c"} {
		q.push(&question{guest: &Guest{tenant: tenant}})
	}
	q.use("a", time.Millisecond, time.Now())
	q.use("b", time.Microsecond, time.Now())
	var order []string
	for _, x := range q.take(nil, batchSize) {
		order = append(order, x.guest.tenant)
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("turns are of %v, want %v", order, want)
	}
}

// TestUsageIsForgotten at usageRate, and mostUsage of it is kept.
func TestUsageIsForgotten(t *testing.T) {
	now := time.Unix(0, 0)
	u := usage{}.plus(time.Hour, now)
	for _, tt := range []struct{ after, want time.Duration }{
		{0, mostUsage},
		{time.Second, mostUsage - usageRate},
		{3 * time.Second, mostUsage - 3*usageRate},
		{4 * time.Second, 0},
		{time.Hour, 0},
	} {
		if left := u.at(now.Add(tt.after)); left != tt.want {
			t.Errorf("%v are left after %v, want %v", left, tt.after, tt.want)
		}
	}
}

// TestUsagesAreDropped: a worker does not remember tenants for ever.
func TestUsagesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(queue)
		for i := range 10 * usagesKept {
			q.push(&question{guest: &Guest{tenant: fmt.Sprint(i)}})
			answerBatch(q)
			time.Sleep(time.Second)
		}
		if n := len(q.usages); n > 2*usagesKept {
			t.Errorf("%d usages are kept, want %d at most", n, 2*usagesKept)
		}
	})
}
