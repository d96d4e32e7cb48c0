package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/fair"
)

// manualClock is a clock that moves when it is told to.
type manualClock struct{ at time.Duration }

func (h *manualClock) now() time.Duration { return h.at }

// timed returns an engine by whose clock nothing takes time of itself.
func timed(t testing.TB, cfg Config) (*Engine, *manualClock) {
	e, h := newEngine(t, cfg), new(manualClock)
	e.clock = h.now
	return e, h
}

// TestJobIsChargedToTheNanosecond: for what it does, for what is done elsewhere
// meanwhile, not for what it waits for, and though it fails.
func TestJobIsChargedToTheNanosecond(t *testing.T) {
	broken := errors.New("broken")
	for _, want := range []error{nil, broken} {
		e, clock := timed(t, Config{Turns: fair.New(1)})
		told := time.Duration(0)
		q := NewQuota(QuotaConfig{Owner: "a", Charged: func(cpu time.Duration) { told += cpu }})
		err := e.Do(t.Context(), owned(q, nil), func(j *Job) error {
			clock.at += 7
			if err := j.Without(func() {
				clock.at += time.Hour // of somebody else's
				j.remoteCPU += 11 * time.Millisecond
			}); err != nil {
				return err
			}
			clock.at += turnTime
			if err := j.Yield(); err != nil {
				return err
			}
			clock.at += 100
			if got := j.Used(); got != turnTime+107 {
				t.Errorf("used %v", got)
			}
			return want
		})
		if err != want {
			t.Error(err)
		}
		if got := q.Spent(); got != turnTime+107+11*time.Millisecond {
			t.Errorf("charged %v", got)
		}
		q.Charge(3)
		if told != q.Spent() {
			t.Errorf("told of %v, charged %v", told, q.Spent())
		}
	}
}

// TestNobodyIsCharged where there is no owner.
func TestNobodyIsCharged(t *testing.T) {
	e, clock := timed(t, Config{Turns: fair.New(1)})
	if err := e.Do(t.Context(), source(nil), func(*Job) error { clock.at += time.Hour; return nil }); err != nil {
		t.Error(err)
	}
	var none *Quota
	if none.Spent() != 0 || none.Left() != 0 {
		t.Error("nobody has spent something")
	}
}

// TestJobsOfOwnersTakeTurns: four owners have jobs of a hundred steps of 10 ms.
// A fifth, which comes when each has done some, is served before they go on, and
// the operator without waiting for anybody.
func TestJobsOfOwnersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := fair.New(1)
		e, clock := timed(t, Config{Turns: turns})
		start, _ := turns.TryEnter("start", 0)
		var mu sync.Mutex // of steps
		var steps []string
		var late sync.WaitGroup
		step := func(owner string, j *Job) error {
			clock.at += 10 * time.Millisecond
			mu.Lock()
			steps = append(steps, owner)
			n := len(steps)
			mu.Unlock()
			if n == 42 {
				late.Go(func() {
					if err := e.Do(t.Context(), owned(NewQuota(QuotaConfig{Owner: "late"}), nil), func(*Job) error {
						mu.Lock()
						defer mu.Unlock()
						steps = append(steps, "late")
						return nil
					}); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(1) // until it waits
				if err := e.Do(t.Context(), source(nil), func(*Job) error { return nil }); err != nil {
					t.Errorf("operator: %v", err)
				}
			}
			return j.Yield()
		}
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() {
				owner := fmt.Sprint(n)
				err := e.Do(t.Context(), owned(NewQuota(QuotaConfig{Owner: owner}), nil), func(j *Job) error {
					for range 100 {
						if err := step(owner, j); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("%s: %v", owner, err)
				}
			})
		}
		synctest.Wait()
		start.Leave(0)
		wg.Wait()
		late.Wait()
		if len(steps) != 401 || steps[42] != "late" {
			t.Fatalf("%d steps, those around the late one %q", len(steps), steps[38:48])
		}
		for n := 4; n < 400; n += 100 {
			count := map[string]int{}
			for _, owner := range steps[:n] {
				count[owner]++
			}
			for owner, c := range count {
				if owner != "late" && (c < n/4-1 || c > n/4+1) {
					t.Errorf("of the first %d steps, %s had %d", n, owner, c)
				}
			}
		}
	})
}

// TestCompilingLeavesTheTurnToOthers.
func TestCompilingLeavesTheTurnToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stuck{free: make(chan struct{})}
		e := newEngine(t, Config{Compiler: c, Turns: fair.New(1)})
		compiled := make(chan error)
		go func() {
			_, err := e.Load(t.Context(), owned(NewQuota(QuotaConfig{Owner: "a"}), tiny().Bytes()))
			compiled <- err
		}()
		synctest.Wait()
		if c.now != 1 {
			t.Fatal("nothing is being compiled")
		}
		same := make(chan error)
		go func() { // waits for that code, without a turn
			_, err := e.Load(t.Context(), owned(NewQuota(QuotaConfig{Owner: "b"}), tiny().Bytes()))
			same <- err
		}()
		synctest.Wait()
		if _, err := inspect(t, e, owned(NewQuota(QuotaConfig{Owner: "c"}), tiny().Bytes())); err != nil {
			t.Error(err)
		}
		close(c.free)
		if err := errors.Join(<-compiled, <-same); err != nil {
			t.Error(err)
		}
	})
}

