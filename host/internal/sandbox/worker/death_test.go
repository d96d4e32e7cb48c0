package worker

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// TestOrderOutlivesAWorker: what is asked again is asked in its order, also of a
// tenant that had another's questions between its own in the batch.
func TestOrderOutlivesAWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.cfg.Start = func(ctx context.Context, say Says) (Process, error) {
			h.world.with(func() { delete(h.world.ends, "b") })
			return h.world.start(ctx, say)
		}
		a, b, slow := h.guest("a", Options{}, nil), h.guest("b", Options{}, nil), h.guest("slow", Options{}, nil)
		h.ask(a, 64) // so that what it costs is known
		h.ask(b, 64)
		time.Sleep(time.Millisecond)
		h.world.with(func() { h.world.cost["slow"], h.world.batches = time.Millisecond, nil })
		h.ask(slow, 1)
		time.Sleep(time.Millisecond / 2) // its batch is out
		h.world.with(func() { h.world.ends["b"] = EndKilled })
		ra, rb := h.ask(a, 300), h.ask(b, 10)
		time.Sleep(time.Second)
		for _, r := range []*replies{ra, rb} {
			all := r.all()
			if !slices.IsSortedFunc(all, func(x, y reply) int { return int(x.conn) - int(y.conn) }) {
				t.Errorf("%d answers are out of order", len(all))
			}
		}
		if na, nb := len(ra.all()), len(rb.all()); na != 300 || nb != 10 {
			t.Errorf("%d of 300 and %d of 10 answers", na, nb)
		}
	})
}

// TestSpoilersDoNotPutOffTheRest: who has taken too long is out of the worker, so
// that the others need not wait until the next is started. Where workers fail, it
// may be something else.
func TestSpoilersDoNotPutOffTheRest(t *testing.T) {
	for why, waits := range map[Ending]bool{EndQuestion: false, EndCrash: true} {
		inBubble(t, func(t *testing.T, h *house) {
			good := h.guest("good", Options{}, nil)
			var bad []*Guest
			for i := range 8 {
				name := strconv.Itoa(i)
				h.world.with(func() { h.world.ends[name] = why })
				bad = append(bad, h.guest(name, Options{}, nil))
			}
			for _, g := range bad {
				h.ask(g, 1)
				time.Sleep(10 * time.Millisecond)
			}
			start := time.Now()
			r := h.ask(good, 1)
			time.Sleep(10 * time.Second)
			if took := r.all()[0].at.Sub(start); took > 20*time.Millisecond != waits {
				t.Errorf("%v: a neighbour waited for %v", why, took)
			}
		})
	}
}

// TestClosedWhileAsked: who is closed while a question of his is out is answered,
// also where the worker ends of it, and nobody else is there to start another.
func TestClosedWhileAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.cost["a"], h.world.ends["a"] = time.Millisecond, EndKilled })
		r := h.ask(g, 2)
		time.Sleep(time.Millisecond / 2)
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNotLoaded, policy.FaultNotLoaded}) {
			t.Errorf("answers %v", got)
		}
	})
}

// TestHangingWorkerIsWaitedForOnce: to fetch what a thousand guests have learned
// from a worker that does not answer takes no longer than of one; once it answers
// again, they are fetched.
func TestHangingWorkerIsWaitedForOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var guests []*Guest
		for i := range 1000 {
			guests = append(guests, h.guest(strconv.Itoa(i), Options{}, nil))
		}
		h.ask(guests[0], 3)
		synctest.Wait()
		h.world.with(func() { h.world.mute = true })
		start := time.Now()
		for _, g := range guests {
			g.Learned()
		}
		if took := time.Since(start); took != statePatience {
			t.Errorf("waited for %v", took)
		}
		h.world.with(func() { h.world.mute = false })
		time.Sleep(keepEvery)
		if got := guests[0].Learned().Bytes; len(got) == 0 || got[0] != 3 {
			t.Errorf("learned %v", got)
		}
	})
}

// TestKillsPutOffTheNextStart, for half a second at the longest: connections wait
// for that.
func TestKillsPutOffTheNextStart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.ends["a"] = EndKilled })
		for range 5 {
			h.ask(g, 1)
			time.Sleep(3 * lastRest)
		}
		h.ask(g, 1)
		time.Sleep(2 * lastRest) // the third end is just now
		synctest.Wait()
		h.world.with(func() { delete(h.world.ends, "a") })
		start := time.Now()
		r := h.ask(g, 1)
		time.Sleep(lastRest - 1)
		if len(r.all()) != 0 {
			t.Errorf("answered after %v", r.all()[0].at.Sub(start))
		}
		time.Sleep(1)
		synctest.Wait()
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) {
			t.Errorf("after %v: %v", lastRest, got)
		}
	})
}

// TestNobodyWaitsForAStoppedWorker that closes a guest or the pool.
func TestNobodyWaitsForAStoppedWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.guest("a", Options{}, nil), h.guest("b", Options{}, nil)
		h.world.with(func() { h.world.stopped, h.world.mute, h.world.ends["b"] = true, true, EndSilent })
		r := h.ask(b, 1)
		synctest.Wait()
		start := time.Now()
		if err := a.Close(); err != nil || time.Since(start) > 0 {
			t.Errorf("a guest is closed after %v: %v", time.Since(start), err)
		}
		if err := h.Close(); err != nil || time.Since(start) > 0 {
			t.Errorf("the pool is closed after %v: %v", time.Since(start), err)
		}
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNotLoaded}) || h.world.left() > 0 {
			t.Errorf("answers %v, %d processes", got, h.world.left())
		}
	})
}

// TestWantOfMemoryPutsOffTheNextStart, and is nobody's doing.
func TestWantOfMemoryPutsOffTheNextStart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		time.Sleep(time.Minute)
		h.world.with(func() { h.world.ends["a"], h.world.once = EndMemory, true })
		r, start := h.ask(g, 1), time.Now()
		time.Sleep(time.Minute)
		if got := r.all(); len(got) != 1 || got[0].fault != policy.FaultNone || got[0].at.Sub(start) != firstRest {
			t.Errorf("answers %+v, want one after %v", got, firstRest)
		}
		if got := h.heard.endings(); !slices.Equal(got, []string{"shared out_of_memory"}) || g.Kind() != Shared {
			t.Errorf("told %q, it is in %v", got, g.Kind())
		}
	})
}
