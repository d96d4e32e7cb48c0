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
	if out.String() != want.String() || w.Dropped() != 0 {
		t.Errorf("wrote %d bytes, want %d; dropped %d", out.Len(), want.Len(), w.Dropped())
	}
	fmt.Fprintln(w, "late")
	if w.Close(); w.Dropped() != 1 || strings.Contains(out.String(), "late") {
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
		for range queueBytes/1000 + 10 {
			if n, err := w.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := w.Dropped(); got != 10 {
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
