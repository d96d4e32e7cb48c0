package tenants

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
	"idlehost/host/internal/tenant/spec"
)

// many is how many tenants the issue asks for.
const many = 10_000

// policiesOf are the small policies that they have uploaded, in turn.
var policiesOf = []string{"fixed", "adaptive", "pressure"}

// BenchmarkMany starts a host with 10,000 tenants, each with a policy of its own
// in charge, and has a client come to each of them, twice. Memory is the sum of
// PSS of the host and its workers; cpu-us is what a request takes of both. BEFORE
// is an earlier build of the program, for which the same is measured.
//
//	go test -run '^$' -bench Many -benchtime 1x ./host/bench/tenants
func BenchmarkMany(b *testing.B) {
	for _, digests := range []int{3, 300} {
		b.Run(fmt.Sprintf("digests=%d", digests), func(b *testing.B) {
			for b.Loop() {
				manyTenants(b, program, digests)
			}
		})
		if before := os.Getenv("BEFORE"); before != "" {
			b.Run(fmt.Sprintf("digests=%d/before", digests), func(b *testing.B) {
				for b.Loop() {
					manyTenants(b, before, digests)
				}
			})
		}
	}
}

func manyTenants(b *testing.B, program string, digests int) {
	dir := b.TempDir()
	seed(b, dir, digests)
	begun := time.Now()
	h := hosttest.StartHost(b, program, "--store", dir, "--upstream", answering(b))
	b.ReportMetric(time.Since(begun).Seconds(), "start-s")
	b.ReportMetric(held(b, h), "MB-started")
	cold, coldCPU := visit(b, h)
	b.ReportMetric(held(b, h), "MB-instances")
	warm, warmCPU := visit(b, h)
	b.ReportMetric(held(b, h), "MB-twice")
	b.ReportMetric(coldCPU, "cold-cpu-us")
	b.ReportMetric(warmCPU, "warm-cpu-us")
	workers := workersOf(b, h)
	b.ReportMetric(float64(len(workers)), "workers")
	b.ReportMetric(pss(b, workers...), "MB-workers")
	for name, times := range map[string][]time.Duration{"cold": cold, "warm": warm} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds()), name+"-p50-us")
		b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), name+"-p99-us")
	}
	if n := h.Metric(b, "host_policy_asks_total", `outcome="fallback"`); n > 0 {
		b.Errorf("%v questions were not answered by the policies", n)
	}
	if n := h.Metric(b, "host_policy_loaded_guests"); n != many {
		b.Errorf("%v policies have an instance, want %d", n, many)
	}
	b.ReportMetric(0, "ns/op")
}

// seed makes a store of tenants.
func seed(tb testing.TB, dir string, digests int) {
	s, err := file.Open(dir, file.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	names := make([]string, digests)
	for i := range names {
		wasm := variant(tb, policiesOf[i%len(policiesOf)], i)
		sum := sha256.Sum256(wasm)
		names[i] = hex.EncodeToString(sum[:])
		p := &store.Policy{Digest: names[i], Size: len(wasm), Added: time.Now(), Report: []byte("{}")}
		if err := s.PutPolicy(ctx, "", p, wasm); err != nil {
			tb.Fatal(err)
		}
	}
	each(tb, many, func(i int) error {
		digest := names[i%digests]
		t := &store.Tenant{
			Name: tenantName(i), Created: time.Now(), Changed: time.Now(),
			Spec:     spec.Spec{Hosts: []string{hostName(i)}},
			Versions: []store.Version{{Digest: digest, Name: "policy", Uploaded: time.Now(), Served: true}},
			Rollout:  spec.Rollout{Active: &spec.Release{Digest: digest}},
		}
		return s.Create(ctx, t, store.Entry{At: time.Now(), Actor: "seed", Tenant: t.Name, Action: "tenant.create"})
	})
}

func tenantName(i int) string { return fmt.Sprintf("t%05d", i) }
func hostName(i int) string   { return tenantName(i) + ".example" }

// answering starts an upstream.
func answering(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })}
	go s.Serve(l)
	tb.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String()
}

// visit makes a request to every tenant, on a connection of its own that stays
// for as long as the answer takes, and returns how long each took, and how many
// microseconds of processor time of the host and its workers.
func visit(tb testing.TB, h *hosttest.Host) (times []time.Duration, us float64) {
	times = make([]time.Duration, many)
	before, err := h.Times()
	if err != nil {
		tb.Fatal(err)
	}
	each(tb, many, func(i int) error {
		begun := time.Now()
		nc, err := net.Dial("tcp", h.Addr)
		if err != nil {
			return err
		}
		defer nc.Close()
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hostName(i))
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", hostName(i), res.Status)
		}
		times[i] = time.Since(begun)
		return nil
	})
	after, err := h.Times()
	if err != nil {
		tb.Fatal(err)
	}
	return times, float64(after.Since(before).Microseconds()) / many
}

// each calls f for 0 to n-1 from a few goroutines.
func each(tb testing.TB, n int, f func(int) error) {
	const workers = 8
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// held is the memory of a host and its workers in MB: what processes share counts
// once.
func held(tb testing.TB, h *hosttest.Host) float64 {
	tb.Helper()
	return pss(tb, h.Pid()) + pss(tb, workersOf(tb, h)...)
}

func workersOf(tb testing.TB, h *hosttest.Host) []int {
	tb.Helper()
	pids, err := hosttest.Workers(h.Pid())
	if err != nil {
		tb.Fatal(err)
	}
	return pids
}

func pss(tb testing.TB, pids ...int) (mb float64) {
	tb.Helper()
	for _, pid := range pids {
		n, err := hosttest.PSS(pid)
		if err != nil {
			tb.Fatal(err)
		}
		mb += float64(n) / (1 << 20)
	}
	return mb
}
