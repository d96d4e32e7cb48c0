package spec

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHosts(t *testing.T) {
	label63, long := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a"
	for in, want := range map[string]string{
		"a.example": "a.example", "A.Example": "a.example", "a.example.": "a.example", "*.a.example": "*.a.example",
		"localhost": "localhost", "192.0.2.1": "192.0.2.1", "xn--bcher-kva.example": "xn--bcher-kva.example", "_a.b-c": "_a.b-c",
		label63 + ".b": label63 + ".b", long: long,
		"": "", ".": "", "*": "", "*.": "", "a..b": "", ".a": "", "a.*.b": "", "*a.b": "", "**.b": "", "*.*.b": "", "-a.b": "", "a-.b": "",
		"a b": "", "a:80": "", "http://a": "", "bücher.example": "", "\u212a.example": "", "a\x00": "", "[::1]": "", label63 + "a.b": "", long + "a": "", "a/b": "",
	} {
		got, problem, _ := readHost(in)
		if got != want || (problem == "") != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, problem, want)
		}
	}
}

func TestDestinations(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:443": "192.0.2.1:443", "192.0.2.9/24": "192.0.2.0/24", "2001:DB8::1": "2001:db8::1",
		"[2001:db8::1]:1": "[2001:db8::1]:1", "2001:db8::/32": "2001:db8::/32", "::ffff:192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1:5",
		"": "", "a": "", "192.0.2.1:0": "", "192.0.2.1:70000": "", "fe80::1%eth0": "", "[fe80::1%eth0]:1": "", "192.0.2.1/33": "", "192.0.2.256": "", "::ffff:0:0/96": "",
	} {
		got, problem, _ := readDestination(in)
		if got != want || (problem == "") != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, problem, want)
		}
	}
}

func TestUpstreams(t *testing.T) {
	for in, ok := range map[string]bool{
		"http://127.0.0.1:3000": true, "https://a.example": true, "https://a.example/base": true, "h2c://a:1": true, "tcp://a:1": true, "http://[::1]:80": true,
		"": false, "a": false, "//a": false, "ftp://a": false, "http://": false, "http://a:0": false, "http://a:99999": false, "http://a:b": false,
		"http://u:p@a": false, "http://a?b": false, "http://a?": false, "http://a#b": false, "tcp://a": false, "tcp://a:1/x": false,
		"http://a\n": false, "http://" + strings.Repeat("a", 1024): false,
	} {
		if problem, _ := CheckUpstream(in); (problem == "") != ok {
			t.Errorf("%q: %q, want it taken: %v", in, problem, ok)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.example", "*.A.", "xn--", "\u212a", "*", "-", strings.Repeat("a.", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, problem, _ := readHost(s)
		if problem != "" {
			if host != "" || !utf8.ValidString(problem) || strings.ContainsAny(problem, "\x1b\n") {
				t.Errorf("%q: %q, %q", s, host, problem)
			}
			return
		}
		if again, problem, _ := readHost(host); problem != "" || again != host {
			t.Errorf("%q is %q is %q, %v", s, host, again, problem)
		}
		if strings.Trim(strings.TrimPrefix(host, "*."), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || len(host) > 255 {
			t.Errorf("%q is %q", s, host)
		}
	})
}

func FuzzTargets(f *testing.F) {
	for _, s := range []string{"http://a", "tcp://a:1", "192.0.2.1/8", "[::1]:1", "http://[::1%25a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, problem, _ := readDestination(s); problem == "" {
			if again, problem, _ := readDestination(d); problem != "" || again != d {
				t.Errorf("%q is %q is %q, %v", s, d, again, problem)
			}
		}
		if problem, hint := CheckUpstream(s); strings.ContainsAny(problem+hint, "\x1b\n\x00") {
			t.Errorf("%q: %q, %q", s, problem, hint)
		}
	})
}
