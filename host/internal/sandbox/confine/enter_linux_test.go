package confine

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// world is what the children of one test may try to reach.
type world struct {
	code, out string // directories: one may be read, the other also written
	inside    string // a file in code
	outside   string // a file elsewhere
	port      string
	abstract  string
}

func newWorld(t *testing.T) world {
	t.Helper()
	dir := t.TempDir()
	w := world{code: dir + "/code", out: dir + "/out", inside: dir + "/code/file", outside: dir + "/outside"}
	for _, d := range []string{w.code, w.out} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.renew(t)
	tcp, abstract, err := listeners()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close(); abstract.Close() })
	w.port, w.abstract = strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port), abstract.Addr().String()
	return w
}

// renew writes what an attempt may have removed.
func (w world) renew(t *testing.T) {
	t.Helper()
	for _, name := range []string{w.inside, w.outside} {
		if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// refusal is how a measure lets an attempt fail.
type refusal struct {
	by     Measure
	errno  syscall.Errno
	signal syscall.Signal
}

func denied(by Measure, errno syscall.Errno) refusal { return refusal{by: by, errno: errno} }
func killed(by Measure) refusal                      { return refusal{by: by, signal: syscall.SIGSYS} }

func (r refusal) holds(o outcome, e Exit) bool {
	if r.signal != 0 {
		return e.Signal == r.signal
	}
	return o.Errno == r.errno && o.Error != ""
}

// TestRefusals: each measure that is named refuses the attempt when it is alone
// among them, and without all of them the attempt succeeds.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const acces, perm, nosys = syscall.EACCES, syscall.EPERM, syscall.ENOSYS
	w := newWorld(t)
	read := Limits{Read: []string{w.code}, FileSize: 1 << 20}
	write := Limits{Write: []string{w.out}, Read: []string{w.code}, FileSize: 1 << 30}
	for _, tt := range []struct {
		attempt  string
		limits   Limits
		arg      string
		refusals []refusal
	}{
		{"exec", read, "", []refusal{killed(Seccomp), denied(Landlock, acces)}},
		{"fork", read, "", []refusal{denied(Seccomp, perm)}},
		{"fork by clone3", read, "", []refusal{denied(Seccomp, nosys)}},
		{"socket", read, "", []refusal{killed(Seccomp)}},
		{"connect", read, w.port, []refusal{killed(Seccomp), denied(LandlockTCP, acces)}},
		{"bind", read, "", []refusal{killed(Seccomp), denied(LandlockTCP, acces)}},
		{"abstract socket", read, w.abstract, []refusal{killed(Seccomp), denied(LandlockIPC, perm)}},
		{"signal to the parent", read, "", []refusal{denied(Seccomp, perm), denied(LandlockIPC, perm)}},
		{"signal to a thread", read, "", []refusal{denied(Seccomp, perm), denied(LandlockIPC, perm)}},
		{"ptrace", read, "", []refusal{killed(Seccomp), denied(Landlock, perm), denied(Capabilities, perm)}},
		{"memory of the parent", read, "", []refusal{killed(Seccomp), denied(Landlock, perm), denied(Capabilities, perm)}},
		{"read", read, w.outside, []refusal{denied(Landlock, acces)}},
		{"read", read, "/proc/self/status", []refusal{denied(Landlock, acces)}},
		{"open for writing", read, w.inside, []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"open for both", read, w.inside, []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"truncate", read, w.inside, []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"create", read, w.code + "/new", []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"remove", read, w.inside, []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"rename", read, w.inside, []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"open for writing", write, w.inside, []refusal{denied(Landlock, acces)}},
		{"create", write, w.code + "/new", []refusal{denied(Landlock, acces)}},
		{"shared memory", read, "", []refusal{denied(Seccomp, perm)}},
		{"file in memory", read, "", []refusal{denied(Seccomp, perm)}},
		{"raise a limit", read, "", []refusal{denied(Seccomp, perm)}},
		{"signals about a file", read, "", []refusal{denied(Seccomp, perm)}},
		{"read on all threads", read, w.outside, []refusal{denied(Landlock, acces)}},
		{"create on all threads", read, w.code + "/new", []refusal{denied(Seccomp, perm), denied(Landlock, acces)}},
		{"descriptors", Limits{Descriptors: 32}, "", []refusal{denied(Rlimits, syscall.EMFILE)}},
		{"file size", Limits{FileSize: 1 << 10, Write: []string{w.out}}, w.out + "/large", []refusal{denied(Rlimits, syscall.EFBIG)}},
	} {
		t.Run(tt.attempt+" "+filepath.Base(tt.arg), func(t *testing.T) {
			var off []Measure
			for _, r := range tt.refusals {
				off = append(off, r.by.step())
			}
			for _, r := range tt.refusals {
				if r.by == Capabilities && os.Getuid() != 0 {
					continue // there are none to lose
				}
				others := slices.DeleteFunc(slices.Clone(off), func(m Measure) bool { return m == r.by.step() })
				o, e, stderr := try(t, tt.limits, tt.attempt, []string{tt.arg}, others...)
				if why, missing := o.lacks(r.by); missing {
					t.Logf("skip %s, which this machine lacks: %s", r.by, why)
					continue
				}
				if !r.holds(o, e) {
					t.Errorf("under %s and not %v: %+v, %+v, %s", r.by, others, o, e, stderr)
				}
				w.renew(t)
			}
			if ptraced := tt.attempt == "ptrace" || tt.attempt == "memory of the parent"; ptraced && !mayTrace() {
				t.Log("skip the attempt without measures: Yama forbids it on this machine")
				return
			}
			if o, e, stderr := try(t, tt.limits, tt.attempt, []string{tt.arg}, off...); e.Err != nil || o.Error != "" {
				t.Errorf("without %v: %+v, %+v, %s", off, o, e, stderr)
			}
			_ = os.Remove(w.code + "/new")
			_ = os.Remove(w.inside + ".new")
			w.renew(t)
		})
	}
}

// step is the measure that a measure comes with.
func (m Measure) step() Measure {
	for _, s := range steps {
		if slices.Contains(s.measures, m) {
			return s.measures[0]
		}
	}
	panic(m)
}

// lacks reports whether the machine has no such measure. A child that was
// killed has said nothing.
func (o outcome) lacks(m Measure) (why string, missing bool) {
	for _, l := range o.Report.Missing {
		if l.Measure == m {
			return l.Reason, true
		}
	}
	return "", false
}

// mayTrace reports whether a process may trace one that is not its child.
func mayTrace() bool {
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return err != nil || strings.TrimSpace(string(scope)) == "0"
}

// TestPermitted: what a child has to do works under all measures.
func TestPermitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		attempt string
		limits  Limits
		arg     string
		want    string
	}{
		{"work", Limits{Memory: 1 << 30}, "", "done"},
		{"read", Limits{Read: []string{w.code}}, w.inside, "content"},
		{"read", Limits{Write: []string{w.out, w.code}}, w.inside, "content"},
		{"create", Limits{Write: []string{w.out}, FileSize: 1 << 20}, w.out + "/new", ""},
		{"rename", Limits{Write: []string{w.out}}, w.out + "/new", ""},
		{"remove", Limits{Write: []string{w.out}}, w.out + "/new.new", ""},
		{"signal to itself", Limits{}, "", ""},
	} {
		o, e, stderr := try(t, tt.limits, tt.attempt, []string{tt.arg})
		if e.Err != nil || o.Error != "" || o.Value != tt.want {
			t.Errorf("%s: %+v, %+v, %s", tt.attempt, o, e, stderr)
		}
	}
}

