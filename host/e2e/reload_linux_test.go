package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/sandbox/wasmtest"
)

// TestNeighbourOfLongLoads: workers end again and again, and with them the policies
// of tenants that take long to be loaded and are asked all the time. The neighbour,
// whose own is loaded quickly, has its connections closed when they are due.
func TestNeighbourOfLongLoads(t *testing.T) {
	const tenants = 12
	r := newAttackedHost(t)
	long := wasmtest.Guest(leasing(20*time.Millisecond), wasmtest.Hook("on_timeout", wasmtest.Const64(extendBy(20*time.Millisecond))),
		wasmtest.Func{Export: "_initialize", Locals: 1, Body: wasmtest.Countdown(0, 900_000)})
	for i := range tenants {
		name := fmt.Sprintf("long%d", i)
		r.create(t, name)
		if err := r.promote(t, name, long.Bytes(), nil); err != nil {
			t.Fatal(err)
		}
		traffic := &neighbour.Traffic{Addr: r.h.Addr, Host: name + ".example", Conns: 4, Stay: time.Hour}
		traffic.Start()
		defer traffic.Stop()
	}
	for n := 1; ; n++ {
		wrong := r.besideKills(t)
		if wrong == "" {
			return
		}
		if n == patience {
			t.Fatal(wrong)
		}
		t.Logf("once more: %s", wrong)
	}
}

// besideKills watches the neighbour while workers are killed, each after it has
// lived for long enough that the next is started at once, and says what it
// suffers; "": nothing.
func (r *attackedHost) besideKills(t *testing.T) string {
	calm := r.watch.For(t.Context(), 3*time.Second)
	watching := r.watch.Start()
	defer watching.Stop()
	kills, next := 0, time.Now()
	begin, end := next.Add(time.Second), next.Add(7*time.Second)
	hosttest.Until(t, "workers were killed for a while", func() bool {
		if now := time.Now(); now.After(next) {
			next = now.Add(1200 * time.Millisecond)
			signalWorkers(t, r.h, syscall.SIGKILL, true)
			kills++
		}
		return time.Now().After(end)
	})
	seen := watching.Between(begin, end)
	most := func(s neighbour.Seen) time.Duration { return neighbour.Quantile(s.Late, 1) }
	t.Logf("%d kills: %d connections closed, late by %v, %v, at most %v; before %v, %v, at most %v", kills, seen.Closed,
		neighbour.Quantile(seen.Late, 0.5), tail(seen.Late), most(seen), neighbour.Quantile(calm.Late, 0.5), tail(calm.Late), most(calm))
	if seen.Closed == 0 || seen.Failed > 0 || most(seen) > 3*most(calm)+200*time.Millisecond {
		return fmt.Sprintf("%d connections are closed, the last %v late (%v before), %d requests fail: %v", seen.Closed, most(seen), most(calm), seen.Failed, seen.Err)
	}
	return ""
}
