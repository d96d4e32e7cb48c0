package proxy_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
	"idlehost/sdk/abi"
)

// everywhere and elsewhere are networks of proxies: ours, and not ours.
var (
	everywhere = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}
	elsewhere  = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("::/0")}
)

const (
	header1 = "PROXY TCP4 203.0.113.7 203.0.113.80 4711 443\r\n"
	header2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + "\xcb\x00\x71\x07" + "\xcb\x00\x71\x50" + "\x12\x67" + "\x01\xbb"
	header6 = "PROXY TCP6 2001:db8::7 2001:db8::80 4711 443\r\n"
	local2  = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// introduced lets every connection of the client begin with a header.
func (r *rig) introduced(m mode, header string) {
	tr := r.transport(m)
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			_, err = io.WriteString(nc, header)
		}
		return nc, err
	}
	r.client.Transport = tr
}

// whoAsks answers with what is known of the client.
func whoAsks(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s for %s", r.RemoteAddr, r.Header.Get("X-Forwarded-For"))
}

func TestPROXYHeaderSaysWhoAsks(t *testing.T) {
	for name, test := range map[string]struct{ header, host, peer, destination string }{
		"v1": {header1, "203.0.113.7", "203.0.113.7:4711", "203.0.113.80:443"},
		"v2": {header2, "203.0.113.7", "203.0.113.7:4711", "203.0.113.80:443"},
		"v6": {header6, "2001:db8::7", "[2001:db8::7]:4711", "[2001:db8::80]:443"},
		// The connection's own:
		"local":   {local2, "127.0.0.1", "", ""},
		"unknown": {"PROXY UNKNOWN\r\n", "127.0.0.1", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				var asked hellos
				ends := &ends{}
				r := start(t, setup{mode: m, from: everywhere, park: time.Millisecond, observer: ends, server: http.HandlerFunc(whoAsks),
					router: func(r *rig) route.Router {
						asked.Router = one{target{account: r.account, site: &r.site}}
						return &asked
					}})
				r.introduced(m, test.header)
				for range 3 { // asleep in between
					b, _ := io.ReadAll(r.get("/").Body)
					if _, got, _ := strings.Cut(string(b), " for "); got != test.host {
						t.Errorf("the upstream got %q, want X-Forwarded-For %s", b, test.host)
					}
					eventually(t, "parked", func() bool { return r.gov.Parked() >= 1 })
				}
				asked.mu.Lock()
				for _, h := range asked.all {
					if test.peer != "" && (h.Peer.String() != test.peer || h.Destination.String() != test.destination) ||
						test.peer == "" && (h.Peer.(*net.TCPAddr).Port == 0 || h.Destination.String() != r.addr) {
						t.Errorf("introduced as %+v, want from %q to %q", h, test.peer, cmp.Or(test.destination, r.addr))
					}
				}
				asked.mu.Unlock()
				eventually(t, "the end", func() bool {
					r.client.CloseIdleConnections()
					return r.account.Open() == 0
				})
				for _, e := range ends.all() {
					if e.Side == abi.SideAccepted && test.peer != "" && e.Peer.String() != test.peer {
						t.Errorf("the end is one of %v", e.Peer)
					}
				}
			}, every...)
		})
	}
}

// Whoever is not a proxy of ours cannot say who it is.
func TestPROXYHeaderOfAStranger(t *testing.T) {
	r := start(t, setup{mode: h1, from: elsewhere, server: http.HandlerFunc(whoAsks)})
	c := r.dial(h1)
	io.WriteString(c, header1+"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(c); !strings.HasPrefix(string(b), "HTTP/1.1 400 ") {
		t.Errorf("read %q, want a 400", b)
	}
	if b, _ := io.ReadAll(r.get("/").Body); !strings.HasSuffix(string(b), " for 127.0.0.1") {
		t.Errorf("the upstream got %q, want X-Forwarded-For 127.0.0.1", b)
	}
}

