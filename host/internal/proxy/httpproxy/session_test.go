package httpproxy

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestAddressOfAPeer(t *testing.T) {
	for _, test := range []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1}, "192.0.2.1"},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 1}, "192.0.2.1"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"}, "fe80::1"},
		{&net.UnixAddr{Name: "@"}, "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := addrOf(test.addr).String(); got != test.want {
			t.Errorf("%v: %s, want %s", test.addr, got, test.want)
		}
	}
	if !netip.MustParsePrefix("192.0.2.0/24").Contains(addrOf(&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1")})) {
		t.Error("an IPv4 peer on an IPv6 socket is not of its network")
	}
}

func TestRequestWithoutASession(t *testing.T) {
	h, w := New(Config{}), httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "GET", "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}

func TestLinesOfADeadUpstreamAreFew(t *testing.T) {
	l, start := newLines(), time.Unix(1_000_000, 0)
	written, dropped := 0, ""
	for second := range 3 {
		for range 100 {
			if more, ok := l.take(start.Add(time.Duration(second) * time.Second)); ok {
				written++
				for _, m := range more {
					dropped += " " + m.(slog.Attr).String()
				}
			}
		}
	}
	if written != 3*linesPerSecond || dropped != " dropped=80 dropped=80" {
		t.Errorf("%d lines, dropped %q", written, dropped)
	}
}

func TestWantsJSON(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": true, "application/problem+json": true,
		"text/html,application/xhtml+xml,application/json": false, "text/plain, application/json;q=0.5": true,
	} {
		if got := wantsJSON(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("wantsJSON(%q) = %v, want %v", accept, got, want)
		}
	}
}

func TestReplyToHead(t *testing.T) {
	w := httptest.NewRecorder()
	reply(w, httptest.NewRequest("HEAD", "/", nil), 502, "why")
	if w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("content %q, fields %v; want no content and its length", w.Body, w.Header())
	}
}

func TestCloseWaitsForRequests(t *testing.T) {
	h := New(Config{})
	if !h.requests.begin() {
		t.Fatal("closed before Close")
	}
	closed := make(chan struct{})
	go func() { defer close(closed); h.Close() }()
	for h.requests.begin() { // until Close has shut it
		h.requests.end()
	}
	select {
	case <-closed:
		t.Error("Close returns while a request is served")
	default:
	}
	h.requests.end()
	<-closed
}