// TestBounds: a child that takes more than it may ends of it, and says of what.
func TestBounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attempt string
		limits  Limits
		arg     string
		code    int
		signal  syscall.Signal
		stderr  string
	}{
		{"memory", Limits{Memory: 192 << 20}, "512", outOfMemoryCode, 0, outOfMemory},
		{"stack", Limits{Stack: 1 << 20}, "", 2, 0, "stack overflow"},
		{"processor", Limits{CPU: 1}, "", -1, syscall.SIGKILL, ""},
		{"panic", Limits{}, "", 2, 0, "as expected"},
	} {
		t.Run(tt.attempt, func(t *testing.T) {
			t.Parallel()
			_, e, stderr := try(t, tt.limits, tt.attempt, []string{tt.arg})
			if e.Code != tt.code || e.Signal != tt.signal || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("%+v: %s", e, stderr)
			}
			if tt.limits.CPU > 0 && e.CPU < time.Second {
				t.Errorf("end %+v, want at least 1s of processor time", e)
			}
		})
	}
	if o, e, stderr := try(t, Limits{Memory: 192 << 20}, "memory", []string{"512"}, Rlimits); e.Err != nil || o.Error != "" {
		t.Errorf("without a limit of memory: %+v, %+v: %s", o, e, stderr)
	}
}

