package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
)

// introduction is a header of the PROXY protocol, version 2 (section 2.2), for
// TCP over IPv4 or IPv6.
func introduction(source, destination string) []byte {
	s, d := netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)
	family := byte(0x11)
	if s.Addr().Is6() {
		family = 0x21
	}
	block := append(s.Addr().AsSlice(), d.Addr().AsSlice()...)
	block = binary.BigEndian.AppendUint16(block, s.Port())
	block = binary.BigEndian.AppendUint16(block, d.Port())
	h := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x21, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(block))), block...)
}

// startDestinations runs a host whose tenants the PROXY protocol tells apart.
func startDestinations(t *testing.T, unknown string) (*hosttest.Host, operator) {
	t.Helper()
	h, o := startTown(t, fmt.Sprintf(`
[tenants]
unknown = %q
[[listener]]
address = "127.0.0.1:0"
tenant_by = "destination"
proxy_from = ["127.0.0.0/8"]
`, unknown))
	o.do("tenant", "set", "a", "--destination", "192.0.2.1", "--destination", "2001:db8::/64", "--destination", "127.0.0.2")
	o.do("tenant", "set", "b", "--destination", "192.0.2.1:8443", "--destination", "127.0.0.3")
	return h, o
}

func TestTenantByDestination(t *testing.T) {
	h, o := startDestinations(t, "default")
	for _, c := range []struct{ source, destination, want string }{
		{"198.51.100.7:4711", "192.0.2.1:443", "a"},
		{"198.51.100.7:4712", "192.0.2.1:8443", "b"},
		{"198.51.100.7:4713", "192.0.2.9:443", "house"},
		{"[2001:db8:1::7]:4711", "[2001:db8::15]:443", "a"},
		{"[2001:db8:1::7]:4711", "[2001:db8:0:1::15]:443", "house"},
	} {
		nc := connect(t, "", h.Addr)
		nc.Write(introduction(c.source, c.destination))
		ask := askOn(nc)
		for _, host := range []string{"a.example", "b.example"} { // names count for nothing here
			if got := ask(host); got != c.want {
				t.Errorf("to %s, host %s: %s, want %s", c.destination, host, got, c.want)
			}
		}
		if c.want == "house" {
			continue
		}
		var page api.Page[api.Connection]
		o.read(&page, "conns", "-t", c.want, "--side", "accepted")
		if len(page.Items) == 0 || page.Items[len(page.Items)-1].Peer != c.source {
			t.Errorf("connections of %s: %+v, want one of %s", c.want, page.Items, c.source)
		}
	}
}

// TestBadIntroductions: no introduction, a wrong one, and one to nobody's
// address where those are refused.
func TestBadIntroductions(t *testing.T) {
	h, _ := startDestinations(t, "refuse")
	for name, begin := range map[string]string{
		"none":  "",
		"wrong": "PROXY TCP4 198.51.100.7 192.0.2.1 70000 80\r\n",
	} {
		nc := connect(t, "", h.Addr)
		nc.Write([]byte(begin))
		if got := askOn(nc)("a.example"); !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
			t.Errorf("%s: %s, want the connection closed", name, got)
		}
	}
	nc := connect(t, "", h.Addr)
	nc.Write(introduction("198.51.100.7:4711", "192.0.2.9:443"))
	if got := askOn(nc)("a.example"); got != "421" {
		t.Errorf("nobody's address: %s, want 421", got)
	}
}

// TestHAProxyInFront passes the destination on.
func TestHAProxyInFront(t *testing.T) {
	haproxy := hosttest.Tool(t, "haproxy")
	h, o := startDestinations(t, "default")
	port := hosttest.FreePort(t)
	hosttest.Start(t, haproxy, "-db", "-f", writeFile(t, "haproxy.cfg", fmt.Sprintf(`
defaults
	mode tcp
	timeout connect 10s
	timeout client 60s
	timeout server 60s
listen all
	bind 127.0.0.2:%[1]d
	bind 127.0.0.3:%[1]d
	bind 127.0.0.4:%[1]d
	server host %[2]s send-proxy-v2
`, port, h.Addr)))
	for ip, want := range map[string]string{"127.0.0.2": "a", "127.0.0.3": "b", "127.0.0.4": "house"} {
		addr := net.JoinHostPort(ip, fmt.Sprint(port))
		hosttest.Until(t, "haproxy listens on "+addr, func() bool {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		ask := askOn(connect(t, "127.0.0.77", addr))
		if got := ask("else.example") + " " + ask("b.example"); got != want+" "+want {
			t.Errorf("by %s: %s, want %s twice", ip, got, want)
		}
	}
	var page api.Page[api.Connection]
	o.read(&page, "conns", "-t", "a", "--side", "accepted", "--client", "127.0.0.77")
	if len(page.Items) != 1 {
		t.Errorf("connections of a's client: %+v, want one", page.Items)
	}
}
