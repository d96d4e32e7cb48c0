package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

const token = "0123456789abcdef"

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "127.0.0.1:9900"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// handler is what a server answers by.
func handler(cfg Config) http.Handler {
	return (&Server{failures: newFailures(), draining: make(chan struct{})}).routes(cfg)
}

func metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics here") })
}

func TestPages(t *testing.T) {
	var notReady atomic.Bool
	h := handler(Config{
		Metrics: metrics(),
		About:   func() []string { return []string{"host v1", "listening"} },
		Ready: func() error {
			if notReady.Load() {
				return errors.New("draining")
			}
			return nil
		},
	})
	for path, want := range map[string]string{
		"/": "host v1\nlistening\n", "/metrics": "metrics here", "/healthz": "ok", "/readyz": "ready",
	} {
		if rec := get(h, path); rec.Code != 200 || !strings.HasPrefix(rec.Body.String(), want) {
			t.Errorf("%s: %d %q, want 200 %q", path, rec.Code, rec.Body, want)
		}
	}
	notReady.Store(true)
	if rec := get(h, "/readyz"); rec.Code != 503 || rec.Body.String() != "draining\n" {
		t.Errorf("/readyz while draining: %d %q", rec.Code, rec.Body)
	}
	if rec := get(h, "/healthz"); rec.Code != 200 {
		t.Errorf("/healthz while draining: %d", rec.Code)
	}
	for _, path := range []string{"/debug/pprof/", "/nothing", "/metrics/x"} {
		if rec := get(h, path); rec.Code != 404 {
			t.Errorf("%s: %d, want 404", path, rec.Code)
		}
	}
	post := httptest.NewRecorder()
	h.ServeHTTP(post, httptest.NewRequest("POST", "http://127.0.0.1/metrics", nil))
	if post.Code != 405 {
		t.Errorf("POST /metrics: %d, want 405", post.Code)
	}
}

func TestPprofWhenAskedFor(t *testing.T) {
	h := handler(Config{Pprof: true})
	if rec := get(h, "/debug/pprof/goroutine?debug=1"); rec.Code != 200 || !strings.Contains(rec.Body.String(), "goroutine profile") {
		t.Errorf("%d %.80q", rec.Code, rec.Body)
	}
}

func TestTokenOpensWhatTells(t *testing.T) {
	h := handler(Config{Tokens: []string{"another-token-of-it", token}, Metrics: metrics(), Pprof: true})
	for _, tt := range []struct {
		path, auth string
		want       int
	}{
		{"/metrics", "", 401},
		{"/metrics", "Bearer " + token, 200},
		{"/metrics", "bearer  " + token, 200},
		{"/metrics", "Bearer " + token + "x", 401},
		{"/metrics", "Bearer", 401},
		{"/metrics", "Basic " + token, 401},
		{"/", "", 401},
		{"/debug/pprof/", "", 401},
		{"/healthz", "", 200},
		{"/readyz", "", 200},
	} {
		if rec := get(h, tt.path, "Authorization", tt.auth); rec.Code != tt.want {
			t.Errorf("%s with %q: %d, want %d", tt.path, tt.auth, rec.Code, tt.want)
		}
	}
	if rec := get(h, "/metrics"); !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Bearer") {
		t.Error("401 without WWW-Authenticate")
	}
}

func TestRebindingIsRefused(t *testing.T) {
	h := handler(Config{Metrics: metrics()})
	for host, want := range map[string]int{
		"127.0.0.1:9900": 200, "[::1]:9900": 200, "localhost:9900": 200, "localhost": 200, "::1": 200,
		"evil.example:9900": 421, "evil.example": 421, "": 421,
	} {
		if rec := get(h, "/metrics", "Host", host); rec.Code != want {
			t.Errorf("Host %q: %d, want %d", host, rec.Code, want)
		}
	}
}

func TestListenRefusesToBeOpen(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "host.example:0", "nonsense"} {
		if s, err := Listen(t.Context(), Config{Address: address}); !errors.Is(err, ErrOpen) {
			t.Errorf("Listen(%s) = %v, %v; want ErrOpen", address, s, err)
		}
	}
	s, err := Listen(t.Context(), Config{Address: ":0", Tokens: []string{token}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Listen(t.Context(), Config{Address: ":0", Tokens: []string{""}}); err == nil {
		t.Error("an empty token is accepted")
	}
}

func TestUpdateChangesTokens(t *testing.T) {
	s, err := Listen(t.Context(), Config{Address: "127.0.0.1:0", Metrics: metrics()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if rec := get(s, "/metrics"); rec.Code != 200 {
		t.Fatalf("before: %d", rec.Code)
	}
	if err := s.Update(Config{Address: "127.0.0.1:0", Metrics: metrics(), Tokens: []string{token}}); err != nil {
		t.Fatal(err)
	}
	if rec := get(s, "/metrics"); rec.Code != 401 {
		t.Errorf("after, without the token: %d", rec.Code)
	}
	if err := s.Update(Config{Address: "127.0.0.1:0", Tokens: []string{"short"}}); err == nil {
		t.Error("a short token is accepted")
	}
	if err := s.Update(Config{Address: "127.0.0.1:1"}); err == nil {
		t.Error("another address is accepted")
	}
	if rec := get(s, "/metrics", "Authorization", "Bearer "+token); rec.Code != 200 {
		t.Errorf("after refused updates: %d", rec.Code)
	}
}

func TestServeUntilShutdown(t *testing.T) {
	s, err := Listen(t.Context(), Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + s.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := client.Get("http://" + s.Addr().String() + "/healthz"); err == nil {
		t.Error("answers after Shutdown")
	}
}

// TestDegraded: a host that serves less than it was told to says what it
// lacks, and stays in its load balancer.
func TestDegraded(t *testing.T) {
	var reasons []string
	h := handler(Config{Degraded: func() []string { return reasons }})
	if rec := get(h, "/readyz"); rec.Code != 200 || rec.Body.String() != "ready\n" {
		t.Errorf("without a reason: %d %q", rec.Code, rec.Body)
	}
	reasons = []string{"disk is full", "policy x is not in force"}
	if rec := get(h, "/readyz"); rec.Code != 200 || rec.Body.String() != "degraded\ndisk is full\npolicy x is not in force\n" {
		t.Errorf("with reasons: %d %q", rec.Code, rec.Body)
	}
}
