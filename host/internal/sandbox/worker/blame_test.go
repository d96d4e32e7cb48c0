package worker

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// count is how many workers are for one suspect each.
func (h *house) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.cells)
}

// refuses reports whether a guest's breaker is open.
func (h *house) refuses(g *Guest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return g.record.breakerOpen()
}

// TestOneEndingIsNoProof: who was at work by chance is asked again, has no fault,
// is set apart, and comes back.
func TestOneEndingIsNoProof(t *testing.T) {
	for _, why := range []Ending{EndQuestion, EndCrash} {
		inBubble(t, func(t *testing.T, h *house) {
			g := h.guest("a", Options{}, nil)
			h.world.with(func() { h.world.ends["a"], h.world.once = why, true })
			r := h.ask(g, 3)
			time.Sleep(time.Second)
			if got := r.faults(); len(got) != 3 || slices.ContainsFunc(got, func(f policy.Fault) bool { return f != policy.FaultNone }) || g.Err() != nil {
				t.Errorf("%v: answers %v, error %v", why, got, g.Err())
			}
			if g.Kind() != Suspects {
				t.Errorf("%v: it is in %v", why, g.Kind())
			}
			time.Sleep(term + 2*keepTick)
			if g.Kind() != Shared || h.count() != 0 {
				t.Errorf("%v: after its term it is in %v, %d workers are for one each", why, g.Kind(), h.count())
			}
			if got := h.heard.endings(); !slices.Equal(got, []string{"shared " + why.String() + " a"}) {
				t.Errorf("told %q", got)
			}
		})
	}
}

// TestSpoilersAreApart: whose workers end is not in the way of other suspects, as
// far as there are workers for one each; who has none of those is proven to do it
// by the third.
func TestSpoilersAreApart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var bad []*Guest
		for i := range mostCells + 3 {
			name := strconv.Itoa(i)
			bad = append(bad, h.guest(name, Options{}, nil))
			h.world.with(func() { h.world.ends[name] = EndCrash })
		}
		for _, g := range bad {
			h.ask(g, 1)
			time.Sleep(5 * time.Second)
		}
		if h.count() > mostCells {
			t.Errorf("%d workers are for one each", h.count())
		}
		proven := 0
		for _, e := range h.heard.endings() {
			if len(e) > 8 && e[len(e)-6:] == "proven" {
				proven++
			}
		}
		if proven < len(bad) {
			t.Errorf("%d of %d are proven: %q", proven, len(bad), h.heard.endings())
		}
		for _, g := range bad {
			g.Close()
		}
		time.Sleep(linger + time.Second)
		if n := h.world.left(); n > 0 || h.count() > 0 {
			t.Errorf("%d processes go on, %d workers; %+v", n, h.count(), h.Look())
		}
	})
}

// TestKernelTimeIsNoProof: a question that the kernel was at for most of its time
// is not held against a guest, but for a third in a row.
func TestKernelTimeIsNoProof(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.ends["a"], h.world.system = EndQuestion, time.Second })
		r := h.ask(g, 1)
		time.Sleep(time.Second)
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNotLoaded}) || h.refuses(g) {
			t.Errorf("answers %v, breaker open: %v", got, h.refuses(g))
		}
		h.ask(g, 1)
		time.Sleep(time.Second)
		if !h.refuses(g) {
			t.Errorf("it may go on: %q", h.heard.endings())
		}
	})
}

// TestAnotherDigestIsNoCleanRecord: a tenant of which two policies have ended
// workers has the next begin among the suspects, until an hour has passed.
func TestAnotherDigestIsNoCleanRecord(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.world.with(func() { h.world.ends["bad"] = EndCrash })
		kinds := func(name string) Kind {
			g, err := h.version("bad", name, Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			kind := g.Kind()
			h.ask(g, 1)
			time.Sleep(time.Second)
			g.Close()
			return kind
		}
		if k := kinds("first"); k != Shared {
			t.Errorf("the first begins in %v", k)
		}
		for _, name := range []string{"second", "third"} {
			if k := kinds(name); k != Suspects {
				t.Errorf("the %s begins in %v", name, k)
			}
		}
		if other := h.guest("good", Options{}, nil); other.Kind() != Shared {
			t.Errorf("another tenant begins in %v", other.Kind())
		}
		time.Sleep((mostHeld-distrust)*forgiven + forgiven)
		if k := kinds("late"); k != Shared {
			t.Errorf("hours later one begins in %v", k)
		}
	})
}

// TestTermsAreForgiven, one for each hour after the last.
func TestTermsAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		for _, want := range []time.Duration{term, 2 * term, 4 * term} {
			r.accuse()
			if d := time.Until(r.suspect); d != want {
				t.Errorf("a term of %v, want %v", d, want)
			}
			time.Sleep(want)
		}
		time.Sleep(2 * forgiven)
		r.accuse()
		if d := time.Until(r.suspect); d != 2*term {
			t.Errorf("two hours later a term of %v", d)
		}
	})
}
