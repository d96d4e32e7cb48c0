package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rehearse is a plan for few connections.
func rehearse(t *testing.T, only ...string) *plan {
	t.Helper()
	p, err := parsePlan([]string{"-short"})
	if err != nil {
		t.Fatal(err)
	}
	p.begun, p.dir, p.quiet = time.Now(), t.TempDir(), true
	if p.descriptors, err = descriptors(); err != nil {
		t.Skip(err)
	}
	if p.certificate, err = writeCertificate(p.dir); err != nil {
		t.Fatal(err)
	}
	list := ""
	for _, name := range only {
		list += "," + name
	}
	if p.contestants, err = pick(contestants, list[min(1, len(list)):]); err != nil {
		t.Fatal(err)
	}
	return p
}

// theHost builds the host for the tests that want it.
func theHost(t *testing.T) string {
	t.Helper()
	program, err := findHost(&plan{dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestEveryContestantServesEveryKind starts each that can be had, with its own
// configuration, and asks it everything that a run asks.
func TestEveryContestantServesEveryKind(t *testing.T) {
	host := theHost(t)
	for _, c := range contestants {
		t.Run(c.name, func(t *testing.T) {
			p := rehearse(t, c.name)
			p.host = host
			if _, err := c.find(p); errors.Is(err, errMissing) {
				t.Skip(err)
			}
			t.Parallel()
			e, err := p.start(t.Context(), c, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer e.end()
			for _, s := range scenarios {
				try(t, e, s)
			}
			for _, w := range works {
				r, err := e.crew.run(w.kind, e.address(w.kind), w.mode, 3, 10)
				if err != nil || r.Failed > 0 {
					t.Errorf("%s: %+v, %v", w.title, r, err)
				}
			}
			if cpu, rss, err := usage(e.group); err != nil || cpu <= 0 || rss < 1<<20 {
				t.Errorf("usage = %v, %d, %v", cpu, rss, err)
			}
		})
	}
}

func try(t *testing.T, e *entrant, s scenario) {
	t.Helper()
	const n = 20
	if r, err := e.crew.open(s.kind, e.address(s.kind), n, s.ask); err != nil || r.Failed > 0 {
		t.Errorf("%s: open: %+v, %v", s.name, r, err)
	}
	if r, err := e.crew.burst(); err != nil || r.Failed > 0 || r.Took <= 0 {
		t.Errorf("%s: burst: %+v, %v", s.name, r, err)
	}
	if r, err := e.crew.askAll(); err != nil || r.Failed > 0 {
		t.Errorf("%s: ask: %+v, %v", s.name, r, err)
	}
	if err := e.crew.closeAll(); err != nil {
		t.Errorf("%s: close: %v", s.name, err)
	}
}

// TestFailuresAreCounted: a proxy whose upstream is gone answers, but not well.
func TestFailuresAreCounted(t *testing.T) {
	p := rehearse(t, "net-http")
	e, err := p.start(t.Context(), p.contestants[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.end()
	if r, err := e.crew.open(http1, e.Plain, 5, true); err != nil || r.Failed > 0 {
		t.Fatalf("open: %+v, %v", r, err)
	}
	e.upstream.end()
	if r, err := e.crew.burst(); err != nil || r.Failed != 5 || r.Error == "" {
		t.Errorf("burst without an upstream: %+v, %v; want 5 failures with a reason", r, err)
	}
	if r, err := e.crew.run(https1, e.TLS, perRequest, 2, 4); err != nil || r.Failed != 4 {
		t.Errorf("load without an upstream: %+v, %v; want 4 failures", r, err)
	}
	if r, err := e.crew.run(http1, e.Upstream, keepAlive, 1, 1); err != nil || r.Failed == 0 {
		t.Errorf("load on nothing: %+v, %v", r, err)
	}
}

// TestWholeRun measures a little of everything, through the files.
func TestWholeRun(t *testing.T) {
	p := rehearse(t, "net-http", "haproxy")
	p.settle, p.holdTime = 10*time.Millisecond, 10*time.Millisecond
	p.sizes, p.holdConns, p.requests, p.conns, p.memRounds = []int{5, 10}, 5, 20, 2, 2
	p.cases = p.cases[:2]
	p.results = filepath.Join(t.TempDir(), "results.txt")
	p.doc = filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(p.doc, []byte("# Doc\n\n"+begin+end), 0o600); err != nil {
		t.Fatal(err)
	}
	p.rows = []string{rowMemory, rowBurst, rowRequest, rowAccept}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(p.results)
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseRecords(string(raw))
	if err != nil || len(all) != len(p.records) {
		t.Fatalf("%d results were written, %d read: %v", len(p.records), len(all), err)
	}
	if got, want := tables(all), tables(p.records); got != want {
		t.Errorf("tables of what was read:\n%s\nwant\n%s", got, want)
	}
	doc, err := os.ReadFile(p.doc)
	if err != nil || !strings.Contains(string(doc), "No connection and no request has failed.") {
		t.Errorf("document: %v\n%s", err, doc)
	}
}

// TestRunCanBeCutShort: nobody is left behind.
func TestRunCanBeCutShort(t *testing.T) {
	p := rehearse(t, "net-http")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("run = %v, want %v", err, context.Canceled)
	}
}
