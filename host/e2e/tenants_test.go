package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"idlehost/host/e2e/hosttest"
)

// naming is a backend whose every answer is a name.
func naming(t *testing.T, name string) string {
	t.Helper()
	b := newBackend(t)
	b.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) })
	return b.url("http")
}

// startTown runs a host with a store, whose own upstream says "house", and
// with tenants a and b, whose upstreams say their names.
func startTown(t *testing.T, config string, args ...string) (*hosttest.Host, operator) {
	t.Helper()
	return startTownAt(t, t.TempDir(), config, args...)
}

// startTownAt is startTown with a store at a place.
func startTownAt(t *testing.T, store, config string, args ...string) (*hosttest.Host, operator) {
	t.Helper()
	args = append(args, "--store", store)
	if config != "" {
		args = append(args, "--config", writeFile(t, "host.toml", config))
	}
	h := startHost(t, naming(t, "house"), args...)
	o := newOperator(t, h)
	for _, name := range []string{"a", "b"} {
		o.do("tenant", "create", name, "--host", name+".example", "--host", "*."+name+".example", "--upstream", naming(t, name))
	}
	return h, o
}

// browser is curl in one version of HTTP, which finds every host at an address.
type browser struct {
	t    *testing.T
	args []string
}

func newBrowser(t *testing.T, addr string, args ...string) browser {
	t.Helper()
	base := []string{hosttest.Tool(t, "curl"), "-sS", "--max-time", "30", "--connect-to", "::" + addr}
	return browser{t, append(base, args...)}
}

// visit asks for hosts, each on a connection of its own, and returns a word for
// each: what the backend said, or the status where that is not 200.
func (b browser) visit(scheme string, hosts ...string) string {
	b.t.Helper()
	var words []string
	for _, host := range hosts {
		out := hosttest.Run(b.t, b.args[0], b.to(scheme, host, "-w", "\t%{response_code}")...)
		said, status, _ := strings.Cut(out, "\t")
		if status != "200" {
			said = status
		}
		words = append(words, said)
	}
	return strings.Join(words, " ")
}

// fails asks for a host that cannot be asked, and returns what curl says, and
// its exit code.
func (b browser) fails(scheme, host string) (string, int) {
	b.t.Helper()
	out, text, code := operator{t: b.t, program: b.args[0]}.try(b.to(scheme, host)...)
	return out + text, code
}

func (b browser) to(scheme, host string, more ...string) []string {
	return append(append(b.args[1:len(b.args):len(b.args)], more...), scheme+"://"+host+"/")
}

// TestTenantByHost: a connection belongs to the first tenant that it names.
func TestTenantByHost(t *testing.T) {
	h, o := startTown(t, "")
	for _, version := range []string{"--http1.1", "--http2-prior-knowledge"} {
		b := newBrowser(t, h.Addr, version)
		for _, c := range []struct{ host, want string }{
			{"a.example", "a"}, {"b.example", "b"}, {"www.a.example", "a"}, {"A.EXAMPLE", "a"}, {"else.example", "house"},
		} {
			if got := b.visit("http", c.host); got != c.want {
				t.Errorf("%s, %s: %s, want %s", version, c.host, got, c.want)
			}
		}
	}
	for name, ask := range map[string]func(*testing.T, string) asker{"HTTP/1": askH1, "HTTP/2": askH2} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct{ hosts, want string }{
				{"a.example www.a.example b.example else.example a.example", "a a 421 421 a"},
				{"else.example b.example nobody.example", "house 421 house"},
			} {
				one := ask(t, h.Addr)
				var got []string
				for host := range strings.FieldsSeq(c.hosts) {
					got = append(got, one(host))
				}
				if got := strings.Join(got, " "); got != c.want {
					t.Errorf("on one connection, %s: %s, want %s", c.hosts, got, c.want)
				}
			}
		})
	}
	o.do("tenant", "rm", "b")
	if got := newBrowser(t, h.Addr).visit("http", "b.example"); got != "house" {
		t.Errorf("b.example of nobody any more: %s", got)
	}
}

// TestUnknownTenantsAreRefused where the operator wants that.
func TestUnknownTenantsAreRefused(t *testing.T) {
	cert := newCertificate(t)
	h, _ := startTown(t, "[tenants]\nunknown = \"refuse\"\n"+clearAndTLS(cert))
	for _, version := range []string{"--http1.1", "--http2-prior-knowledge"} {
		if got := newBrowser(t, h.Addrs[0], version).visit("http", "else.example"); got != "421" {
			t.Errorf("%s: %s, want 421", version, got)
		}
	}
	curl := newBrowser(t, h.Addrs[1], "--cacert", cert.cert, "-k", "--http1.1")
	if got := curl.visit("https", "b.example"); got != "b" {
		t.Errorf("b.example over TLS: %s", got)
	}
	out, code := curl.fails("https", "else.example")
	if code != 35 || !strings.Contains(out, "unrecognized name") {
		t.Errorf("an unknown name: exit code %d, %s; want 35 (the handshake) and an alert that says why", code, out)
	}
}

// clearAndTLS is a listener of each kind.
func clearAndTLS(cert certificate) string {
	return fmt.Sprintf(`
[[listener]]
address = "127.0.0.1:0"
[[listener]]
name = "tls"
address = "127.0.0.1:0"
tls = [{cert = %q, key = %q}]
`, cert.cert, cert.key)
}

// TestTenantBySNI: over TLS the name of the handshake decides, at once.
func TestTenantBySNI(t *testing.T) {
	cert := newCertificate(t, "a.example", "b.example", "else.example")
	h, _ := startTown(t, clearAndTLS(cert))
	for _, version := range []string{"--http1.1", "--http2"} {
		b := newBrowser(t, h.Addrs[1], "--cacert", cert.cert, version)
		if got := b.visit("https", "a.example", "b.example", "else.example"); got != "a b house" {
			t.Errorf("%s: %s", version, got)
		}
		// The name of the handshake is one tenant's, that of the request
		// another's.
		crossed := newBrowser(t, h.Addrs[1], "--cacert", cert.cert, version, "-H", "Host: b.example")
		if got := crossed.visit("https", "a.example"); got != "421" {
			t.Errorf("%s, b's host by a's name: %s, want 421", version, got)
		}
	}
}

// TestTenantByListener: an address may be one tenant's own, also where others
// are known by their names.
func TestTenantByListener(t *testing.T) {
	h, _ := startTown(t, fmt.Sprintf(`
[[listener]]
name = "own"
address = "127.0.0.1:0"
tenant = "c"
[[listener]]
address = "127.0.0.1:0"
[[tenant]]
name = "c"
upstream = [%q]
`, naming(t, "c")))
	for _, host := range []string{"a.example", "b.example", "else.example"} {
		if got := newBrowser(t, h.Addrs[0]).visit("http", host); got != "c" {
			t.Errorf("%s on c's own listener: %s", host, got)
		}
	}
	if got := newBrowser(t, h.Addrs[1]).visit("http", "a.example", "b.example", "else.example"); got != "a b house" {
		t.Errorf("on the other one: %s", got)
	}
}
