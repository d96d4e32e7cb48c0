package upstream

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]string{
		"http://a.example":         "http://a.example dial a.example:80",
		"https://a.example/base":   "https://a.example dial a.example:443",
		"h2c://127.0.0.1:81":       "h2c://127.0.0.1:81 dial 127.0.0.1:81",
		"tcp://[::1]:5432":         "tcp://[::1]:5432 dial [::1]:5432",
		"http://[fe80::1%25eth0]/": "http://[fe80::1%eth0] dial [fe80::1%eth0]:80",
	} {
		g, err := parseTarget(s)
		if err != nil {
			t.Errorf("parseTarget(%q): %v, want a target", s, err)
		} else if got := g.String() + " dial " + g.address; !strings.EqualFold(got, want) {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
	for s, why := range map[string]string{
		"": "scheme is missing", "localhost:80": "scheme", "127.0.0.1:80": "colon", "ftp://a": `scheme "ftp"`,
		"http://": "host is missing", "http://:80": "host is missing", "tcp://a": "port", "tcp://a:1/path": "path",
		"http://u:p@a": "password", "http://a?q": "query", "http://a#f": "fragment", "http://a:b": "port", "://": "scheme",
	} {
		if g, err := parseTarget(s); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, %v, want an error with %q", s, g, err, why)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("http://a.example:80/base")
	f.Add("h2c://[::1%25lo]:1")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := parseTarget(s)
		if err != nil {
			return
		}
		if g.address == "" || g.url.Host == "" {
			t.Errorf("%q is accepted as %+v", s, g)
		}
	})
}

func TestAim(t *testing.T) {
	for _, test := range [][3]string{
		{"http://a", "/x%2Fy/z", "http://a/x%2Fy/z"},
		{"http://a/", "/x", "http://a/x"},
		{"http://a/base", "/x%2Fy", "http://a/base/x%2Fy"},
		{"http://a/base/", "/x/", "http://a/base/x/"},
		{"http://a/b%2Fc", "/x", "http://a/b%2Fc/x"},
		{"http://a", "//x", "http://a//x"},
		{"http://a/base", "*", "http://a*"},
	} {
		target, err := parseTarget(test[0])
		if err != nil {
			t.Fatal(err)
		}
		asked := &url.URL{Path: "*"}
		if test[1] != "*" {
			if asked, err = url.ParseRequestURI(strings.Replace(test[1], "//", "/.%2F", 1)); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(test[1], "//") {
				asked = &url.URL{Path: test[1]}
			}
		}
		got := *asked
		target.aim(&got, asked)
		if s := got.Scheme + "://" + got.Host + got.EscapedPath(); s != test[2] {
			t.Errorf("%s asked of %s goes to %s, want %s", test[1], test[0], s, test[2])
		}
	}
}

func TestKeepAlive(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"timeout=5": 4 * time.Second, "timeout=5, max=100": 4 * time.Second, "max=3,Timeout = 61": time.Minute,
		`timeout="20"`: 19 * time.Second, "timeout=1": time.Millisecond, "timeout=0": time.Millisecond,
		"": 0, "timeout": 0, "timeout=": 0, "timeout=x": 0, "timeout=-1": 0, "timeout=99999999999": 0, "max=5": 0,
	} {
		if got := keepAlive([]string{v}); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	if got := keepAlive([]string{"max=1", "timeout=7"}); got != 6*time.Second {
		t.Errorf("in the second line: %v", got)
	}
}

func FuzzKeepAlive(f *testing.F) {
	f.Add("timeout=5, max=100")
	f.Fuzz(func(t *testing.T, s string) {
		if d := keepAlive([]string{s}); d < 0 || d > (1<<31)*time.Second {
			t.Errorf("keepAlive(%q) = %v, want 0 to 2^31 s", s, d)
		}
	})
}

func TestUpgradeOverHTTP2IsLeftOut(t *testing.T) {
	target, _ := parseTarget("h2c://a")
	r := &http.Request{Header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}}
	target.via(r)
	if len(r.Header) != 0 {
		t.Errorf("headers %v", r.Header)
	}
}
