package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"idlehost/host/internal/proxy/route"
)

// told returns what an upstream is told of a request.
func told(t *testing.T, m mode, site route.Site, h http.Header) string {
	t.Helper()
	r := start(t, setup{mode: m, site: site, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, k := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User", "Forwarded", "Via"} {
			if v := r.Header[k]; v != nil {
				fmt.Fprintf(w, "%s=%s\n", k, strings.Join(v, "|"))
			}
		}
		fmt.Fprintf(w, "Host=%s\n", r.Host)
	})})
	defer r.end()
	req := r.request("GET", "/", nil)
	req.Host = "shop.example"
	for k, v := range h {
		req.Header[k] = v
	}
	res := r.do(req)
	b, _ := io.ReadAll(res.Body)
	return string(b) + "Answer-Via=" + res.Header.Get("Via") + "\n"
}

func TestForwardingHeaders(t *testing.T) {
	claims := http.Header{
		"X-Forwarded-For": {"203.0.113.7", "198.51.100.1"}, "X-Forwarded-Host": {"evil.example"},
		"X-Forwarded-Proto": {"gopher"}, "X-Forwarded-User": {"root"}, "Forwarded": {"for=203.0.113.7"}, "Via": {"1.0 fred"},
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}
	tests := []struct {
		name string
		mode mode
		site route.Site
		want string
	}{
		{"untrusted", h1, route.Site{}, "X-Forwarded-For=127.0.0.1\nX-Forwarded-Host=shop.example\nX-Forwarded-Proto=http\nVia=1.0 fred\nHost=shop.example\nAnswer-Via=\n"},
		{"untrusted-tls", h2s, route.Site{}, "X-Forwarded-For=127.0.0.1\nX-Forwarded-Host=shop.example\nX-Forwarded-Proto=https\nVia=1.0 fred\nHost=shop.example\nAnswer-Via=\n"},
		{"trusted", h1, route.Site{Trusted: trusted}, "X-Forwarded-For=203.0.113.7, 198.51.100.1, 127.0.0.1\nX-Forwarded-Host=evil.example\nX-Forwarded-Proto=gopher\nX-Forwarded-User=root\nForwarded=for=203.0.113.7\nVia=1.0 fred\nHost=shop.example\nAnswer-Via=\n"},
		{"via", h1, route.Site{Via: "gate"}, "X-Forwarded-For=127.0.0.1\nX-Forwarded-Host=shop.example\nX-Forwarded-Proto=http\nVia=1.0 fred, 1.1 gate\nHost=shop.example\nAnswer-Via=1.1 gate\n"},
		{"via-h2", h2c, route.Site{Via: "gate"}, "X-Forwarded-For=127.0.0.1\nX-Forwarded-Host=shop.example\nX-Forwarded-Proto=http\nVia=1.0 fred, 2 gate\nHost=shop.example\nAnswer-Via=1.1 gate\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := told(t, test.mode, test.site, claims); got != test.want {
				t.Errorf("the upstream is told\n%swant\n%s", got, test.want)
			}
		})
	}
}

func TestHostCanBeRewritten(t *testing.T) {
	got := told(t, h1, route.Site{RewriteHost: true}, nil)
	if strings.Contains(got, "\nHost=shop.example") || !strings.Contains(got, "X-Forwarded-Host=shop.example") {
		t.Errorf("the upstream got %s, want its own Host and shop.example forwarded", got)
	}
}

func TestURLIsPassedAsItIs(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.RequestURI)
		})})
		for _, path := range []string{"/", "/a%2Fb/c%20d?q=%zz;x&y", "//double//slash/", "/a/../b/./c", "/%e4%bd%a0?a=1&a=2", "/?", "/x;y=z"} {
			req := r.request("GET", "/", nil)
			req.URL.Opaque = "//" + r.addr + path
			if m.h2() {
				req.URL = mustURL(r.url + strings.TrimSuffix(path, "?"))
				path = strings.TrimSuffix(path, "?")
				if strings.HasPrefix(path, "//") {
					continue
				}
			}
			if b, _ := io.ReadAll(r.do(req).Body); string(b) != path && string(b) != "http://"+r.addr+path {
				t.Errorf("%s arrived as %s", path, b)
			}
		}
	}, h1, h2c)
}
