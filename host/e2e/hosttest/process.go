// Package hosttest runs the real program, as a process of its own, for tests
// and benchmarks: it builds it once, starts it on free ports, reads its log,
// signals it and tells what it cost.
package hosttest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/testnet"
)

// Patience bounds every wait for a condition.
const Patience = testnet.Patience

// Build builds the package, by its import path, into dir and returns the
// program's path.
func Build(dir, pkg string, flags ...string) (string, error) {
	out := filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-o", out}, flags...)
	if text, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// Process is a running program.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has exited and its output is read
	err  error         // of Wait; set before done is closed

	mu    sync.Mutex // guards the following
	lines []string   // both outputs
	more  chan struct{}
}

// Start runs the program until the test ends.
func Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	return StartIn(t, "", program, args...)
}

// StartIn is Start in a folder.
func StartIn(t testing.TB, dir, program string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(program, args...), done: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Dir = dir
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(r)
	}()
	go func() {
		p.err = p.cmd.Wait()
		w.Close()
		<-read
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s %s:\n%s", filepath.Base(program), strings.Join(args, " "), p.tail(60))
		}
	})
	return p
}

// read keeps the output, line by line.
func (p *Process) read(r io.Reader) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if line != "" {
			p.mu.Lock()
			p.lines = append(p.lines, strings.TrimSuffix(line, "\n"))
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

func (p *Process) tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(len(p.lines)-n, 0):], "\n")
}

// Lines returns the output so far that contains all of the parts.
func (p *Process) Lines(parts ...string) (found []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if containsAll(l, parts) {
			found = append(found, l)
		}
	}
	return found
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// Line waits for the first line of output that contains all of the parts.
func (p *Process) Line(t testing.TB, parts ...string) string {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for from := 0; ; {
		p.mu.Lock()
		for ; from < len(p.lines); from++ {
			if containsAll(p.lines[from], parts) {
				defer p.mu.Unlock()
				return p.lines[from]
			}
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-p.done:
			t.Fatalf("the program ended (%v) without a line that says %q:\n%s", p.err, parts, p.tail(40))
		case <-timeout.C:
			t.Fatalf("no line says %q:\n%s", parts, p.tail(40))
		}
	}
}

// Signal sends a signal.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Exit waits for the program's end and returns its exit code; -1 when a
// signal ended it.
func (p *Process) Exit(t testing.TB) int {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		t.Fatalf("the program does not end:\n%s", p.tail(40))
	}
	if exit := (*exec.ExitError)(nil); errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Tool returns the path of a program that a test uses; without it the test is
// skipped, with a message.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} { // nginx, where PATH is a user's
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// Run runs a tool to its end and returns its output; an error fails the test.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// Until polls a condition.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testnet.Eventually(t, what, ok)
}
