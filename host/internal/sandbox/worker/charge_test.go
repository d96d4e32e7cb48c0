package worker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/sandbox/worker/child"
)

// noCompiler says that there is code.
type noCompiler string

func (c noCompiler) Dir() string { return string(c) }
func (noCompiler) Compile(context.Context, string, []byte, uint64) (func(), time.Duration, error) {
	return func() {}, 0, nil
}

// TestLoadIsPaidAlsoIfItFails: what a worker took for a start function that fails,
// or that the watchdog ended (twice: once is no proof), the owner pays.
func TestLoadIsPaidAlsoIfItFails(t *testing.T) {
	fails := &engine.FaultError{Step: "start", Fault: policy.FaultTrap, Err: errors.New("unreachable")}
	wasm := wasmtest.Guest().Bytes()
	for name, set := range map[string]struct {
		err  error
		ends Ending
		want time.Duration
	}{
		"it is loaded":                  {want: time.Millisecond},
		"its start function fails":      {err: fails, want: time.Millisecond},
		"its start function has no end": {ends: EndLoad, want: 2 * child.LeastStart},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := engine.New(t.Context(), engine.Config{Compiler: noCompiler(t.TempDir())})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			w := newWorld()
			w.loadErr[""], w.loadEnds[""] = set.err, set.ends
			p := New(Config{Engine: e, Start: w.start, Shared: 1})
			defer p.Close()
			var mu sync.Mutex // guards the following
			var charged []time.Duration
			quota := engine.NewQuota(engine.QuotaConfig{Charged: func(cpu time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				charged = append(charged, cpu)
			}})
			src := engine.Source{Wasm: wasm, Quota: quota}
			if _, err := p.Load(t.Context(), src, Options{}); (err == nil) != (set.want == time.Millisecond && set.err == nil) {
				t.Errorf("it came to %v", err)
			}
			mu.Lock()
			if !slices.Contains(charged, set.want) { // beside what the host has taken, and the end of a worker
				t.Errorf("a load was charged with %v, want %v among it", charged, set.want)
			}
			mu.Unlock()
			before := quota.Spent()
			err = e.Do(t.Context(), src, func(j *engine.Job) error {
				_, err := p.LoadIn(t.Context(), j, src, Options{Trial: true})
				return err
			})
			if took := quota.Spent() - before; took < set.want {
				t.Errorf("a check was charged with %v (%v), want %v at least", took, err, set.want)
			}
		})
	}
}

// TestLoadInWaitsWithoutATurn: others load and check while a check waits for a
// worker, which may take seconds to be there.
func TestLoadInWaitsWithoutATurn(t *testing.T) {
	e, err := engine.New(t.Context(), engine.Config{Compiler: noCompiler(t.TempDir()), Turns: fair.New(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w := newWorld()
	starting, start := make(chan struct{}), make(chan struct{})
	p := New(Config{Engine: e, Shared: 1, Start: func(ctx context.Context, say Says) (Process, error) {
		starting <- struct{}{}
		<-start
		return w.start(ctx, say)
	}})
	defer p.Close()
	src := engine.Source{Wasm: wasmtest.Guest().Bytes()}
	loaded := make(chan error)
	go func() {
		loaded <- e.Do(t.Context(), src, func(j *engine.Job) error {
			_, err := p.LoadIn(t.Context(), j, src, Options{Trial: true})
			return err
		})
	}()
	<-starting
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := e.Do(ctx, src, func(*engine.Job) error { return nil }); err != nil {
		t.Errorf("another job: %v", err)
	}
	go func() { <-starting }() // the spare
	close(start)
	if err := <-loaded; err != nil {
		t.Error(err)
	}
}

// TestEndsArePaid by who seems to have brought them about: the start of the next
// worker, and the loads of all that it has taken along.
func TestEndsArePaid(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		quota, other := engine.NewQuota(engine.QuotaConfig{}), engine.NewQuota(engine.QuotaConfig{})
		var good []*Guest
		for i := range 20 {
			good = append(good, h.guest(strconv.Itoa(i), Options{}, other))
		}
		bad := h.guest("bad", Options{}, quota)
		before := other.Spent()
		h.world.with(func() { h.world.ends["bad"] = EndQuestion })
		h.ask(bad, 1)
		synctest.Wait()
		for _, g := range good {
			h.ask(g, 2)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := quota.Spent(), 2*startTime+20*time.Millisecond; got != want {
			t.Errorf("two ends and 20 loads were charged with %v, want %v", got, want)
		}
		if got := quota.CPUSpent(); got != 2*child.Patience+time.Millisecond || h.heard.cpu["bad"] != got {
			t.Errorf("two questions without an end, and a load in between, were charged with %v, told of %v", got, h.heard.cpu["bad"])
		}
		if other.Spent() != before {
			t.Errorf("the neighbours were charged with %v", other.Spent()-before)
		}
	})
}

// TestLoadsOfSuspectsAreInTheirTenth, and one that has used up its quota has none.
func TestLoadsOfSuspectsAreInTheirTenth(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		quota := engine.NewQuota(engine.QuotaConfig{CPUPerSecond: time.Hour})
		g := h.guest("slow", Options{}, quota)
		h.world.with(func() { h.world.cost["slow"] = 2 * time.Millisecond })
		h.ask(g, windowLeast)
		time.Sleep(time.Second)
		if g.Kind() != Suspects {
			t.Fatal("it is no suspect")
		}
		const took = 300 * time.Millisecond // a worker that ends rests for as long as 500 ms
		h.world.with(func() { h.world.loadTime["slow"] = took })
		loads, paid, began := g.Stats().Loads, quota.CPUSpent(), time.Now()
		for time.Since(began) < 10*time.Second {
			for _, f := range h.world.living() {
				f.Kill()
			}
			for r := h.ask(g, 1); len(r.all()) == 0; {
				time.Sleep(10 * time.Millisecond)
			}
		}
		n := g.Stats().Loads - loads
		if most := time.Duration(runtime.GOMAXPROCS(0)) * time.Second; n < 2 || time.Duration(n-2)*took > most {
			t.Errorf("%d loads of %v in 10 s, want a tenth of %d processors", n, took, runtime.GOMAXPROCS(0))
		}
		if got := quota.CPUSpent() - paid; got < time.Duration(n)*took {
			t.Errorf("%d loads of %v were paid with %v", n, took, got)
		}
		h.world.with(func() { h.world.loadTime["slow"] = 0 })
		time.Sleep(5 * time.Second)
		quota.SetCPUPerSecond(time.Millisecond)
		quota.Asked(0, time.Minute)
		for _, f := range h.world.living() {
			f.Kill()
		}
		synctest.Wait()
		loads = g.Stats().Loads
		r := h.ask(g, 1)
		time.Sleep(time.Second)
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultRate}) || g.Stats().Loads != loads {
			t.Errorf("a question beyond the quota: %v, with %d loads", got, g.Stats().Loads-loads)
		}
	})
}
