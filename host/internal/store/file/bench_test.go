package file

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// typical is a tenant of some 600 bytes.
func typical(i int) *store.Tenant {
	now := time.Unix(1_790_000_000, 0).UTC()
	digest := digestOf(fmt.Append(nil, i%100))
	t := &store.Tenant{Name: fmt.Sprintf("tenant-%05d", i), Created: now, Changed: now}
	t.Spec.Hosts = []string{t.Name + ".example"}
	t.Spec.Limits.Connections = 1000
	t.Versions = []store.Version{{Digest: digest, Name: "adaptive", Uploaded: now, By: "token:abcdefghij", Served: true}}
	t.Rollout = spec.Rollout{Active: &spec.Release{Digest: digest, Params: map[string]string{"min": "5s"}}, Since: now}
	return t
}

// populate creates tenants from many goroutines.
func populate(tb testing.TB, s *Store, n int) {
	tb.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				made := typical(i)
				if err := s.Create(context.Background(), made, store.Entry{Actor: "operator", Tenant: made.Name, Action: "tenant.create"}); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkUpdate(b *testing.B) {
	s := reopen(b, b.TempDir())
	defer s.Close()
	populate(b, s, 1000)
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		update(b, s, i)
	}
}

func update(b *testing.B, s *Store, i int) {
	name := fmt.Sprintf("tenant-%05d", 1+i%1000)
	_, err := s.Update(context.Background(), name, func(t *store.Tenant) (store.Entry, error) {
		t.Spec.Limits.Connections++
		return store.Entry{Tenant: name, Action: "x"}, nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkUpdateBy64(b *testing.B) {
	s := reopen(b, b.TempDir())
	defer s.Close()
	populate(b, s, 1000)
	var n atomic.Int64
	b.SetParallelism(32) // times processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			update(b, s, int(n.Add(1)))
		}
	})
}

func BenchmarkTenant(b *testing.B) {
	s := reopen(b, b.TempDir())
	defer s.Close()
	populate(b, s, 1000)
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.Tenant(context.Background(), "tenant-00500"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadWhileWriting is how long a reader waits while others write.
func BenchmarkReadWhileWriting(b *testing.B) {
	s := reopen(b, b.TempDir())
	defer s.Close()
	populate(b, s, 1000)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; ; i += 8 {
				select {
				case <-quit:
					return
				default:
					update(b, s, i)
				}
			}
		})
	}
	var worst time.Duration
	b.ResetTimer()
	for b.Loop() {
		began := time.Now()
		if _, err := s.Tenant(context.Background(), "tenant-00500"); err != nil {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-us")
	close(quit)
	wg.Wait()
}

// BenchmarkTenThousand makes a store of 10,000 tenants, opens it and reads them.
func BenchmarkTenThousand(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		s := reopen(b, dir)
		began := time.Now()
		populate(b, s, 10_000)
		b.ReportMetric(time.Since(began).Seconds(), "create-s")
		must(b, s.Close())
		before := resident(b)
		began = time.Now()
		s = reopen(b, dir)
		b.ReportMetric(time.Since(began).Seconds(), "open-s")
		opened := resident(b)
		began = time.Now()
		all, err := s.Tenants(context.Background(), "", 0)
		must(b, err)
		b.ReportMetric(time.Since(began).Seconds(), "read-s")
		if len(all) != 10_000 {
			b.Fatalf("%d tenants", len(all))
		}
		after := resident(b)
		b.ReportMetric(float64(opened-before)/1024, "open-rss-MB")
		b.ReportMetric(float64(after-before)/1024, "file-rss-MB")
		must(b, s.view(func(t *txn) error {
			b.ReportMetric(float64(t.tx.Size())/(1<<20), "db-MB")
			return nil
		}))
		must(b, s.Close())
	}
}

// resident returns the resident pages of files, in KB: the heap is not the
// store's.
func resident(b *testing.B) int {
	runtime.GC()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0 // not on this system
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if rest, ok := strings.CutPrefix(in.Text(), "RssFile:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			must(b, err)
			return n
		}
	}
	return 0
}

func BenchmarkPutPolicy(b *testing.B) {
	s := reopen(b, b.TempDir())
	defer s.Close()
	wasm := make([]byte, 10_000)
	for i := 0; b.Loop(); i++ {
		wasm[0], wasm[1], wasm[2] = byte(i), byte(i>>8), byte(i>>16)
		must(b, s.PutPolicy(context.Background(), "", &store.Policy{Digest: digestOf(wasm)}, wasm))
	}
}

func BenchmarkPutState(b *testing.B) {
	s := reopen(b, b.TempDir())
	defer s.Close()
	digest := digestOf(nil)
	for i := 0; b.Loop(); i++ {
		must(b, s.PutState(context.Background(), fmt.Sprint(i%1000), digest, policy.State{Bytes: make([]byte, 4096)}))
	}
}
