package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/sandbox/compile"
)

// workerEnv makes the test binary a worker: it judges modules from standard
// input, one at a time, and may be killed while it does. It names a folder for
// compiled code.
const workerEnv = "HOSTILE_WORKER"

// compileApart makes it the child that compiles for a worker.
const compileApart = "compile-apart"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == compileApart {
		if err := compile.Child(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(workerEnv) == "" {
		os.Exit(m.Run())
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// job is a line of JSON in front of Size bytes of module.
type job struct {
	Size   int
	Params map[string]string
}

func serve(in io.Reader, out io.Writer) error {
	r, enc := bufio.NewReader(in), json.NewEncoder(out)
	compiler, err := compile.New(context.Background(), compile.Config{Argv: []string{os.Args[0], compileApart}, Dir: filepath.Join(os.Getenv(workerEnv), "code")})
	if err != nil {
		return err
	}
	defer compiler.Close()
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		var j job
		if err := json.Unmarshal(line, &j); err != nil {
			return err
		}
		wasm := make([]byte, j.Size)
		if _, err := io.ReadFull(r, wasm); err != nil {
			return err
		}
		forget()
		before := cpu(os.Getpid())
		v := judge(compile.Loader{Compiler: compiler}, wasm, j.Params)
		v.CPU, v.Peak = cpu(os.Getpid())-before, peak(os.Getpid())
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
}

// worker is a process that judges.
type worker struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    chan []byte // lines; closed when the process has ended
	stderr *bytes.Buffer
}

func newWorker(t testing.TB) *worker {
	t.Helper()
	w := &worker{cmd: exec.Command(os.Args[0]), out: make(chan []byte), stderr: new(bytes.Buffer)}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+t.TempDir(), "GOTRACEBACK=single")
	w.cmd.Stderr = w.stderr
	in, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.in = in
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go w.read(out)
	return w
}

// read ends with the process, which ends with stop.
func (w *worker) read(out io.Reader) {
	defer close(w.out)
	s := bufio.NewScanner(out)
	for s.Scan() {
		w.out <- bytes.Clone(s.Bytes())
	}
}

// stop kills the process, and waits for it.
func (w *worker) stop() {
	_ = w.in.Close()
	_ = w.cmd.Process.Kill()
	for range w.out {
	}
	_ = w.cmd.Wait()
}

// The bounds on judging one module, as the race detector stretches them. CPU
// is what counts; the clock only ends what takes none.
const (
	cpuMs    = 2000 * raceSlow
	wall     = 10 * time.Minute
	memoryKB = raceLarge * 256 << 10
)

// judge has a module judged. The error says what it did to the process, which
// is then gone.
func (w *worker) judge(wasm []byte, params map[string]string) (v verdict, err error) {
	head, err := json.Marshal(job{Size: len(wasm), Params: params})
	if err != nil {
		return v, err
	}
	if _, err := w.in.Write(append(append(head, '\n'), wasm...)); err != nil {
		return v, fmt.Errorf("killed the process: %s", w.stderr)
	}
	watch := time.NewTicker(10 * time.Millisecond)
	defer watch.Stop()
	before := cpu(w.cmd.Process.Pid)
	for deadline := time.Now().Add(wall); ; {
		select {
		case line, ok := <-w.out:
			if !ok {
				return v, fmt.Errorf("killed the process: %.200s", w.stderr)
			}
			if err := json.Unmarshal(line, &v); err != nil {
				return v, err
			}
			if v.CPU > cpuMs || v.Peak > memoryKB {
				return v, fmt.Errorf("took %d ms of CPU and %d KiB", v.CPU, v.Peak)
			}
			return v, nil
		case now := <-watch.C:
			if used := peak(w.cmd.Process.Pid); used > memoryKB {
				return v, fmt.Errorf("took %d KiB and more", used)
			}
			if used := cpu(w.cmd.Process.Pid) - before; used > 2*cpuMs || now.After(deadline) {
				return v, fmt.Errorf("took %d ms of CPU and more", used)
			}
		}
	}
}

// cpu returns the CPU time that a process has taken, in ms, where the platform
// tells; else the time of day.
func cpu(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return time.Now().UnixMilli()
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return 10 * (user + system) // of 1/100 s
}

// peak returns the most memory that a process has had since it forgot, in KiB;
// 0 where the platform does not tell.
func peak(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(f[0], 10, 64)
	return n
}

// forget makes what the process has now its peak.
func forget() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }
