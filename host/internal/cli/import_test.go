package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnImportThatIsBrokenOffLeavesNothing behind, and what was there as it was.
func TestAnImportThatIsBrokenOffLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	log.WriteString("time_ms\tclient\n")
	for i := range 2 * recordStep {
		fmt.Fprintf(&log, "%d\t%d\n", i, i%7)
	}
	out := filepath.Join(dir, "out")
	if err := os.WriteFile(out, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	args := []string{"import", "-", "--out", out, "--force"}
	if got := Main(ctx, args, strings.NewReader(log.String()), &stdout, &stderr); got != ExitError {
		t.Errorf("exit code %d: %s", got, &stderr)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if text, err := os.ReadFile(out); string(text) != "before" {
		t.Errorf("the file that was there is %q, %v", text, err)
	}
	if got := Main(t.Context(), args, strings.NewReader(log.String()), &stdout, &stderr); got != ExitOK {
		t.Fatalf("exit code %d: %s", got, &stderr)
	}
	if text, err := os.ReadFile(out); err != nil || !bytes.HasPrefix(text, []byte("\x89IDLE")) {
		t.Errorf("the file is %.9q, %v", text, err)
	}
	if !strings.Contains(stdout.String(), "requests   8,192") {
		t.Errorf("said:\n%s", &stdout)
	}
}

// stalled is a log whose writer is interrupted together with its reader, and
// says nothing more.
type stalled struct {
	io.Reader
	stop func()
	end  <-chan struct{}
}

func (s stalled) Read(b []byte) (int, error) {
	if n, err := s.Reader.Read(b); err != io.EOF {
		return n, err
	}
	s.stop()
	<-s.end
	return 0, io.EOF
}

// TestAnImportThatWaitsIsInterrupted while it has not even been told what it
// reads, and later.
func TestAnImportThatWaitsIsInterrupted(t *testing.T) {
	for name, text := range map[string]string{"at once": "", "later": "time_ms\tclient\n" + strings.Repeat("1\t2\n", 1<<18)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			var stdout, stderr bytes.Buffer
			args := []string{"import", "-", "--out", filepath.Join(dir, "out")}
			log := stalled{strings.NewReader(text), cancel, t.Context().Done()}
			if got := Main(ctx, args, log, &stdout, &stderr); got != ExitError {
				t.Errorf("exit code %d", got)
			}
			if !strings.Contains(stderr.String(), "host: error: interrupted") {
				t.Errorf("said %q", &stderr)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
				t.Errorf("left behind: %v, %v", files, err)
			}
		})
	}
}
