package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/sdk/abi"
)

// trial returns n questions to a guest that is being checked, as of one connection.
func trial(n int) (qs []Question) {
	for i := range n {
		q := Question{Follows: i > 0}
		q.Event = policy.Event{Kind: uint8(abi.KindTimeout), Conn: uint64(i), NowMs: uint64(time.Now().UnixMilli())}
		qs = append(qs, q)
	}
	return qs
}

// TestQuestionsOfACheckGoTogether, to its end in few batches, and say what they took.
func TestQuestionsOfACheckGoTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{Trial: true}, nil)
		follow := 0
		h.world.with(func() {
			h.world.batches = nil
			h.world.answer = func(_ string, q *channel.Question, a *channel.Answer) {
				if a.Hook = 60; q.Follows {
					follow++
				}
			}
		})
		answers, err := g.AskAll(t.Context(), trial(300))
		if err != nil || len(answers) != 300 || follow != 299 {
			t.Fatalf("%d answers, %v; %d follow", len(answers), err, follow)
		}
		for i, a := range answers {
			if a.Fault != policy.FaultNone || a.Verdict.Deadline != time.Duration(i+1)*time.Millisecond || a.State[0] != 1 || a.Fuel != 100 || a.Hook != 60 {
				t.Fatalf("answer %d: %+v", i, a)
			}
		}
		if n := len(h.world.batches); n > 4 {
			t.Errorf("%d batches", n)
		}
	})
}

// TestCheckStopsWhereItsPolicyFails: what comes after is not asked.
func TestCheckStopsWhereItsPolicyFails(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{Trial: true}, nil)
		h.world.with(func() {
			h.world.answer = func(_ string, q *channel.Question, a *channel.Answer) {
				if a.Fault = policy.FaultNone; q.Event.Conn == 5 {
					a.Fault = policy.FaultTrap
				}
				if q.Event.Conn > 5 {
					a.Fault = policy.FaultBusy // as in a worker, while there is no instance
				}
			}
		})
		answers, err := g.AskAll(t.Context(), trial(300))
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			want := policy.FaultNone
			if i == 5 {
				want = policy.FaultTrap
			} else if i > 5 {
				want = policy.FaultBusy
			}
			if a.Fault != want {
				t.Fatalf("answer %d: %v, want %v", i, a.Fault, want)
			}
		}
	})
}

// TestCheckTellsWhoseDoingItsEndIs: the worker has ended, of the policy that is
// checked, which is not believed before the second time, or of another.
func TestCheckTellsWhoseDoingItsEndIs(t *testing.T) {
	for spoiler, second := range map[string]error{"a": ErrSpoiled, "b": nil} { // b is elsewhere then
		inBubble(t, func(t *testing.T, h *house) {
			h.world.with(func() {
				h.world.cost["a"], h.world.cost["b"] = time.Millisecond, time.Millisecond
				h.world.ends[spoiler] = EndQuestion
			})
			once := func(want error) {
				g, other := h.guest("a", Options{Trial: true}, nil), h.guest("b", Options{Trial: true}, nil)
				defer g.Close()
				defer other.Close()
				go other.AskAll(t.Context(), trial(1))
				synctest.Wait()
				answers, err := g.AskAll(t.Context(), trial(300))
				if !errors.Is(err, want) {
					t.Fatalf("%s ends it: %v, want %v", spoiler, err, want)
				}
				times := 0
				for _, a := range answers {
					if a.Fault == policy.FaultTime {
						times++
					} else if a.Fault != policy.FaultNotLoaded && a.Fault != policy.FaultNone {
						t.Errorf("%v", a.Fault)
					}
				}
				if times > 0 != (want == ErrSpoiled) || spoiler == "a" && g.Stats().CPU < startTime {
					t.Errorf("%s ends it: %d questions took too long, %v are to be paid", spoiler, times, g.Stats().CPU)
				}
			}
			once(ErrLost)
			once(second)
		})
	}
}

// TestWhoEndsATrialIsTriedApart: a tenant whose uploads end their worker, each of
// another digest, ends another's check once at most, for as long as that is held
// against it; and then its checks are where all are.
func TestWhoEndsATrialIsTriedApart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		good := h.guest("good", Options{Trial: true}, nil)
		kills := func() {
			bad := h.guest("bad", Options{Trial: true}, nil)
			defer bad.Close()
			h.world.with(func() { h.world.ends["bad"] = EndQuestion })
			if _, err := bad.AskAll(t.Context(), trial(1)); err == nil {
				t.Fatal("its worker has not ended")
			}
			h.world.with(func() { delete(h.world.ends, "bad") })
		}
		lost := func() bool {
			kills()
			_, err := good.AskAll(t.Context(), trial(300))
			if err != nil {
				t.Fatal(err)
			}
			return good.Stats().Loads > 1
		}
		kills()
		good.Close()
		good = h.guest("good", Options{Trial: true}, nil)
		for range 5 {
			if lost() {
				t.Fatal("another's check has lost its worker again")
			}
		}
		time.Sleep(term + forgiven)
		if !lost() {
			t.Error("it is tried apart for ever")
		}
	})
}

// TestCheckIsGivenUp at once.
func TestCheckIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{Trial: true}, nil)
		h.world.with(func() { h.world.cost["a"] = time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if _, err := g.AskAll(ctx, trial(300)); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 1500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if used := h.world.used(); used > 20*time.Second {
			t.Errorf("%v are used for a check that nobody waits for", used)
		}
	})
}
