package cli

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// screen is what has been written.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// take returns what has been written since it was asked last.
func (s *screen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

func TestProgressShowsTheUploadAndThenTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := newProgress(&s, "the host checks adaptive.wasm", 1000)
		step := func(d time.Duration) string { time.Sleep(d); synctest.Wait(); return s.take() }
		if text := step(progressAfter - 1); text != "" {
			t.Errorf("a short wait shows %q", text)
		}
		p.tell(500)
		if text := step(1 + progressStep); !strings.Contains(text, "uploading 1000 B  50%") {
			t.Errorf("half way: %q", text)
		}
		p.tell(1000)
		if text := step(2 * time.Second); !strings.Contains(text, "the host checks adaptive.wasm 1s") {
			t.Errorf("waiting: %q", text)
		}
		p.tell(250) // sent again
		if text := step(progressStep); !strings.Contains(text, "uploading 1000 B  25%") {
			t.Errorf("again: %q", text)
		}
		p.end()
		text := s.take()
		if last := text[strings.LastIndex(text, "\r")+1:]; strings.TrimSpace(last) != "" {
			t.Errorf("left behind: %q", text)
		}
	})
}

func TestProgressOfAQuickUploadShowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		p := newProgress(&s, "x", 0)
		time.Sleep(progressAfter - 1)
		p.end()
		if text := s.take(); text != "" {
			t.Errorf("%q", text)
		}
	})
}

func TestProgressIsForTerminals(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if terminal(&bytes.Buffer{}) || terminal(f) {
		t.Error("a file is a terminal")
	}
	s := &session{remote: &remote{}, err: f}
	if p := s.progress("x", 1); p != nil || p.sender() != nil {
		t.Error("a file is shown progress")
	}
	(*progress)(nil).end()
}
