package fair

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is a queue whose turns are noted as they begin.
type line struct {
	*Queue
	t *testing.T

	mu    sync.Mutex // guards the following
	begun []string
}

// work has an owner want turns that cost so much each, one after the other.
func (l *line) work(ctx context.Context, owner string, turns int, about, cost time.Duration) {
	turn, err := l.Enter(ctx, owner, about)
	for n := range turns {
		if n > 0 {
			turn, err = turn.Pass(ctx, cost)
		}
		if err != nil {
			l.t.Errorf("Pass of %s: %v, want a turn", owner, err)
			return
		}
		l.mu.Lock()
		l.begun = append(l.begun, owner)
		l.mu.Unlock()
		time.Sleep(cost)
	}
	turn.Leave(cost)
}

func (l *line) order() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.begun, " ")
}

// TestNewcomerGoesBeforeThoseThatHadMuch: four owners want turn after turn of
// two seconds. A fifth, which comes in the middle of one, has the next.
func TestNewcomerGoesBeforeThoseThatHadMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{Queue: New(1), t: t}
		var wg sync.WaitGroup
		for _, owner := range []string{"a", "b", "c", "d"} {
			wg.Go(func() { l.work(t.Context(), owner, 3, 0, 2*time.Second) })
			synctest.Wait()
		}
		time.Sleep(11 * time.Second) // in the middle of the sixth turn
		began := time.Now()
		wg.Go(func() { l.work(t.Context(), "new", 1, 0, time.Millisecond) })
		wg.Wait()
		if want := "a b c d a b new c d a b c d"; l.order() != want {
			t.Errorf("order %s\nwant  %s", l.order(), want)
		}
		if took := time.Since(began); took != 13*time.Second+time.Millisecond {
			t.Errorf("all took %v", took)
		}
	})
}

// TestShortTurnsGoBeforeLongOnes of owners that have had nothing yet.
func TestShortTurnsGoBeforeLongOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{Queue: New(1), t: t}
		var wg sync.WaitGroup
		for _, owner := range []string{"a", "b", "c"} {
			wg.Go(func() { l.work(t.Context(), owner, 1, 2*time.Second, 2*time.Second) })
			synctest.Wait()
		}
		wg.Go(func() { l.work(t.Context(), "small", 1, time.Millisecond, time.Millisecond) })
		wg.Wait()
		if want := "a small b c"; l.order() != want {
			t.Errorf("order %s, want %s", l.order(), want)
		}
	})
}

// TestLongTurnIsNotPutOffForever: it comes once the owner of the short ones has
// had as much.
func TestLongTurnIsNotPutOffForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{Queue: New(1), t: t}
		var wg sync.WaitGroup
		wg.Go(func() { l.work(t.Context(), "short", 10, 100*time.Millisecond, 100*time.Millisecond) })
		synctest.Wait()
		wg.Go(func() { l.work(t.Context(), "long", 1, 450*time.Millisecond, 450*time.Millisecond) })
		wg.Wait()
		if want := "short short short short long short short short short short short"; l.order() != want {
			t.Errorf("order %s\nwant  %s", l.order(), want)
		}
	})
}

// TestSharesAreEqual, by what turns cost, not by their number.
func TestSharesAreEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{Queue: New(1), t: t}
		ctx, stop := context.WithCancel(t.Context())
		had := map[string]time.Duration{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for owner, cost := range map[string]time.Duration{"small": time.Millisecond, "middle": 7 * time.Millisecond, "large": 50 * time.Millisecond} {
			wg.Go(func() {
				for turn, err := l.Enter(ctx, owner, 0); err == nil; turn, err = turn.Pass(ctx, cost) {
					time.Sleep(cost)
					mu.Lock()
					had[owner] += cost
					mu.Unlock()
				}
			})
		}
		time.Sleep(30 * time.Second)
		stop()
		wg.Wait()
		for owner, d := range had {
			if d < 10*time.Second-50*time.Millisecond || d > 10*time.Second+100*time.Millisecond {
				t.Errorf("%s had %v of 30 s", owner, d)
			}
		}
	})
}

