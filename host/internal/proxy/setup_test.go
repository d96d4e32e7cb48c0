package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/route"
	"idlehost/sdk/abi"
)

// as makes the client ask for a server name.
func (r *rig) as(m mode, name string) *http.Transport {
	tr := r.transport(m)
	tr.TLSClientConfig.ServerName = name
	r.client.Transport = tr
	return tr
}

// The server name decides, and requests for another tenant's host are
// misdirected: a client that coalesces connections goes elsewhere.
func TestServerNameDecides(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		a, b := newTenant(policy.Limits{}, "a.example"), newTenant(policy.Limits{}, "b.example")
		router := newRouter(a, b)
		router.unassigned = nil
		r := start(t, setup{mode: m, router: router.of, names: []string{"b.example"}})
		r.want("a.example", said{200, "a.example", true})
		r.want("b.example", said{421, "421", false})
		r.want("a.example", said{200, "a.example", false})
		open(t, a.account, 1)
		r.as(m, "b.example")
		r.want("b.example", said{200, "b.example", true})
		open(t, b.account, 1)
		if a.policy.cold.Load() != 0 || a.policy.asked.Load() != 1 {
			t.Errorf("asked %d times, %d of them cold", a.policy.asked.Load(), a.policy.cold.Load())
		}
	}, h1s, h2s)
}

func TestUnknownServerName(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		a := newTenant(policy.Limits{}, "a.example")
		router := newRouter(a)
		router.unassigned = nil
		strange := idle.NewAccount("strange", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
		r := start(t, setup{mode: m, router: router.of, names: []string{"b.example"}, strange: strange})
		r.as(m, "b.example")
		for range 2 { // the answer is the last of its connection
			r.want("b.example", said{421, "421", true})
			open(t, strange, 0)
		}
		if !strings.Contains(r.log.String(), "request without a tenant") {
			t.Error("nothing in the log")
		}
	}, h1s, h2s)
}

// A resumed session does not get around the alert.
func TestUnrecognizedName(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		a := newTenant(policy.Limits{}, "a.example")
		router := newRouter(a)
		router.unassigned, router.alert = nil, true
		r := start(t, setup{mode: m, router: router.of, names: []string{"b.example"}})
		tickets := tls.NewLRUClientSessionCache(1)
		r.as(m, "a.example").TLSClientConfig.ClientSessionCache = tickets
		r.want("a.example", said{200, "a.example", true})
		r.client.CloseIdleConnections()
		router.withoutTenants.Store(true)
		for _, name := range []string{"a.example", "b.example"} {
			tr := r.as(m, name)
			tr.TLSClientConfig.ClientSessionCache = tickets
			if _, err := r.trySay(name); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%s: %v, want the alert unrecognized_name", name, err)
			}
		}
	}, h1s, h2s)
}

// nobody knows no tenant.
type nobody struct{ why error }

func (n nobody) Route(*route.ConnInfo) (route.Target, error) { return nil, n.why }

// Connections that are nobody's are told so once they have asked.
func TestUnknownTenant(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		strange := idle.NewAccount("strange", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
		r := start(t, setup{mode: m, strange: strange, park: time.Millisecond, router: func(*rig) route.Router {
			return nobody{&route.Refusal{Status: 421, Text: "not at this address", Close: true}}
		}})
		res := r.get("/")
		if b, _ := io.ReadAll(res.Body); res.StatusCode != 421 || string(b) != "421 Misdirected Request: not at this address\n" {
			t.Errorf("answer %d, %q; want 421 with the Router's text", res.StatusCode, b)
		}
		open(t, strange, 0)
		c := r.dial(m, "http/1.1") // it may take its time to ask, asleep
		r.settled(time.Millisecond, 1)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if b, _ := io.ReadAll(c); !strings.HasPrefix(string(b), "HTTP/1.1 421 ") || !strings.Contains(string(b), "Connection: close") {
			t.Errorf("read %q, want a 421 that closes", b)
		}
	}, every...)
}

// What cannot be told, or is no answer, ends the connection.
func TestNoTenant(t *testing.T) {
	for name, test := range map[string]struct {
		tcp bool
		why error
	}{
		"tcp": {true, misdirected}, "error": {false, errors.New("broken")}, "tcp error": {true, errors.New("broken")},
		"none": {false, nil},
	} {
		run(t, func(t *testing.T, m mode) {
			r := start(t, setup{mode: m, tcp: test.tcp, router: func(*rig) route.Router { return nobody{test.why} }})
			var err error
			if m.tls() {
				_, err = tls.Dial("tcp", r.addr, r.tls())
			} else {
				_, err = io.ReadFull(r.dial(m), make([]byte, 1))
			}
			if err == nil || m.tls() && test.why == error(misdirected) && !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%s: %v, want an end, and over TLS the alert where the Router refuses", name, err)
			}
			eventually(t, "a line", func() bool {
				return strings.Contains(r.log.String(), "without a tenant") || strings.Contains(r.log.String(), "handshake failed")
			})
		}, h1, h1s)
	}
}

