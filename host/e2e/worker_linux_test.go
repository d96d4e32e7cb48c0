package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/api"
	"idlehost/host/internal/sandbox/wasmtest"
)

// workersOf returns the worker processes of a host.
func workersOf(t *testing.T, host int) []int {
	t.Helper()
	pids, err := hosttest.Workers(host)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// signalWorkers sends a signal to the workers of a host, or to those alone that
// run or want to.
func signalWorkers(t *testing.T, h *hosttest.Host, s syscall.Signal, busy bool) {
	t.Helper()
	for _, pid := range workersOf(t, h.Pid()) {
		if busy && !runs(pid) {
			continue
		}
		if err := syscall.Kill(pid, s); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}

// runs reports whether a thread of a process has a processor, or waits for one.
func runs(pid int) bool {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	return err == nil && slices.ContainsFunc(threads, func(name string) bool {
		stat, err := os.ReadFile(name)
		return err == nil && bytes.Contains(stat, []byte(") R "))
	})
}

// counting returns a policy that extends by d, and counts timeouts in what it
// learns: the reason of its answers is the number.
func counting(d time.Duration) []byte {
	const at = 40 << 10
	shiftLeft := []byte{0x86}
	m := wasmtest.Guest(leasing(d), wasmtest.Hook("on_timeout",
		wasmtest.Store64(at, wasmtest.Code(wasmtest.Load64(at), wasmtest.Const64(1), wasmtest.Add64())),
		wasmtest.Load64(at), wasmtest.Const64(48), shiftLeft, wasmtest.Const64(extendBy(d)), wasmtest.Or64(),
	), wasmtest.Returns("state_region", 8<<32|at), wasmtest.Returns("state_format", 1))
	return m.Bytes()
}

// worker returns where the active version of a tenant runs.
func (o operator) worker(tenant string) string {
	o.t.Helper()
	for _, s := range o.rollout(tenant).Sides {
		if s.Role == api.StateActive {
			return s.Worker
		}
	}
	return ""
}

// TestUploadsRunInWorkers, in one of the tenant's own where the operator wants
// that; the operator's own policy runs in the host. A host that ends leaves no
// process, however it ends.
func TestUploadsRunInWorkers(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		h, o := startTown(t, "", "--plugin", "fixed")
		if n := len(workersOf(t, h.Pid())); n != 0 {
			t.Errorf("%d workers without an upload", n)
		}
		o.push("a", "one.wasm", keeping(time.Minute, 1), "--promote")
		o.push("b", "two.wasm", keeping(time.Minute, 2), "--promote")
		if got := newBrowser(t, h.Addr).visit("http", "a.example", "b.example", "else.example"); got != "a b house" {
			t.Errorf("answers %s", got)
		}
		if a, b := o.worker("a"), o.worker("b"); a != "shared" || b != "shared" {
			t.Errorf("policies run in %q and %q", a, b)
		}
		o.do("tenant", "set", "b", "--isolate", "own")
		hosttest.Until(t, "b has a worker of its own", func() bool { return o.worker("b") == "own" })
		if got := newBrowser(t, h.Addr).visit("http", "a.example", "b.example"); got != "a b" {
			t.Errorf("answers %s", got)
		}
		for _, tenant := range []string{"a", "b"} {
			if n := h.Metric(t, "host_policy_faults_total", `tenant="`+tenant+`"`); n != 0 {
				t.Errorf("%v questions of %s were not answered", n, tenant)
			}
		}
		pids := workersOf(t, h.Pid())
		if len(pids) < 2 {
			t.Errorf("workers %v", pids)
		}
		h.Signal(t, end)
		h.Exit(t)
		hosttest.Until(t, "the workers end with their host", func() bool {
			return !slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
		})
	}
}

// TestOperatorsPolicyInAWorker, where the configuration says so.
func TestOperatorsPolicyInAWorker(t *testing.T) {
	config := "[[listener]]\naddress = \"127.0.0.1:0\"\n[plugin]\npath = \"adaptive\"\nisolate = true\n"
	h := startHost(t, naming(t, "house"), "--config", writeFile(t, "host.toml", config))
	for range 3 {
		if got := newBrowser(t, h.Addr).visit("http", "else.example"); got != "house" {
			t.Errorf("answer %s", got)
		}
	}
	if n := h.Metric(t, "host_worker_policies", `worker="shared"`); n != 1 {
		t.Errorf("%v policies in workers", n)
	}
	if n := h.Metric(t, "host_policy_asks_total", `tenant="default"`, `outcome="fallback"`); n != 0 {
		t.Errorf("%v questions were not answered by the policy", n)
	}
}

// TestKilledWorkers: no connection and no request is lost, and what was learned
// is at most one schedule old, give or take what a busy machine adds: package
// worker tests the schedule to the nanosecond.
func TestKilledWorkers(t *testing.T) {
	const schedule = 15 * time.Second
	h, o := startTown(t, "")
	o.do("tenant", "set", "a", "--floor", "20ms")
	digest := o.push("a", "counting.wasm", counting(50*time.Millisecond), "--promote")
	traffic := &neighbour.Traffic{Addr: h.Addr, Host: "a.example", Conns: 24, Stay: time.Second}
	traffic.Start()
	quiet := askH1(t, h.Addr) // stays idle through it all
	if got := quiet("a.example"); got != "a" {
		t.Fatal(got)
	}
	w := newWitness(t, dial(t, h, ""), "a")
	start := time.Now()
	hosttest.Until(t, "it has learned for longer than a schedule", func() bool { return time.Since(start) > schedule+time.Second })
	begun := start // of the present instance
	for kill := range 4 {
		killed := time.Now()
		signalWorkers(t, h, syscall.SIGKILL, false)
		hosttest.Until(t, "the policy answers again", func() bool {
			return time.Since(killed) > time.Second && slices.ContainsFunc(w.since(killed, api.StateActive), func(d api.Decision) bool { return d.Source == "policy" })
		})
		least, now := counted(w, start, killed.Add(-schedule)), countedFirst(w, killed.Add(100*time.Millisecond))
		if now < least {
			t.Errorf("kill %d: goes on at %d, and was at %d a schedule before", kill, now, least)
		}
		t.Logf("kill %d: had learned of %d questions, a schedule before of %d, and goes on at %d", kill, counted(w, begun, killed), least, now)
		begun = killed.Add(100 * time.Millisecond)
	}
	counts := traffic.Stop()
	if counts.Failed > 0 || counts.Answered == 0 {
		t.Errorf("%d of %d requests failed: %v", counts.Failed, counts.Answered, traffic.Err())
	}
	if got := quiet("a.example"); got != "a" {
		t.Errorf("the quiet connection: %s", got)
	}
	grace := 0
	for _, d := range w.since(start, api.StateActive) {
		switch d.Fault {
		case "":
		case "not_loaded":
			grace++
		default:
			t.Errorf("a question came to %+v", d)
		}
	}
	killed := h.Metric(t, "host_worker_ended_total", `cause="killed"`)
	if killed < 4 {
		t.Errorf("%v workers were killed", killed)
	}
	t.Logf("%v workers killed: %d of %d requests lost, %d questions had no answer in time", killed, counts.Failed, counts.Failed+counts.Answered, grace)
	for line := range strings.Lines(o.do("audit")) {
		if strings.Contains(line, "spoiled") {
			t.Errorf("somebody is blamed for it: %s", line)
		}
	}
	if r := o.rollout("a"); r.Active == nil || r.Active.Digest != digest {
		t.Errorf("rollout %+v", r)
	}
}

// TestDrainKeepsWhatWasLearned: a host that ends in order has the last of it.
func TestDrainKeepsWhatWasLearned(t *testing.T) {
	dir := t.TempDir()
	h, o := startTownAt(t, dir, "")
	o.do("tenant", "set", "a", "--floor", "20ms")
	o.push("a", "counting.wasm", counting(20*time.Millisecond), "--promote")
	ask := askH1(t, h.Addr)
	if got := ask("a.example"); got != "a" {
		t.Fatal(got)
	}
	w, start := newWitness(t, dial(t, h, ""), "a"), time.Now()
	hosttest.Until(t, "it has learned", func() bool { return counted(w, start, time.Now()) >= 20 })
	h.Signal(t, syscall.SIGTERM)
	h.Exit(t)
	least := counted(w, start, time.Now())

	h = startHost(t, naming(t, "house"), "--store", dir)
	w, start = newWitness(t, dial(t, h, ""), "a"), time.Now()
	if got := askH1(t, h.Addr)("a.example"); got != "a" {
		t.Fatal(got)
	}
	hosttest.Until(t, "it is asked again", func() bool { return countedFirst(w, start) > 0 })
	if got := countedFirst(w, start); got <= least {
		t.Errorf("goes on at %d, and had come to %d", got, least)
	}
}

// counted is the number that a counting policy had come to at a moment.
func counted(w *witness, from, at time.Time) (n uint16) {
	for _, d := range w.since(from, api.StateActive) {
		if d.Source == "policy" && d.At.Before(at) {
			n = max(n, d.Reason)
		}
	}
	return n
}

// countedFirst is the first number after a moment.
func countedFirst(w *witness, at time.Time) uint16 {
	for _, d := range w.since(at, api.StateActive) {
		if d.Source == "policy" && d.Event == "timeout" {
			return d.Reason
		}
	}
	return 0
}

// TestSpoilerIsNamed: a canary whose question ends its worker is named in the log,
// in the metrics and in the audit log, and taken back. The signal stands for the
// kernel's timer, which no guest has been seen to reach.
func TestSpoilerIsNamed(t *testing.T) {
	h, o := startTown(t, "")
	o.do("tenant", "set", "b", "--floor", "20ms", "--cpu", "10s", "--fuel-per-second", "100000000000")
	burn := wasmtest.Guest(leasing(20*time.Millisecond), wasmtest.Hook("on_timeout",
		wasmtest.Countdown(0, 60_000), wasmtest.Const64(extendBy(20*time.Millisecond))))
	for i := range burn.Funcs {
		burn.Funcs[i].Locals = 1
	}
	active := o.push("b", "one.wasm", keeping(time.Minute, 1), "--promote")
	canary := o.push("b", "burning.wasm", burn.Bytes(), "--canary", "100")
	traffic := &neighbour.Traffic{Addr: h.Addr, Host: "b.example", Conns: 96, Stay: time.Hour}
	traffic.Start()
	defer traffic.Stop()
	hosttest.Until(t, "the canary has ended its worker", func() bool {
		signalWorkers(t, h, syscall.SIGVTALRM, true)
		return h.Metric(t, "host_worker_ended_total", `cause="question_time"`) > 0 && o.rollout("b").Canary == nil
	})
	h.Line(t, "policy ended its worker", `"tenant":"b"`, canary[:12])
	if r := o.rollout("b"); r.Active.Digest != active || r.Rollback == nil || !r.Rollback.Automatic || !strings.Contains(r.Rollback.Reason, "ended its worker") {
		t.Errorf("rollout %+v, verdict %+v", r, r.Rollback)
	}
	if audit := o.do("audit"); !strings.Contains(audit, "policy.spoiled") {
		t.Errorf("audit log: %s", audit)
	}
	if n := h.Metric(t, "host_policy_faults_total", `tenant="b"`, `cause="out_of_time"`); n < 1 {
		t.Errorf("%v questions were out of time", n)
	}
	if n := traffic.Counts().Failed; n != 0 {
		t.Errorf("%d requests failed", n)
	}
}

// TestProcessorTimeQuota: what is over it keeps its last deadline, and the
// limits say what holds.
func TestProcessorTimeQuota(t *testing.T) {
	h, o := startTown(t, "")
	o.do("tenant", "set", "a", "--floor", "20ms", "--cpu", "1us")
	o.push("a", "one.wasm", keeping(20*time.Millisecond, 1), "--promote")
	if got := askH1(t, h.Addr)("a.example"); got != "a" {
		t.Fatal(got)
	}
	hosttest.Until(t, "the quota is used up", func() bool {
		return h.Metric(t, "host_policy_faults_total", `tenant="a"`, `cause="rate"`) > 0
	})
	if n := h.Metric(t, "host_worker_processor_seconds_total", `tenant="a"`); n <= 0 {
		t.Errorf("%v s of processor time", n)
	}
	if shown := o.do("tenant", "show", "a"); !strings.Contains(shown, "processor time per second") {
		t.Errorf("tenant a: %s", shown)
	}
}
