package httpproxy

import (
	"net"
	"strings"
	"testing"
)

func TestHostOfARequest(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a.example": "a.example", "A.Example": "a.example", "a.example.": "a.example", "a.example:80": "a.example",
		"A.EXAMPLE.:8443": "a.example", "a.example:": "a.example", ":80": "", ".": "", "a..": "a.",
		"192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "[2001:DB8::1]": "2001:db8::1", "[2001:db8::1]:80": "2001:db8::1",
		"[::1": "[::1", "[::1]80": "[::1]80", "2001:db8::1": "2001:db8::1", "*.example": "*.example", "xn--Bcher-KVA.example": "xn--bcher-kva.example",
	} {
		if got := hostOf(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// The host of a request is found without allocating, unless it comes in
// capitals.
func TestHostAllocs(t *testing.T) {
	for _, host := range []string{"www.a.example", "www.a.example:8443", "[2001:db8::1]:443"} {
		if n := testing.AllocsPerRun(100, func() { hostOf(host) }); n != 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}

func FuzzHostOf(f *testing.F) {
	for _, s := range []string{"a.example", "A.example.:80", "[::1]:80", "[::1]", "1:2:3", ":", "]", "[", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := hostOf(s)
		if len(got) > 4*len(s) {
			t.Errorf("%q grows to %q", s, got)
		}
		// A port does not change whose a host is, but where the host is no host.
		if strings.ContainsAny(got, ":[]") {
			return
		}
		if again := hostOf(got + ":443"); again != hostOf(got) {
			t.Errorf("%q: %q, with a port %q", s, got, again)
		}
		if host, port, err := net.SplitHostPort(s); err == nil && port != "" && !strings.HasPrefix(s, "[") &&
			got != strings.ToLower(strings.TrimSuffix(host, ".")) {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