// Whoever is a proxy must say whose connection it passes on.
func TestPROXYHeaderIsMissing(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, from: everywhere, server: http.HandlerFunc(whoAsks)})
		if res, err := r.client.Do(r.request("GET", "/", nil)); err == nil {
			t.Errorf("status %d", res.StatusCode)
		}
		eventually(t, "a line", func() bool {
			return strings.Contains(r.log.String(), `msg="connection without a valid PROXY header"`) && strings.Contains(r.log.String(), "it begins with")
		})
		eventually(t, "closed", func() bool { return r.gov.Open() == 0 })
	}, every...)
}

// A header, the request that it comes with, and one more of the same write.
func TestPROXYHeaderWithRequests(t *testing.T) {
	r := start(t, setup{mode: h1, from: everywhere, park: time.Millisecond, server: http.HandlerFunc(whoAsks)})
	for _, header := range []string{header1, header2, local2} {
		c := r.dial(h1)
		io.WriteString(c, header+strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2))
		for range 2 {
			read(t, c, "200 OK", " for ")
		}
	}
}

// What follows the header stays in the socket, for the relay to splice.
func TestPROXYHeaderBeforeARelay(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		target := deaf(t, func(c net.Conn) {
			go func() { defer c.Close(); io.Copy(c, c) }()
		})
		r := start(t, setup{mode: m, tcp: true, from: everywhere, targets: []string{"tcp://" + target}})
		nc := r.dial(h1)
		io.WriteString(nc, header2)
		if m.tls() {
			nc = tls.Client(nc, r.tls())
		}
		for range 3 {
			io.WriteString(nc, "over and over.")
			read(t, nc, "over and over", ".")
		}
	}, h1, h1s)
}

// A header that comes slowly, or not at all, ends with the handshake's law.
func TestPROXYHeaderIsLate(t *testing.T) {
	for name, drip := range map[string]bool{"nothing": false, "drips": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTenant(policy.Limits{}, "a.example")
				bubbled(t, one{a}, everywhere, func(ln *memory, log *buffer) {
					c := ln.dial()
					began := time.Now()
					var dripping sync.WaitGroup
					if drip {
						dripping.Go(func() {
							for i := range header1 { // a byte a second
								if _, err := io.WriteString(c, header1[i:i+1]); err != nil {
									return
								}
								time.Sleep(time.Second)
							}
						})
					}
					if _, err := c.Read(make([]byte, 1)); err == nil {
						t.Error("answered")
					}
					if d := time.Since(began); d < 10*time.Second || d > 10*time.Second+2*tick {
						t.Errorf("ended after %v", d)
					}
					synctest.Wait()
					if !strings.Contains(log.String(), "idle deadline exceeded") {
						t.Errorf("log: %s", log)
					}
					c.Close()
					dripping.Wait()
				})
				if a.policy.asked.Load() != 0 {
					t.Error("a policy was asked")
				}
			})
		})
	}
}

// Clients behind one proxy are told apart.
func TestPROXYHeaderTellsClientsApart(t *testing.T) {
	seen := make(chan uint64, 2)
	r := start(t, setup{mode: h1, from: everywhere, server: http.HandlerFunc(whoAsks), decider: teller{seen}})
	var keys [2]uint64
	for i, h := range []string{header1, strings.Replace(header1, "203.0.113.7 ", "203.0.113.8 ", 1)} {
		r.introduced(h1, h)
		r.get("/").Body.Close()
		keys[i] = <-seen
	}
	if keys[0] == keys[1] || keys[0] == 0 {
		t.Errorf("clients %v", keys)
	}
}

// teller tells the client of every accepted connection.
type teller struct{ seen chan uint64 }

func (l teller) Decide(ask *policy.Ask) policy.Verdict {
	if abi.Kind(ask.Event.Kind) == abi.KindAccept && abi.Side(ask.Event.Side) == abi.SideAccepted {
		l.seen <- ask.Event.Client
	}
	return policy.Verdict{}
}

var _ policy.Policy = teller{}
