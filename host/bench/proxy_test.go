// Package bench measures what the host costs: the processor time of a proxied
// request, against httputil.ReverseProxy alone, with every proxy in a process
// of its own.
package bench

import (
	"fmt"
	"testing"

	"idlehost/host/e2e/hosttest"
)

const (
	rounds = 15 // interleaved, so that drift of the machine hits all alike
	conns  = 16 // keep-alive connections of the load
)

// proxy is one contestant.
type proxy struct {
	name string
	addr string
	*hosttest.Process
}

// BenchmarkProxy reports microseconds of processor time, user and kernel, of
// the proxy's process per request. Each of b.N requests is small and comes
// over one of conns keep-alive connections.
func BenchmarkProxy(b *testing.B) {
	proxies := start(b, upstream(b))
	for _, p := range proxies { // warm up: connections, pools, heap
		if err := load(p.addr, conns, 4000); err != nil {
			b.Fatalf("%s: %v", p.name, err)
		}
	}
	for round := range rounds {
		for i := range proxies {
			p := proxies[(i+round)%len(proxies)]
			b.Run(fmt.Sprintf("proxy=%s/round=%d", p.name, round+1), func(b *testing.B) { measure(b, p) })
		}
	}
}

// measure returns microseconds a request.
func measure(b *testing.B, p proxy) float64 {
	before, err := p.CPU()
	if err != nil {
		b.Skip(err)
	}
	if err := load(p.addr, conns, b.N); err != nil {
		b.Fatal(err)
	}
	after, err := p.CPU()
	if err != nil {
		b.Fatal(err)
	}
	us := float64((after - before).Nanoseconds()) / 1e3 / float64(b.N)
	b.ReportMetric(us, "cpu-us/req")
	return us
}

// start builds and starts the contestants in front of the upstream.
func start(b *testing.B, upstream string) []proxy {
	dir := b.TempDir()
	bare, err := hosttest.Build(dir, "idlehost/host/bench/bare")
	if err != nil {
		b.Fatal(err)
	}
	host, err := hosttest.Build(dir, "idlehost/host")
	if err != nil {
		b.Fatal(err)
	}
	var list []proxy
	for name, args := range map[string][]string{"bare": nil, "bare-pooled": {"-pool"}} {
		p := hosttest.Start(b, bare, append(args, "-upstream", upstream)...)
		list = append(list, proxy{name, p.Line(b, "127.0.0.1:"), p})
	}
	for name, args := range map[string][]string{"native": nil, "adaptive": {"--plugin", "adaptive.wasm"}} {
		h := hosttest.StartHost(b, host, append(args, "--upstream", upstream)...)
		list = append(list, proxy{name, h.Addr, h.Process})
	}
	return list
}
