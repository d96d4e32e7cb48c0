package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// running is a host within the test, with what it reads and says.
type running struct {
	*App
	t       *testing.T
	next    atomic.Pointer[config.Config] // what Load returns; nil: an error
	signals chan os.Signal
	out     safeBuffer
	log     safeBuffer
	ended   chan error
}

// start runs a host until the test ends. edit changes the defaults.
func start(t *testing.T, edit func(*config.Config)) *running { return startWith(t, nil, edit) }

// startWith has a compiler of the test's; nil: the host's.
func startWith(t *testing.T, compiler engine.Compiler, edit func(*config.Config)) *running {
	t.Helper()
	r := &running{t: t, signals: make(chan os.Signal, 1), ended: make(chan error, 1)}
	r.next.Store(configOf(edit))
	a, err := New(t.Context(), Config{Version: "test", Load: r.load, Stdout: &r.out, Stderr: &r.log, compiler: compiler})
	if err != nil {
		t.Fatal(err)
	}
	r.App = a
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.ended <- errors.Join(a.Run(ctx, r.signals), a.Close()) }()
	t.Cleanup(func() {
		cancel()
		if err, ok := <-r.ended; ok && err != nil {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log.String())
		}
	})
	return r
}

// configOf returns complete defaults on free ports, edited.
func configOf(edit func(*config.Config)) *config.Config {
	c := config.Default()
	c.Listeners = []config.Listener{{Address: "127.0.0.1:0"}}
	c.Admin.Address = "127.0.0.1:0"
	c.Log.Format = "json"
	if edit != nil {
		edit(c)
	}
	c.Complete()
	return c
}

func (r *running) load() (*config.Config, error) {
	c := r.next.Load()
	if c == nil {
		return nil, errors.New("no configuration")
	}
	return c, c.Check()
}

// reload changes the configuration, as a file and SIGHUP would.
func (r *running) reload(c *config.Config) error {
	r.t.Helper()
	r.next.Store(c)
	return r.Reload(r.t.Context())
}

// wait returns what Run returned.
func (r *running) wait() error {
	err := <-r.ended
	close(r.ended)
	return err
}

// url returns the address of listener i.
func (r *running) url(i int) string {
	r.listeners.mu.Lock()
	defer r.listeners.mu.Unlock()
	return r.listeners.active[i].url()
}

// metricsText scrapes.
func (r *running) metricsText() string {
	rec := httptest.NewRecorder()
	r.metrics.Handler(r.logger).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return rec.Body.String()
}

// quiesce flushes the log by ending the host, and returns it.
func (r *running) quiesce() string {
	r.signals <- os.Interrupt
	if err := r.wait(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
	return r.log.String()
}

// rest waits until the host has noted the end of every request: the client has
// its answer before.
func (r *running) rest() {
	r.t.Helper()
	testnet.Eventually(r.t, "every connection is between two requests", func() bool {
		rest := true
		r.governor.Each(func(c *idle.Conn) bool {
			var s idle.Status
			c.Status(&s) // by then the end is on the tape too
			rest = s.Phase == abi.PhaseIdle
			return rest
		})
		return rest
	})
}

func get(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// client returns a client with a pool of its own.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// echo is an upstream that says its name.
func echo(t *testing.T, name string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, name+" "+r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %s in:\n%s", p, text)
		}
	}
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// tenant returns the tenant of that name.
func (r *running) tenantRuntime(name string) *tenantRuntime {
	r.t.Helper()
	m := r.tenants.get(name)
	if m == nil {
		r.t.Fatalf("no tenant is called %s", name)
	}
	return m
}
