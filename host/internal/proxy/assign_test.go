package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
)

// parking is how soon connections park in tests of both kinds.
var parking = map[string]time.Duration{"awake": 0, "parked": time.Millisecond}

// settled waits until n connections park, where they do.
func (r *rig) settled(park time.Duration, n int) {
	if r.t.Helper(); park > 0 {
		eventually(r.t, "parked", func() bool { return r.gov.Parked() == n })
	}
}

// A connection belongs to the first tenant that it names, through parks too.
func TestFirstHostDecides(t *testing.T) {
	for name, park := range parking {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				a, b := newTenant(policy.Limits{}, "a.example", "www.a.example"), newTenant(policy.Limits{}, "b.example")
				router := newRouter(a, b)
				r := start(t, setup{mode: m, park: park, router: router.of})
				r.want("nobody.example", said{421, "421", true})
				open(t, router.unassigned, 1)
				r.settled(park, 1)
				r.want("A.example.:8443", said{200, "a.example", false})
				open(t, router.unassigned, 0)
				open(t, a.account, 1)
				for range 3 {
					r.settled(park, 1)
					r.want("b.example", said{421, "421", false})
					r.settled(park, 1)
					r.want("www.a.example", said{200, "a.example", false})
					r.want("nobody.example", said{421, "421", false})
				}
				open(t, a.account, 1)
				if n := b.policy.asked.Load(); n != 0 || a.policy.asked.Load() != 1 || a.policy.cold.Load() != 0 {
					t.Errorf("a was asked %d times, %d of them cold, b %d times", a.policy.asked.Load(), a.policy.cold.Load(), n)
				}
				r.client.CloseIdleConnections()
				open(t, a.account, 0)
				r.want("b.example", said{200, "b.example", true})
				open(t, b.account, 1)
			}, every...)
		})
	}
}

// What Assign's error says is what the client is told.
func TestAssignSaysWhy(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		router := newRouter(newTenant(policy.Limits{}, "a.example"))
		router.assign = func(host string) error {
			switch host {
			case "gone.example":
				return fmt.Errorf("wrapped: %w", &route.Refusal{Status: 410, Text: "gone.example has moved out"})
			case "last.example":
				return &route.Refusal{Status: 404, Text: "no such host", Close: true}
			}
			return nil
		}
		r := start(t, setup{mode: m, router: router.of})
		req := r.request("POST", "/", "content")
		req.Host = "gone.example"
		res := r.do(req)
		if b, _ := io.ReadAll(res.Body); res.StatusCode != 410 || string(b) != "410 Gone: gone.example has moved out\n" {
			t.Errorf("answer %d, %q; want 410 with the text of Assign", res.StatusCode, b)
		}
		r.want("a.example", said{200, "a.example", false})
		r.client.CloseIdleConnections()
		r.want("last.example", said{404, "404", true})
		open(t, router.unassigned, 0)
	}, every...)
}

// A tenant that takes no more connections says so, and no connection stays unassigned of
// those it has sent away.
func TestTenantRefusesAConnection(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		a, b := newTenant(policy.Limits{}, "a.example"), newTenant(policy.Limits{}, "b.example")
		a.policy.shut.Store(true)
		router := newRouter(a, b)
		r := start(t, setup{mode: m, router: router.of})
		r.want("a.example", said{503, "503", true})
		open(t, router.unassigned, 0)
		open(t, a.account, 0)
		r.want("b.example", said{200, "b.example", true})
	}, every...)
}

// Of an HTTP/2 connection's first requests exactly one decides.
func TestFirstRequestsAtOnce(t *testing.T) {
	a, b := newTenant(policy.Limits{}, "a.example"), newTenant(policy.Limits{}, "b.example")
	router := newRouter(a, b)
	r := start(t, setup{mode: h2c, park: time.Millisecond, router: router.of})
	for range 50 {
		r.client.Transport = r.transport(h2c)
		r.want("nobody.example", said{421, "421", true})
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for i := range 20 {
			wg.Go(func() {
				host := []string{"a.example", "b.example"}[i%2]
				x, err := r.trySay(host)
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(host, " ", x.status, " ", x.fresh, " ", err)]++
			})
		}
		wg.Wait()
		if len(got) != 2 || got["a.example 200 false <nil>"]+got["b.example 200 false <nil>"] != 10 ||
			got["a.example 421 false <nil>"]+got["b.example 421 false <nil>"] != 10 {
			t.Fatalf("answers %v, want 10 for each host, all 200 or 421, on one connection", got)
		}
		r.client.CloseIdleConnections()
	}
	open(t, a.account, 0)
	open(t, b.account, 0)
	open(t, router.unassigned, 0)
	if n := a.policy.asked.Load() + b.policy.asked.Load(); n != 50 {
		t.Errorf("%d accepts of 50 connections", n)
	}
}

// A change of a tenant's site holds for the next request of an open connection.
func TestSiteChangesUnderAnOpenConnection(t *testing.T) {
	for name, park := range parking {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				a := newTenant(policy.Limits{}, "a.example")
				r := start(t, setup{mode: m, park: park, router: newRouter(a).of})
				r.want("a.example", said{200, "a.example", true})
				r.settled(park, 1)
				a.serve("another")
				r.want("a.example", said{200, "another", false})
				a.site.Store(nil)
				r.want("a.example", said{503, "503", false})
			}, every...)
		})
	}
}

// Upgraded connections belong to whom their connection does.
func TestTunnelBelongsToTheTenant(t *testing.T) {
	a := newTenant(policy.Limits{}, "a.example")
	a.site.Store(nil)
	router := newRouter(a)
	r := start(t, setup{mode: h1, park: time.Millisecond, router: func(r *rig) route.Router { return router }, server: http.HandlerFunc(switches)})
	a.site.Store(&r.site)
	c := r.dial(h1)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	read(t, c, "101 Switching Protocols", "\r\n\r\n")
	open(t, a.account, 1)
	for range 3 {
		io.WriteString(c, "again")
		read(t, c, "", "again")
		eventually(t, "parked", func() bool { return r.gov.Parked() == 2 })
		open(t, a.account, 1)
		open(t, router.unassigned, 0)
	}
	c.Close()
	open(t, a.account, 0)
}

// switches answers an upgrade with an echo.
func switches(w http.ResponseWriter, r *http.Request) {
	nc, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer nc.Close()
	io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	io.Copy(nc, brw)
}

// read reads up to an end, and looks for what shall be in it.
func read(t *testing.T, r io.Reader, want, end string) {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(got), end); got = append(got, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatalf("read %q, then %v; want %q", got, err, end)
		}
	}
	if !strings.Contains(string(got), want) {
		t.Errorf("%q in place of %q", got, want)
	}
}
