package proxy_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/longtest"
)

// guestOf is a client with a connection of its own, who knows whose that is.
type guestOf struct {
	rig
	rng   *rand.Rand
	whose string // the tenant of its connection; empty: nobody's yet
}

// visit asks for some host and checks the answer.
func (g *guestOf) visit(hosts []string) {
	host := hosts[g.rng.IntN(len(hosts))]
	known := host != "nobody.example"
	got, err := g.trySay(host)
	if got.fresh {
		g.whose = ""
	}
	switch {
	case err != nil:
		g.t.Errorf("%s: %v, want an answer", host, err)
	case got.status == 200 && got.text == host && (g.whose == "" || g.whose == host):
		g.whose = host
	case got.status == 421 && (!known || g.whose != "" && g.whose != host):
	case got.status == 503 && g.whose == "" && known: // it refuses connections now and then
	default:
		g.t.Errorf("%s gets %+v on a connection of %q", host, got, g.whose)
	}
}

// TestAssignHammer has clients, introduced by a proxy in front, name hosts at
// random on connections that park all the time, while sites change and tenants
// come to want no more connections.
func TestAssignHammer(t *testing.T) {
	visits := longtest.Count(t, 50, 2000, "visits by each client")
	run(t, func(t *testing.T, m mode) {
		hosts := []string{"a.example", "b.example", "c.example", "nobody.example"}
		router := newRouter()
		for _, h := range hosts[:3] {
			router.tenants = append(router.tenants, newTenant(policy.Limits{ClientConnections: 100}, h))
		}
		r := start(t, setup{mode: m, park: time.Millisecond, router: router.of, from: everywhere})
		ctx, stop := context.WithCancel(t.Context())
		var changing, visiting sync.WaitGroup
		changing.Go(func() { change(ctx, r.gov, router) })
		for i := range 6 {
			visiting.Go(func() {
				g := &guestOf{rig: rig{t: t, url: r.url, log: r.log, addr: r.addr, pool: r.pool}, rng: rand.New(rand.NewPCG(uint64(i), 5))}
				g.client = &http.Client{Transport: g.transport(m)}
				g.introduced(m, header1)
				for range visits {
					g.visit(hosts)
					switch g.rng.IntN(20) {
					case 0:
						g.client.CloseIdleConnections()
					case 1:
						pauseUntilParked(r.gov)
					}
				}
				g.client.CloseIdleConnections()
			})
		}
		visiting.Wait()
		stop()
		changing.Wait()
		open(t, router.unassigned, 0)
		for _, h := range router.tenants {
			open(t, h.account, 0)
			if n := h.policy.cold.Load(); n != 0 {
				t.Errorf("%s was asked %d times before it was ready", h.hosts[0], n)
			}
		}
	}, every...)
}

// change changes tenants until ctx is done. A tenant that refuses connections admits them again.
func change(ctx context.Context, gov *idle.Governor, router *router) {
	for n := 0; ctx.Err() == nil; n++ {
		h := router.tenants[n%len(router.tenants)]
		h.serve(h.hosts[0])
		if n%10 == 0 {
			h.policy.shut.Store(n%20 == 0)
		}
		gov.Each(func(c *idle.Conn) bool { return c.Account() != nil })
		yield()
	}
	for _, h := range router.tenants {
		h.policy.shut.Store(false)
	}
}

// pauseUntilParked gives connections the time to park, if any does.
func pauseUntilParked(gov *idle.Governor) {
	for end := time.Now().Add(20 * time.Millisecond); gov.Parked() == 0 && time.Now().Before(end); {
		yield()
	}
}

// yield waits for a round trip through the kernel: others run.
func yield() {
	a, b := net.Pipe()
	go func() { io.WriteString(a, "x"); a.Close() }()
	io.Copy(io.Discard, b)
}
