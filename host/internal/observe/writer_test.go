package observe

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWriterKeepsOrderAndLosesNothingOnClose(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	var want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&want, "line %d\n", i)
		fmt.Fprintf(w, "line %d\n", i)
	}
	w.Close()
	if out.String() != want.String() || w.Dropped()[""] != 0 {
		t.Errorf("wrote %d bytes, want %d; dropped %d", out.Len(), want.Len(), w.Dropped()[""])
	}
	fmt.Fprintln(w, "late")
	if w.Close(); w.Dropped()[""] != 1 || strings.Contains(out.String(), "late") {
		t.Error("a line after Close was not dropped")
	}
}

// stuck is a pipe that nobody reads until release is closed.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) { <-s.release; return len(p), nil }

func TestWriterNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := stuck{make(chan struct{})}
		w := NewWriter(pipe)
		line := make([]byte, 1000)
		w.Write(line)
		synctest.Wait() // the first line is stuck in the pipe
		for range hostBytes/1000 + 10 {
			if n, err := w.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := w.Dropped()[""]; got != 10 {
			t.Errorf("dropped %d, want 10", got)
		}
		start := time.Now()
		w.Close()
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close gave up after %s", took)
		}
		close(pipe.release)
	})
}

func TestHammerWriter(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				fmt.Fprintln(w, "0123456789")
			}
		})
	}
	wg.Wait()
	w.Close()
	if n := strings.Count(out.String(), "0123456789\n"); n != 4000 {
		t.Errorf("%d whole lines, want 4000", n)
	}
}

// TestTenantsShareTheQueue: while nobody reads the log, one tenant's lines take
// half of what is free, and leave room for another's and for the host's own.
func TestTenantsShareTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := stuck{make(chan struct{})}
		w := NewWriter(pipe)
		defer w.Close()
		defer close(pipe.release)
		line := bytes.Repeat([]byte("x"), 1024)
		w.put("first", line)
		synctest.Wait() // it is stuck in the pipe
		fill := func(tenant string) (n int) {
			for range 2 * tenantBytes / len(line) {
				if _, ok := w.put(tenant, line); ok {
					n++
				}
			}
			return n
		}
		const all = tenantBytes / 1024
		if n := fill("loud"); n != all/2 {
			t.Errorf("one tenant has %d lines queued, want %d", n, all/2)
		}
		if n := fill("louder"); n != all/4 {
			t.Errorf("a second one has %d, want %d", n, all/4)
		}
		for i := range 50 {
			if _, ok := w.put(fmt.Sprint("quiet", i), line); !ok {
				t.Fatalf("the line of quiet tenant %d is dropped", i)
			}
		}
		if n := fill(""); n != hostBytes/len(line) {
			t.Errorf("%d lines of the host's own, want %d", n, hostBytes/len(line))
		}
		got := w.Dropped()
		for tenant, queued := range map[string]uint64{"loud": all / 2, "louder": all / 4, "": hostBytes / 1024} {
			if want := 2*all - queued; got[tenant] != want {
				t.Errorf("dropped %d of %q, want %d", got[tenant], tenant, want)
			}
		}
		if len(got) != 3 {
			t.Errorf("dropped %v, of more than three", got)
		}
	})
}

// TestDroppedLinesAreTold: in the log, once there is room again, whose lines
// are missing and how many.
func TestDroppedLinesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &tap{open: make(chan struct{})}
		w := NewWriter(pipe)
		logger, _, err := NewLogger(w, "text", "info")
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("first")
		synctest.Wait() // it is stuck
		long := strings.Repeat("x", 10_000)
		shop := logger.With("tenant", "shop")
		sent := 0
		for w.Dropped()["shop"] < 3 {
			shop.Info(long)
			sent++
		}
		logger.Info("another", "tenant", "bank")
		close(pipe.open)
		synctest.Wait()
		logger.Info("last", "tenant", "shop")
		w.Close()
		text := pipe.out.String()
		if n := strings.Count(text, long); n != sent-3 {
			t.Errorf("%d of %d long lines, want all but 3", n, sent)
		}
		if !strings.Contains(text, `is too slow" tenant=shop lines=3`) || strings.Count(text, "log lines dropped") != 1 {
			t.Errorf("what was dropped is not told, or more than once: %s", strings.ReplaceAll(text, long, "..."))
		}
		if !strings.Contains(text, "msg=another tenant=bank") {
			t.Error("another tenant's line is missing")
		}
	})
}

// tap is a pipe that is read once it is open.
type tap struct {
	open chan struct{}
	out  bytes.Buffer // read when nobody writes
}

func (p *tap) Write(b []byte) (int, error) {
	<-p.open
	return p.out.Write(b)
}

// TestHammerTenantsLines: what is written and what is dropped is all there was,
// for each tenant, and no line is torn.
func TestHammerTenantsLines(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	logger, _, err := NewLogger(w, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	const each = 2000
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			l := logger.WithGroup("g").With("n", i)
			for range each {
				l.Info("grouped", "text", strings.Repeat("y", 300))
				logger.Info("line", "tenant", fmt.Sprint("t", i%4))
				w.Dropped()
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		w.Forget(fmt.Sprint("t", i, "-never-seen"))
	}
	dropped := w.Dropped()
	w.Close()
	for i := range 4 {
		name := fmt.Sprint("t", i)
		lines := strings.Count(out.String(), `"msg":"line","tenant":"`+name+"\"}\n")
		if got := uint64(lines) + dropped[name]; got != 2*each {
			t.Errorf("%s: %d lines and %d dropped, want %d together", name, lines, dropped[name], 2*each)
		}
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("torn: %q", line)
		}
	}
}
