package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/e2e/neighbour"
	"idlehost/host/internal/sandbox/hostile"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// unlimited is what a tenant is given whose questions are to be asked, whatever
// they take.
var unlimited = []string{"--floor", "20ms", "--cpu", "10s", "--fuel-per-second", "100000000000"}

// crowd is traffic of connections that stay idle for a while. Where a policy may
// be out of reach, so that its connections are the operator's law's, there must
// be new ones for it to be asked again.
func crowd(t *testing.T, h *hosttest.Host, tenant string, conns int, stay time.Duration) *neighbour.Traffic {
	t.Helper()
	traffic := &neighbour.Traffic{Addr: h.Addr, Host: tenant + ".example", Conns: conns, Stay: stay}
	traffic.Start()
	t.Cleanup(func() { traffic.Stop() })
	return traffic
}

// TestSlowPolicyGoesToTheSuspects: one whose questions take more than half a
// millisecond each, and no more fuel than they may, is asked apart from all
// others; its neighbour stays where it was. What fuel lasts depends on the
// machine: of the attacks that are slow on some, the first that is slow here tells.
func TestSlowPolicyGoesToTheSuspects(t *testing.T) {
	const slow = 0.5e-3 // s
	h, o := startTown(t, "")
	o.push("a", "sound.wasm", keeping(20*time.Millisecond, 1), "--promote")
	crowd(t, h, "a", 4, time.Hour)
	attacks := slices.DeleteFunc(fitted(t), func(a hostile.Attack) bool {
		return !slices.Contains([]string{"fitted-chain", "fitted-stores", "fitted-additions"}, a.Name)
	})
	for _, a := range attacks {
		wasm, ok := hostile.Disguise(a.Wasm(), time.Now().Add(-time.Hour), abi.KindTimeout)
		if !ok {
			t.Fatalf("%s cannot be disguised", a.Name)
		}
		o.do("tenant", "create", a.Name, "--host", a.Name+".example", "--upstream", naming(t, a.Name))
		o.do(append([]string{"tenant", "set", a.Name}, unlimited...)...)
		digest := o.push(a.Name, a.Name+".wasm", wasm, "--promote")
		traffic := crowd(t, h, a.Name, 8, time.Hour)
		of := `tenant="` + a.Name + `"`
		var mean float64
		hosttest.Until(t, a.Name+" is asked", func() bool {
			asked := h.Metric(t, "host_policy_asks_total", of, `outcome="extend"`)
			mean = h.Metric(t, "host_worker_processor_seconds_total", of) / asked
			return asked >= 200
		})
		where := o.worker(a.Name)
		t.Logf("%s: a question takes %.3f ms, in the worker %q", a.Name, 1000*mean, where)
		switch {
		case where == "suspects":
			h.Line(t, "policy moved to another worker", `"tenant":"`+a.Name+`"`, digest[:12], `"worker":"suspects"`, "its questions take")
			if n := h.Metric(t, "host_worker_moved_policies_total", `worker="suspects"`); n < 1 {
				t.Errorf("%v policies have moved", n)
			}
			if mean < slow/4 {
				t.Errorf("it is not slow")
			}
			if got := o.worker("a"); got != "shared" {
				t.Errorf("its neighbour runs in the worker %q", got)
			}
			if c := traffic.Stop(); c.Failed != 0 || c.Answered == 0 {
				t.Errorf("%d of %d requests failed", c.Failed, c.Answered+c.Failed)
			}
			return
		case where != "shared" || mean > 1.5*slow:
			t.Errorf("it is slow, and not among the suspects")
		}
		traffic.Stop()
		o.do("tenant", "rm", a.Name)
	}
	t.Skip("no attack that fuel pays for is slow on this machine")
}

// TestBreakerOfASpoiler: a policy that ends its worker is asked among the
// suspects, and where it does it again is not asked for a while. Its connections
// and its neighbour's live.
func TestBreakerOfASpoiler(t *testing.T) {
	h, o := startTown(t, "")
	o.do(append([]string{"tenant", "set", "b"}, unlimited...)...)
	burn := wasmtest.Guest(leasing(20*time.Millisecond), wasmtest.Hook("on_timeout",
		wasmtest.Countdown(0, 60_000), wasmtest.Const64(extendBy(20*time.Millisecond))))
	for i := range burn.Funcs {
		burn.Funcs[i].Locals = 1
	}
	o.push("a", "sound.wasm", keeping(time.Minute, 1), "--promote")
	digest := o.push("b", "burning.wasm", burn.Bytes(), "--promote")
	sound, burning := crowd(t, h, "a", 8, time.Hour), crowd(t, h, "b", 96, time.Second)
	open := func() float64 { return h.Metric(t, "host_policy_faults_total", `tenant="b"`, `cause="breaker"`) }
	hosttest.Until(t, "its breaker is open", func() bool {
		signalWorkers(t, h, syscall.SIGVTALRM, true)
		return open() > 0
	})
	if got := o.worker("b"); got != "suspects" {
		t.Errorf("it runs in the worker %q", got)
	}
	if got := o.worker("a"); got != "shared" {
		t.Errorf("its neighbour runs in the worker %q", got)
	}
	h.Line(t, "policy may have ended its worker", `"tenant":"b"`, digest[:12], `"worker":"shared"`, "it is asked among the suspects")
	h.Line(t, "policy ended its worker", `"tenant":"b"`, digest[:12], `"worker":"suspects"`, "it is not asked for")
	accepted := func() float64 {
		return h.Metric(t, "host_policy_asks_total", `tenant="b"`, `event="accept"`, `outcome="default"`)
	}
	before := accepted()
	hosttest.Until(t, "it is asked again", func() bool {
		if got := askH1(t, h.Addr)("b.example"); got != "b" {
			t.Errorf("answer %s", got)
		}
		return accepted() > before
	})
	for _, traffic := range []*neighbour.Traffic{sound, burning} {
		if c := traffic.Counts(); c.Failed != 0 || c.Answered == 0 {
			t.Errorf("%s: %d of %d requests failed", traffic.Host, c.Failed, c.Answered+c.Failed)
		}
	}
	blamesOnly(t, o, "b")
}

// blamesOnly fails if the audit log says of anybody else that a worker has ended of
// it. That one may have done so is said of whoever was at work.
func blamesOnly(t *testing.T, o operator, tenant string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(o.do("audit")) {
		if !strings.Contains(line, "policy.spoiled") || strings.Contains(line, "it may have ended its worker") {
			continue
		}
		n++
		if !slices.Contains(strings.Fields(line), tenant) {
			t.Errorf("somebody else is blamed: %s", line)
		}
	}
	if n == 0 {
		t.Error("nobody is blamed")
	}
}