// TestCancelledJobEndsAtItsNextStep, leaves its turn to others, and is paid for
// as far as it got; so does one that the engine's end meets.
func TestCancelledJobEndsAtItsNextStep(t *testing.T) {
	for what, cut := range map[string]func(cancel func(), e *Engine){
		"its caller": func(cancel func(), _ *Engine) { cancel() },
		"the engine": func(_ func(), e *Engine) { go e.Close() },
	} {
		turns := fair.New(1)
		e, clock := timed(t, Config{Turns: turns})
		q := NewQuota(QuotaConfig{Owner: "a"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		steps := 0
		err := e.Do(ctx, owned(q, nil), func(j *Job) error {
			for {
				steps++
				clock.at += time.Millisecond
				if steps == 3 {
					cut(cancel, e)
					<-j.ctx.Done()
				}
				if err := j.Yield(); err != nil {
					return fmt.Errorf("step %d: %w", steps, err)
				}
			}
		})
		if want := map[string]error{"its caller": context.Canceled, "the engine": ErrClosed}[what]; err != want {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if steps != 3 || q.Spent() != 3*time.Millisecond {
			t.Errorf("%s: %d steps, %v paid", what, steps, q.Spent())
		}
		turn, ok := turns.TryEnter("b", 0)
		if !ok {
			t.Errorf("%s: the turn is lost", what)
		}
		turn.Leave(0)
	}
}

// TestCancelledJobLeavesTheLines: that of its owner, and that of the owners.
func TestCancelledJobLeavesTheLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := fair.New(1)
		e := newEngine(t, Config{Turns: turns})
		other, _ := turns.TryEnter("other", 0)
		q := NewQuota(QuotaConfig{Owner: "a"})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := e.Load(ctx, owned(q, tiny().Bytes()))
				if !errors.Is(err, context.Canceled) || errors.As(err, new(*FaultError)) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if q.users != 3 || turns.Waiting() != 1 {
			t.Errorf("%d in the owner's line, %d wait for a turn", q.users, turns.Waiting())
		}
		cancel()
		wg.Wait()
		if q.users != 0 || turns.Waiting() != 0 || q.Spent() != 0 {
			t.Errorf("%d are left, and %d; %v paid for nothing", q.users, turns.Waiting(), q.Spent())
		}
		other.Leave(0)
		load(t, e, owned(q, tiny().Bytes()))
	})
}

// TestOverdrawnOwnerTakesNoTurn: it is refused before it waits.
func TestOverdrawnOwnerTakesNoTurn(t *testing.T) {
	turns := fair.New(1)
	e := newEngine(t, Config{Turns: turns})
	other, _ := turns.TryEnter("other", 0)
	defer other.Leave(0)
	q := NewQuota(QuotaConfig{})
	q.Charge(11 * time.Second)
	err := e.Do(t.Context(), owned(q, nil), func(*Job) error { t.Error("it runs"); return nil })
	wantRate(t, err)
}

// TestHammerJobs: jobs of owners and of the operator, of which some are given
// up, all end; each is charged what it took.
func TestHammerJobs(t *testing.T) {
	turns := fair.New(2)
	e := newEngine(t, Config{Turns: turns})
	var quotas []*Quota
	for n := range 4 {
		quotas = append(quotas, NewQuota(QuotaConfig{Owner: fmt.Sprint(n), LoadQueue: 100}))
	}
	quotas = append(quotas, nil)
	var wg sync.WaitGroup
	for g := range 10 {
		wg.Go(func() {
			for i := range 60 {
				ctx, cancel := context.WithCancel(t.Context())
				if (g+i)%4 == 0 {
					go cancel()
				}
				err := e.Do(ctx, owned(quotas[g%5], version(i%3).Wasm), func(j *Job) error {
					p, err := j.Load()
					if err != nil {
						return err
					}
					defer p.Close()
					for range 3 {
						if err := j.Yield(); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for n, q := range quotas[:4] {
		if q.users != 0 || len(q.loading) != 0 || q.Spent() <= 0 {
			t.Errorf("owner %d: %d jobs are left, %v paid", n, q.users, q.Spent())
		}
	}
	if turn, ok := turns.TryEnter("x", 0); !ok || turns.Waiting() != 0 {
		t.Error("turns are left")
	} else {
		turn.Leave(0)
	}
}
