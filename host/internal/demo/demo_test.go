package demo

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	New().ServeHTTP(rec, r)
	return rec
}

func TestPageShowsTheRequest(t *testing.T) {
	r := httptest.NewRequest("GET", "/a/b?c=<d>", nil)
	r.Header.Set("X-Test", "<script>")
	r.Header.Set("Cookie", "secret=1")
	text := do(r)
	for _, want := range []string{"GET /a/b?c=<d> HTTP/1.1", "X-Test: <script>", "Host: example.com", "Cookie: (not shown)"} {
		if !strings.Contains(text.Body.String(), want) {
			t.Errorf("no %s in:\n%s", want, text.Body)
		}
	}
	r.Header.Set("Accept", "text/html")
	page := do(r)
	if b := page.Body.String(); !strings.Contains(b, "X-Test<td>&lt;script&gt;") || strings.Contains(b, "<script>") || strings.Contains(b, "secret") {
		t.Errorf("page:\n%s", b)
	}
	if ct := page.Header().Get("Content-Type"); ct != "text/html; charset=utf-8" {
		t.Errorf("content type %q", ct)
	}
}

func TestEchoReturnsTheContent(t *testing.T) {
	rec := do(httptest.NewRequest("POST", "/echo", strings.NewReader("<b>there and back</b>")))
	if rec.Body.String() != "<b>there and back</b>" || rec.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("content %q, fields %v; want the request's content as application/octet-stream", rec.Body, rec.Header())
	}
}

func TestSlowWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if rec := do(httptest.NewRequest("GET", "/slow?d=7s", nil)); rec.Code != 200 || time.Since(start) != 7*time.Second {
			t.Errorf("%d after %s", rec.Code, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		do(httptest.NewRequest("GET", "/slow?d=7s", nil).WithContext(ctx))
		if took := time.Since(start); took != time.Second {
			t.Errorf("waits %s for a client that has gone", took)
		}
	})
	for _, d := range []string{"x", "-1s", "2h"} {
		if rec := do(httptest.NewRequest("GET", "/slow?d="+d, nil)); rec.Code != 400 {
			t.Errorf("d=%s: %d", d, rec.Code)
		}
	}
}

func TestEventsComeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rec := do(httptest.NewRequest("GET", "/events?n=3", nil))
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %s", took)
		}
		if n := strings.Count(rec.Body.String(), "\ndata: "); n != 3 || !rec.Flushed {
			t.Errorf("%d events, flushed %v:\n%s", n, rec.Flushed, rec.Body)
		}
	})
	if rec := do(httptest.NewRequest("GET", "/events?n=0", nil)); rec.Code != 400 {
		t.Errorf("n=0: %d", rec.Code)
	}
}

func TestEchoStreams(t *testing.T) {
	s := httptest.NewServer(New())
	defer s.Close()
	r, w := io.Pipe()
	req, err := http.NewRequest("POST", s.URL+"/echo", r)
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(w, "one\n") // ends when the server has read it
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); line != "one\n" || err != nil {
		t.Errorf("while the request goes on: %q, %v", line, err)
	}
	w.Close()
	if b, err := io.ReadAll(lines); len(b) > 0 || err != nil {
		t.Errorf("after its end: %q, %v", b, err)
	}
}
