package worker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
)

// TestEveryQuestionIsAnsweredOnce, whatever ends, moves and closes meanwhile.
func TestEveryQuestionIsAnsweredOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var guests []*Guest
		for i := range 40 {
			guests = append(guests, h.guest(fmt.Sprint(i), Options{Own: i == 7}, nil))
		}
		asked := map[uint64]int{}
		var all []*replies
		for range 400 {
			n := 1 + rand.N(20)
			for k := range n {
				asked[h.tail+1+uint64(k)] = 0
			}
			all = append(all, h.ask(guests[rand.N(len(guests))], n))
			tenant := fmt.Sprint(rand.N(len(guests)))
			h.world.with(func() {
				switch rand.N(8) {
				case 0:
					h.world.ends[tenant] = Ending(rand.N(int(EndSilent) + 1))
				case 1:
					h.world.cost[tenant] = rand.N(2 * time.Millisecond)
				default:
					h.world.ends[tenant] = EndStopped
				}
			})
			switch rand.N(20) {
			case 0:
				if l := h.world.living(); len(l) > 0 {
					l[rand.N(len(l))].Kill()
				}
			case 1:
				h.Isolate(tenant, rand.N(2) == 0)
			}
			time.Sleep(rand.N(20 * time.Millisecond))
		}
		h.world.with(func() { clear(h.world.ends) })
		time.Sleep(time.Hour)
		synctest.Wait()
		good := 0
		for _, r := range all {
			for _, x := range r.all() {
				asked[x.conn]++
				if x.fault == policy.FaultNone {
					good++
				}
			}
		}
		for conn, n := range asked {
			if n != 1 {
				t.Fatalf("question %d was answered %d times", conn, n)
			}
		}
		if good < len(asked)/4 {
			t.Errorf("%d of %d questions were answered by guests", good, len(asked))
		}
		for _, g := range guests {
			g.Close()
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, w := range h.workersLocked() {
			if w.queue.n != 0 || len(w.guests) != 0 {
				t.Errorf("worker %v is left with %d questions, %d guests", w.kind, w.queue.n, len(w.guests))
			}
		}
	})
}