// hellos remembers what a Router was asked.
type hellos struct {
	route.Router
	mu  sync.Mutex
	all []route.ConnInfo
}

func (h *hellos) Route(hello *route.ConnInfo) (route.Target, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, *hello)
	return h.Router.Route(hello)
}

func TestRouterKnowsTheHello(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		var asked hellos
		r := start(t, setup{mode: m, router: func(r *rig) route.Router {
			asked.Router = one{target{account: r.account, site: &route.Site{Local: http.NotFoundHandler()}}}
			return &asked
		}})
		r.get("/")
		asked.mu.Lock()
		defer asked.mu.Unlock()
		first := asked.all[0]
		if first.Listener != "test" || first.TLS != m.tls() || first.HelloRead || first.ServerName != "" ||
			first.Destination.String() != r.addr || first.Peer == nil {
			t.Errorf("first asked with %+v, want listener test, %s, no ClientHello", first, r.addr)
		}
		if !m.tls() {
			if len(asked.all) != 1 {
				t.Errorf("asked again with %+v, want once", asked.all[1:])
			}
			return
		}
		want := first
		want.HelloRead, want.ServerName = true, "a.example"
		if len(asked.all) != 2 || asked.all[1] != want {
			t.Errorf("%+v, want %+v", asked.all[1:], want)
		}
	}, every...)
}

// A tenant that is slow to get ready is not waited for for longer than two
// seconds, and not at all once the Proxy closes.
func TestWarmIsBounded(t *testing.T) {
	for name, unassigned := range map[string]bool{"accept": false, "assigned": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTenant(policy.Limits{}, "a.example")
				a.policy.wait.Store(true)
				var router route.Router = one{a}
				if unassigned {
					router = newRouter(a)
				}
				bubbled(t, router, nil, func(ln *memory, _ *buffer) {
					c := ln.dial()
					io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
					time.Sleep(2*time.Second - 1)
					synctest.Wait()
					if a.policy.warmed.Load() != 0 || a.policy.asked.Load() != 0 {
						t.Error("not waited for")
					}
					time.Sleep(1)
					synctest.Wait()
					if a.policy.warmed.Load() != 1 || a.policy.asked.Load() != 1 {
						t.Error("waited for longer")
					}
					read(t, c, "200 OK", "\r\n\r\n")
					late := ln.dial()
					io.WriteString(late, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
					synctest.Wait()
				})
				if n := a.policy.warmed.Load(); n != 2 {
					t.Errorf("got ready %d times", n)
				}
			})
		})
	}
}

// bubbled runs f against a proxy in the bubble of the caller, and checks that
// the proxy's end takes no time.
func bubbled(t *testing.T, router route.Router, from []netip.Prefix, f func(*memory, *buffer)) {
	gov := idle.New(idle.Config{Shards: 1, Granularity: tick, Linger: -1})
	ln := &memory{conns: make(chan net.Conn), done: make(chan struct{})}
	log := &buffer{}
	p, err := proxy.New(proxy.Config{
		Governor: gov, Router: router, Listeners: []proxy.Listener{{Listener: ln, Name: "memory", ProxyFrom: from}},
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() { defer close(served); p.Serve(ctx) }()
	f(ln, log)
	end := time.Now()
	cancel()
	<-served
	p.Close()
	if d := time.Since(end); d > time.Second {
		t.Errorf("closing took %v", d)
	}
	gov.Close()
}

// fickle says another tenant once the ClientHello has come.
type fickle struct{ first, second route.Target }

func (f fickle) Route(h *route.ConnInfo) (route.Target, error) {
	if h.HelloRead {
		return f.second, nil
	}
	return f.first, nil
}

// From the ClientHello on the law of the tenant holds for the handshake.
func TestLawOfTheHandshake(t *testing.T) {
	r := start(t, setup{mode: h1s, router: func(r *rig) route.Router {
		slow := newTenant(policy.Limits{}, "slow.example")
		fast := target{account: idle.NewAccount("fast", policy.Fixed{}, nil,
			law(abi.PhaseHandshake, policy.Timeout{Max: 20 * time.Millisecond}), policy.Limits{}), site: slow.site.Load()}
		return fickle{slow, fast}
	}})
	nc := r.dial(h1)
	cfg := r.tls()
	cfg.VerifyConnection = func(tls.ConnectionState) error { // the client has greeted, and says no more
		_, err := io.Copy(io.Discard, nc)
		return errors.Join(err, errors.New("ended"))
	}
	// The end may come before the server's part of the handshake has.
	if err := tls.Client(nc, cfg).Handshake(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("handshake: %v, want an end by the proxy", err)
	}
	eventually(t, "closed", func() bool { return r.gov.Open() == 0 })
	eventually(t, "a line about it", func() bool {
		s := r.log.String()
		return strings.Contains(s, "name=a.example") && strings.Contains(s, "idle deadline exceeded (progress)")
	})
}
