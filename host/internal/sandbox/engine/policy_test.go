package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// tiny is a policy of the usual size of work: it reads a field, counts in
// the connection's state, and extends.
func tiny() wasmtest.Module {
	state := uint32(wasmtest.Buffer + abi.EventStateOffset)
	return wasmtest.Guest(echo(wasmtest.Store32(state, wasmtest.Load32(wasmtest.Buffer+abi.EventAsksOffset)), wasmtest.Load32(wasmtest.Buffer+abi.EventGapMeanMsOffset)))
}

func TestDecideAllocatesNothing(t *testing.T) {
	p := loadGuest(t, tiny())
	q := at(abi.KindTimeout, 0)
	q.Gaps = &policy.Gaps{Generation: 1}
	p.Decide(q)
	if n := testing.AllocsPerRun(1000, func() {
		q.Event.NowMs += 10 // an audit now and then
		q.Event.Asks++
		if q.Event.Asks%8 == 0 {
			q.Gaps.Generation++
		}
		if _, fault := p.Decide(q); fault != policy.FaultNone {
			t.Fatal(fault)
		}
	}); n != 0 {
		t.Errorf("Decide allocates %v times", n)
	}
}

// TestSnapshotAllocatesNothing: copying learned state reuses the copy before.
func TestSnapshotAllocatesNothing(t *testing.T) {
	p := loadGuest(t, counter(1))
	q := at(abi.KindTimeout, 0)
	p.Decide(q)
	if n := testing.AllocsPerRun(1000, func() {
		q.Event.NowMs += 5000
		if _, fault := p.Decide(q); fault != policy.FaultNone {
			t.Fatal(fault)
		}
	}); n != 0 {
		t.Errorf("Decide allocates %v times", n)
	}
}

// BenchmarkDecide is one question to a tiny guest: event written, fuel given,
// hook called, verdict and state read.
func BenchmarkDecide(b *testing.B) {
	for _, gaps := range []bool{false, true} {
		b.Run(fmt.Sprintf("gaps=%t", gaps), func(b *testing.B) {
			p := load(b, newEngine(b, Config{FuelPerSecond: 1 << 40}), source(tiny().Bytes()))
			q := at(abi.KindTimeout, 0)
			if gaps {
				q.Gaps = new(policy.Gaps)
			}
			b.ReportAllocs()
			for b.Loop() {
				q.Event.Asks++
				if gaps {
					q.Gaps.Generation++ // written anew each time
				}
				if _, fault := p.Decide(q); fault != policy.FaultNone {
					b.Fatal(fault)
				}
			}
			b.ReportMetric(float64(p.Stats().FuelLast[abi.KindTimeout]), "fuel/op")
		})
	}
}

// BenchmarkLoad is what another policy of known bytes costs.
func BenchmarkLoad(b *testing.B) {
	e := newEngine(b, Config{})
	src := source(tiny().Bytes())
	keep := load(b, e, src)
	b.ReportAllocs()
	for b.Loop() {
		if err := load(b, e, src).Close(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(keep)
}

// TestHammerDecide asks from many goroutines while others look, replace the
// state and close, with a guest that traps every 13th time.
func TestHammerDecide(t *testing.T) {
	e := newEngine(t, Config{Log: func(string, int, string) {}})
	p := load(t, e, source(counter(3).Bytes()))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 400 {
				q := at(abi.KindTimeout, uint64(i)*700)
				q.Event.Asks = uint32(i+g) % 14
				v, fault := p.Decide(q)
				switch {
				case fault == policy.FaultNone && v.Action != abi.ActionExtend:
					t.Errorf("no fault, and the action %v", v.Action)
				case fault == policy.FaultTrap && q.Event.Asks != 13:
					t.Errorf("question %d trapped", q.Event.Asks)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				if s := p.State(); s.Bytes != nil && len(s.Bytes) != 8 {
					t.Errorf("state of %d bytes", len(s.Bytes))
				}
				p.Stats()
				_ = p.Err()
				other, err := e.Load(context.Background(), source(counter(3).Bytes()))
				if err != nil {
					t.Error(err)
					return
				}
				if err := other.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Faults[policy.FaultTrap] == 0 || s.Calls == 0 {
		t.Errorf("stats are %+v, want calls and traps", s)
	}
}

// TestHammerClose: questions that race with Close are answered or not, and
// end either way.
func TestHammerClose(t *testing.T) {
	for range 20 {
		e, err := New(context.Background(), Config{Wait: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		p := load(t, e, source(tiny().Bytes()))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					switch _, fault := p.Decide(at(abi.KindTimeout, 0)); fault {
					case policy.FaultNone:
					case policy.FaultNotLoaded:
						return
					default:
						t.Errorf("fault %v", fault)
						return
					}
				}
			})
		}
		wg.Go(func() {
			if _, err := e.Load(context.Background(), source(tiny().Bytes())); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if _, fault := p.Decide(at(0, 0)); fault != policy.FaultNotLoaded {
			t.Errorf("after close: %v", fault)
		}
	}
}

// TestLoadAndCloseLeakNothing: no goroutine, descriptor, or memory to speak of.
func TestLoadAndCloseLeakNothing(t *testing.T) {
	e := newEngine(t, Config{})
	wasm := tiny().Bytes()
	cycle := func(n int) {
		for range n {
			p := load(t, e, Source{Name: "guest", Wasm: wasm})
			p.Decide(at(abi.KindTimeout, 0))
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cycle(50)
	goroutines, files, heap := runtime.NumGoroutine(), openFiles(), liveHeap()
	cycle(1000)
	if len(e.policies) != 0 {
		t.Errorf("%d policies are left", len(e.policies))
	}
	if n := openFiles(); n > files {
		t.Errorf("descriptors went from %d to %d", files, n)
	}
	// 1000 leaked instances would be 64 MiB of guest memory alone.
	if n := liveHeap(); n > heap+8<<20 {
		t.Errorf("live heap went from %d to %d bytes", heap, n)
	}
	testnet.Eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// openFiles counts descriptors where the system tells, else 0.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // the first runs finalizers that free the rest
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