// TestOwnerHasOneTurnAtATime, also where places are free.
func TestOwnerHasOneTurnAtATime(t *testing.T) {
	q := New(3)
	first, ok := q.TryEnter("a", 0)
	if !ok {
		t.Fatal("no turn in an empty queue")
	}
	if _, ok := q.TryEnter("a", 0); ok {
		t.Error("two turns at once")
	}
	other, ok := q.TryEnter("b", 0)
	if !ok {
		t.Error("another owner has none")
	}
	if n := q.Running(); n != 2 {
		t.Errorf("%d turns", n)
	}
	first.Leave(1)
	first.Leave(1) // does no harm
	again, ok := q.TryEnter("a", 0)
	if !ok {
		t.Error("no turn after the first has ended")
	}
	again.Leave(0)
	other.Leave(0)
	if len(q.taken) != 0 || len(q.owners) != 0 || q.now != 0 {
		t.Errorf("%d turns, %d owners, clock %v are left", len(q.taken), len(q.owners), q.now)
	}
}

// TestOperatorWaitsForNobodyElse, though not for no one.
func TestOperatorWaitsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1)
		tenants, _ := q.TryEnter("a", 0)
		go func() {
			turn, err := q.Enter(t.Context(), "b", 0)
			if err == nil {
				turn.Leave(0)
			}
		}()
		synctest.Wait()
		first, ok := q.TryEnter(Operator, 0)
		if !ok {
			t.Fatal("the operator waits for a tenant")
		}
		if _, ok := q.TryEnter(Operator, 0); ok {
			t.Error("the operator has more turns than places")
		}
		first.Leave(time.Hour)
		second, ok := q.TryEnter(Operator, 0)
		if !ok {
			t.Error("the place was not given back")
		}
		second.Leave(0)
		tenants.Leave(0)
	})
}

// TestWhoGivesUpIsForgotten, whether it is the first of its owner or not.
func TestWhoGivesUpIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, owner := range []string{"a", "b", Operator} {
			q := New(1)
			a, _ := q.TryEnter("a", 0)
			o, _ := q.TryEnter(Operator, 0)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if _, err := q.Enter(ctx, owner, 0); !errors.Is(err, context.Canceled) {
						t.Errorf("Enter of %q: %v, want context.Canceled", owner, err)
					}
				})
			}
			synctest.Wait()
			if n := q.Waiting(); n == 0 && owner != "a" {
				t.Errorf("%q: nobody waits", owner)
			}
			cancel()
			wg.Wait()
			if n := q.Waiting(); n != 0 {
				t.Errorf("%q: %d wait", owner, n)
			}
			a.Leave(0)
			o.Leave(0)
			if _, ok := q.TryEnter("c", 0); !ok {
				t.Errorf("%q: the place was not given back", owner)
			}
		}
	})
	q := New(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Enter(ctx, "a", 0); !errors.Is(err, context.Canceled) || len(q.owners) != 0 {
		t.Errorf("%v, %d owners", err, len(q.owners))
	}
}

// TestOwnersAreForgotten while the queue is never empty.
func TestOwnersAreForgotten(t *testing.T) {
	q := New(2)
	last, _ := q.TryEnter("first", 0)
	for n := range 100_000 {
		turn, ok := q.TryEnter(fmt.Sprint(n), 0)
		if !ok {
			t.Fatal("no turn")
		}
		turn.Leave(time.Millisecond)
		last.Leave(time.Millisecond)
		if last, ok = q.TryEnter(fmt.Sprint("x", n), 0); !ok {
			t.Fatal("no turn")
		}
		if len(q.owners) > 4*leastSweep {
			t.Fatalf("%d owners are remembered", len(q.owners))
		}
	}
	last.Leave(0)
}

