package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestHead(t *testing.T) {
	get := func(f func(*http.Request)) *http.Request {
		r, _ := http.NewRequest("GET", "http://a.example/x?y=z", nil)
		if f != nil {
			f(r)
		}
		return r
	}
	tests := map[string]struct {
		r    *http.Request
		want string // or else the error
	}{
		"plain":  {get(nil), "GET /x?y=z HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		"host":   {get(func(r *http.Request) { r.Host = "b.example:81" }), "GET /x?y=z HTTP/1.1\r\nHost: b.example:81\r\n\r\n"},
		"zone":   {get(func(r *http.Request) { r.Host = "[fe80::1%eth0]:81" }), "GET /x?y=z HTTP/1.1\r\nHost: [fe80::1]:81\r\n\r\n"},
		"idn":    {get(func(r *http.Request) { r.Host = "bücher.example:81" }), "GET /x?y=z HTTP/1.1\r\nHost: xn--bcher-kva.example:81\r\n\r\n"},
		"forged": {get(func(r *http.Request) { r.Host = "a\r\nX: y" }), "GET /x?y=z HTTP/1.1\r\nHost: \r\n\r\n"},
		"sorted": {get(func(r *http.Request) { r.Header = http.Header{"C": {"1"}, "A": {" 2 ", "3"}, "B": {""}} }),
			"GET /x?y=z HTTP/1.1\r\nHost: a.example\r\nA: 2\r\nA: 3\r\nB: \r\nC: 1\r\n\r\n"},
		"agent": {get(func(r *http.Request) { r.Header.Set("User-Agent", "") }), "GET /x?y=z HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		"framing-is-ours": {get(func(r *http.Request) {
			r.Header = http.Header{"Content-Length": {"5"}, "transfer-encoding": {"chunked"}, "Host": {"b"}, "trailer": {"x"}}
		}), "GET /x?y=z HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		"close":       {get(func(r *http.Request) { r.Close = true }), "GET /x?y=z HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"},
		"star":        {get(func(r *http.Request) { r.Method, r.URL.Path, r.URL.RawQuery = "OPTIONS", "*", "" }), "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		"empty-post":  {get(func(r *http.Request) { r.Method = "POST" }), "POST /x?y=z HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n"},
		"escaped":     {get(func(r *http.Request) { r.URL.RawPath, r.URL.Path = "/a%2Fb", "/a/b" }), "GET /a%2Fb?y=z HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		"space":       {get(func(r *http.Request) { r.URL.RawQuery = "a b HTTP/1.1" }), "GET /x?a%20b%20HTTP/1.1 HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		"control":     {get(func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" }), "control character"},
		"method":      {get(func(r *http.Request) { r.Method = "GET /" }), "cannot be sent"},
		"connect":     {get(func(r *http.Request) { r.Method = "CONNECT" }), "cannot be sent"},
		"name":        {get(func(r *http.Request) { r.Header["A: b\r\nC"] = []string{"d"} }), "cannot be sent"},
		"value":       {get(func(r *http.Request) { r.Header["A"] = []string{"d\r\nE: f"} }), "cannot be sent"},
		"no-host":     {get(func(r *http.Request) { r.Host, r.URL.Host = "", "" }), "no host"},
		"bad-trailer": {get(func(r *http.Request) { r.Body, r.Trailer = io.NopCloser(nil), http.Header{"Content-Length": nil} }), "trailer field"},
		"trailer": {get(func(r *http.Request) { r.Body, r.Trailer = io.NopCloser(nil), http.Header{"B": nil, "A": nil} }),
			"GET /x?y=z HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: A,B\r\n\r\n"},
	}
	s := newBuffers()
	for name, test := range tests {
		err := s.writeHead(test.r)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want an error about %q", name, err, test.want)
			}
			continue
		}
		if string(s.head) != test.want {
			t.Errorf("%s:\n%q, want\n%q", name, s.head, test.want)
		}
	}
}

// FuzzHead: whatever the parts of a request are, a server reads one request
// without content, with these very parts.
func FuzzHead(f *testing.F) {
	f.Add("GET", "/x", "a=b", "a.example", "Name", "value")
	f.Add("POST", "/x y", "a b", "[::1%25lo]:1", "X-A", "v\r\nB: c")
	f.Add("GET", "//x", "%", "ü", "Transfer-Encoding", "chunked")
	f.Fuzz(func(t *testing.T, method, path, query, host, name, value string) {
		r := &http.Request{
			Method: method, URL: &url.URL{Scheme: "http", Host: "a", Path: path, RawQuery: query}, Host: host,
			Header: http.Header{name: {value}},
		}
		s := newBuffers()
		if s.writeHead(r) != nil {
			return
		}
		b := bufio.NewReader(bytes.NewReader(s.head))
		got, err := http.ReadRequest(b)
		if err != nil {
			return // refused by who reads it: nothing is smuggled
		}
		if method == "" {
			method = "GET"
		}
		if got.Method != method || got.ContentLength != 0 || len(got.TransferEncoding) > 0 || b.Buffered() > 0 {
			t.Errorf("%q is read as %+v with %d bytes left", s.head, got, b.Buffered())
		}
		if n := len(got.Header); n > 2 || n == 2 && got.Header["Content-Length"] == nil {
			t.Errorf("%q is read with header %q", s.head, got.Header)
		}
	})
}

func TestHeadAllocs(t *testing.T) {
	s := newBuffers()
	r, _ := http.NewRequest("GET", "http://a.example/x", nil)
	for _, k := range []string{"Accept", "Accept-Encoding", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		r.Header.Set(k, "something")
	}
	if n := testing.AllocsPerRun(100, func() { s.writeHead(r) }); n > 1 { // the target's text
		t.Errorf("%v allocations", n)
	}
}

func TestProbeAllocs(t *testing.T) {
	s := newStand(t, options{}, answers(hello))
	s.mustGet()
	p := newProbe()
	if n := testing.AllocsPerRun(100, func() {
		if !s.quietOf(p) {
			t.Error("not quiet")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func (s *stand) quietOf(p *probe) bool { return p.quiet(s.client.newest.raw) }
