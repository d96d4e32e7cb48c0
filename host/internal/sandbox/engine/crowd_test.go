package engine

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// bundled returns one of the policies that come with the host.
func bundled(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../../../plugins/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// variant returns a module with the same code and another digest.
func variant(wasm []byte, n int) []byte {
	name := fmt.Sprintf("variant %d", n)
	section := append([]byte{0, byte(len(name) + 2), 1, 'v'}, name...)
	return append(append([]byte{}, wasm...), section...)
}

// crowd loads n policies of as many digests, from as many goroutines.
func crowd(t testing.TB, e *Engine, wasm []byte, n, digests, atOnce int) []*Policy {
	t.Helper()
	modules := make([][]byte, digests)
	for i := range modules {
		modules[i] = wasm
		if i > 0 {
			modules[i] = variant(wasm, i)
		}
	}
	ps := make([]*Policy, n)
	var wg sync.WaitGroup
	for g := range atOnce {
		wg.Go(func() {
			for i := g; i < n; i += atOnce {
				p, err := e.Load(t.Context(), source(modules[i%digests]))
				if err != nil {
					t.Error(err)
					return
				}
				ps[i] = p
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return ps
}

// settle gives back what is free, and returns the live heap and what is resident.
func settle() (heap, rss uint64) {
	heap = liveHeap()
	debug.FreeOSMemory()
	return heap, resident()
}

// ask asks each policy each kind of question, after which it has touched what
// memory it works with.
func ask(t testing.TB, ps []*Policy) {
	t.Helper()
	for i, p := range ps {
		for kind := range abi.KindClose + 1 {
			if _, fault := p.Decide(at(kind, uint64(i))); fault != policy.FaultNone {
				t.Fatal(fault)
			}
		}
	}
}

// TestCrowdIsSmall: a small policy costs what it touches, and little more.
func TestCrowdIsSmall(t *testing.T) {
	const n = 2000
	needFields(t)
	e := newEngine(t, Config{})
	wasm := bundled(t, "adaptive")
	ask(t, crowd(t, e, wasm, 16, 1, 4)) // trampolines, code, a field
	heap, rss := settle()
	ps := crowd(t, e, wasm, n, 10, 8)
	ask(t, ps)
	heap2, rss2 := settle()
	maps, _ := mappings()
	t.Logf("%d B of heap and %d B resident each, %d mappings", int(heap2-heap)/n, int(rss2-rss)/n, maps)
	if heap2 > heap+n*5000 {
		t.Errorf("%d bytes of heap each", (heap2-heap)/n)
	}
	if rss2 > rss+n*20_000 && !raceDetector {
		t.Errorf("%d bytes resident each", (rss2-rss)/n)
	}
	if maps > n/2 {
		t.Errorf("%d mappings", maps)
	}
}

// BenchmarkCrowd is 10,000 policies: what each takes to load and to have.

func BenchmarkCrowd(b *testing.B) {
	for _, name := range []string{"adaptive", "fixed"} {
		for _, digests := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/digests=%d", name, digests), func(b *testing.B) {
				const n = 10_000
				for b.Loop() {
					b.StopTimer()
					e := newEngine(b, Config{})
					wasm := bundled(b, name)
					heap, rss := settle()
					b.StartTimer()
					began := time.Now()
					ps := crowd(b, e, wasm, n, digests, 16)
					took := time.Since(began)
					b.StopTimer()
					during := resident()
					ask(b, ps)
					heap2, rss2 := settle()
					maps, _ := mappings()
					b.ReportMetric(float64(took.Microseconds())/n, "µs/load")
					b.ReportMetric(float64(heap2-heap)/n, "heapB/policy")
					b.ReportMetric(float64(during-rss)/n, "rssB/policy-unsettled")
					b.ReportMetric(float64(rss2-rss)/n, "rssB/policy")
					b.ReportMetric(float64(maps), "mappings")
					if err := e.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}