func TestNoQueueBoundsNothing(t *testing.T) {
	var q *Queue
	turn, err := q.Enter(t.Context(), "a", 0)
	if err != nil {
		t.Error(err)
	}
	if turn, err = turn.Pass(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
	turn.Leave(time.Second)
	if turn, ok := q.TryEnter("a", 0); turn != nil || !ok || q.Waiting()+q.Running() != 0 {
		t.Error("somebody waits for a queue that is none")
	}
}

// TestHammer has owners come, give up and leave, and counts who has a turn.
func TestHammer(t *testing.T) {
	const places = 3
	q := New(places)
	var mu sync.Mutex
	running, turns := map[string]int{}, 0
	count := func(owner string, n int) {
		mu.Lock()
		defer mu.Unlock()
		running[owner] += n
		turns += max(n, 0)
		tenants := 0
		for name, has := range running {
			if name != Operator {
				tenants += has
			}
			if name != Operator && has > 1 || has > places {
				t.Errorf("%q has %d turns", name, has)
			}
		}
		if tenants > places {
			t.Errorf("%d turns in %d places", tenants, places)
		}
	}
	var wg sync.WaitGroup
	for n := range 24 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 7))
			for range 400 {
				owner := []string{Operator, "a", "b", "c", "d", "e", "f"}[rng.IntN(7)]
				ctx, cancel := context.WithCancel(t.Context())
				if rng.IntN(3) == 0 {
					go cancel()
				}
				turn, err := q.Enter(ctx, owner, time.Duration(rng.IntN(3)))
				for ; err == nil && rng.IntN(2) == 0; turn, err = turn.Pass(ctx, time.Duration(rng.IntN(1000))) {
					count(owner, 1)
					count(owner, -1)
				}
				if err == nil {
					count(owner, 1)
					count(owner, -1)
					turn.Leave(time.Duration(rng.IntN(1000)))
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if turns == 0 || len(q.taken) != 0 || q.operatorTaken != 0 || q.Waiting() != 0 || len(q.owners) != 0 {
		t.Errorf("%d turns; left: %d, %d of the operator, %d that wait, %d owners", turns, len(q.taken), q.operatorTaken, q.Waiting(), len(q.owners))
	}
}

// FuzzQueue plays what it is told, and has every turn end: nothing is lost, and
// no place is left empty while somebody waits.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 64, 65, 128, 129, 192})
	f.Fuzz(func(t *testing.T, script []byte) {
		q := New(2)
		var open []*Turn
		for _, b := range script[:min(len(script), 200)] {
			switch n := int(b & 63); b >> 6 {
			case 0, 1:
				open = append(open, q.join(string(rune('a'+n%5)), time.Duration(n)))
			case 2:
				if len(open) > 0 {
					q.abandon(open[n%len(open)])
					open = slices.Delete(open, n%len(open), n%len(open)+1)
				}
			case 3:
				for i, turn := range open {
					if turn.hasBegun() {
						turn.Leave(time.Duration(n) * time.Millisecond)
						open = slices.Delete(open, i, i+1)
						break
					}
				}
			}
			if len(q.taken) < 2 && len(q.ready) > 0 {
				t.Fatalf("%d turns, and %d owners wait", len(q.taken), len(q.ready))
			}
		}
		for len(open) > 0 {
			i := slices.IndexFunc(open, (*Turn).hasBegun)
			if i < 0 {
				t.Fatalf("%d turns never begin", len(open))
			}
			open[i].Leave(1)
			open = slices.Delete(open, i, i+1)
		}
		if len(q.taken) != 0 || len(q.ready) != 0 || len(q.owners) != 0 {
			t.Errorf("%d turns, %d owners that wait, %d owners are left", len(q.taken), len(q.ready), len(q.owners))
		}
	})
}

func BenchmarkEnter(b *testing.B) {
	q := New(1)
	for b.Loop() {
		turn, _ := q.Enter(b.Context(), "a", 0)
		turn.Leave(1)
	}
}