// What ends a child that was refused memory: Go's allocator, or the one below
// the race detector.
var outOfMemoryCode, outOfMemory = func() (int, string) {
	if len(raceEnviron) > 0 {
		return 66, "failed to allocate"
	}
	return 2, "out of memory"
}()

// TestThreadsAreConfined: also those that were there before Enter.
func TestThreadsAreConfined(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		off  []Measure
		want string // of no_new_privs and seccomp, on all threads
	}{
		{[]Measure{Landlock}, "true true"},
		{[]Measure{Landlock, NoNewPrivs}, "true true"}, // comes with the filter
		{[]Measure{Landlock, Seccomp}, "true false"},
		{[]Measure{Landlock, Seccomp, NoNewPrivs}, "false false"},
	} {
		o, e, stderr := try(t, Limits{}, "status of threads", nil, tt.off...)
		if why, missing := o.lacks(Seccomp); missing {
			t.Skip(why)
		}
		if o.Value != tt.want || o.Error != "" {
			t.Errorf("without %v: %+v, %+v, %s", tt.off, o, e, stderr)
		}
	}
}

func TestNotDumpable(t *testing.T) {
	t.Parallel()
	for off, want := range map[Measure]string{Capabilities: "0", NotDumpable: "1"} {
		if o, e, stderr := try(t, Limits{}, "dumpable", nil, Seccomp, off); o.Value != want {
			t.Errorf("without %s: %+v, %+v, %s", off, o, e, stderr)
		}
	}
}

// TestReport: on a machine that has everything, everything is in force, and
// there is nothing to warn of.
func TestReport(t *testing.T) {
	t.Parallel()
	o, e, stderr := try(t, Limits{}, "signal to itself", nil)
	if e.Err != nil {
		t.Fatal(e, stderr)
	}
	if all := append(slices.Clone(o.Report.InForce), missing(o.Report)...); len(all) != len(measures) {
		t.Errorf("%+v: not every measure is accounted for", o.Report)
	}
	for _, m := range o.Report.Missing {
		t.Logf("this machine lacks %s: %s", m.Measure, m.Reason)
	}
	if len(o.Report.Missing) == 0 && o.Report.Warning() != "" {
		t.Error(o.Report.Warning())
	}
}

func missing(r Report) (list []Measure) {
	for _, m := range r.Missing {
		list = append(list, m.Measure)
	}
	return list
}

// TestCacheInReadOnlyDirectory: code that lies in the cache is loaded and runs,
// and what is not there cannot be added.
func TestCacheInReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, err := call([]string{dir, "42"}); got != "42" || err != nil {
		t.Fatal(got, err)
	}
	limits := Limits{Memory: 256 << 20, Read: []string{dir}}
	if o, e, stderr := try(t, limits, "wazero", []string{dir, "42"}); o.Value != "42" {
		t.Errorf("%+v, %+v, %s", o, e, stderr)
	}
	if o, e, stderr := try(t, limits, "wazero", []string{dir, "43"}); !strings.Contains(o.Error, "operation not permitted") && !strings.Contains(o.Error, "permission denied") {
		t.Errorf("a module that is not in the cache: %+v, %+v, %s", o, e, stderr)
	}
	if o, _, _ := try(t, Limits{}, "wazero", []string{dir, "42"}); o.Error == "" {
		t.Error("the cache can be read without a right to")
	}
}
