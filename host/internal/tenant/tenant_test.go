package tenant

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestDecideSaysWhoAnswered(t *testing.T) {
	tn := New(Config{Name: "a"})
	if v := tn.Decide(&policy.Ask{}); v != (policy.Verdict{Source: policy.SourceNative}) {
		t.Errorf("without a policy: %+v", v)
	}
	replace(tn, &fakeGuest{reason: 7, digest: "d1"})
	if v := tn.Decide(&policy.Ask{}); v.Source != policy.SourcePolicy || v.Reason != 7 || v.Action != abi.ActionExtend {
		t.Errorf("with a policy: %+v", v)
	}
	replace(tn, &fakeGuest{fault: policy.FaultTrap, digest: "d2"})
	want := policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultTrap}
	if v := tn.Decide(&policy.Ask{}); v != want {
		t.Errorf("with a policy that traps: %+v, want %+v", v, want)
	}
	if side := tn.Stats().Sides[0]; tn.Digest() != "d2" || side.Asks != 1 || side.Faults[policy.FaultTrap] != 1 {
		t.Errorf("digest %q, record %+v", tn.Digest(), side)
	}
	tn.Set(Plan{Active: &RoleVersion{Version: Version{Digest: "d3"}, Lost: policy.FaultCompile}})
	if v := tn.Decide(&policy.Ask{}); v.Source != policy.SourceFallback || v.Fault != policy.FaultCompile {
		t.Errorf("with a policy that is lost: %+v", v)
	}
	replace(tn, nil)
	if v := tn.Decide(&policy.Ask{}); v.Source != policy.SourceNative || tn.Digest() != "" {
		t.Errorf("after removal: %+v", v)
	}
}

// TestRateKeepsTheLastDeadline: at a timeout that has one; any other fault, and
// any other question, is for the native policy.
func TestRateKeepsTheLastDeadline(t *testing.T) {
	for _, c := range []struct {
		fault    policy.Fault
		kind     abi.Kind
		deadline uint32
		want     policy.Verdict
	}{
		{policy.FaultRate, abi.KindTimeout, 45_000, policy.Verdict{Action: abi.ActionExtend, Deadline: 45 * time.Second}},
		{policy.FaultRate, abi.KindTimeout, 0, policy.Verdict{}},
		{policy.FaultRate, abi.KindAccept, 45_000, policy.Verdict{}},
		{policy.FaultRate, abi.KindClose, 45_000, policy.Verdict{}},
		{policy.FaultFuel, abi.KindTimeout, 45_000, policy.Verdict{}},
	} {
		tn := New(Config{})
		replace(tn, closeWatcher{&fakeGuest{fault: c.fault}})
		c.want.Source, c.want.Fault = policy.SourceFallback, c.fault
		ask := &policy.Ask{Event: policy.Event{Kind: uint8(c.kind), DeadlineMs: c.deadline}}
		if v := tn.Decide(ask); v != c.want {
			t.Errorf("%v at %v: %+v, want %+v", c.fault, c.kind, v, c.want)
		}
	}
}

func TestUnknownFaultIsBadOutput(t *testing.T) {
	tn := New(Config{})
	replace(tn, &fakeGuest{fault: 200})
	if v := tn.Decide(&policy.Ask{}); v.Fault != policy.FaultOutput {
		t.Errorf("fault = %d", v.Fault)
	}
}

func TestReplaceClosesAfterTheLastQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := New(Config{})
		old := &fakeGuest{inside: make(chan struct{}), leave: make(chan struct{})}
		replace(tn, old)
		go tn.Decide(&policy.Ask{})
		<-old.inside
		replace(tn, &fakeGuest{})
		synctest.Wait()
		if old.closed.Load() != 0 {
			t.Fatal("closed while it is being asked")
		}
		close(old.leave)
		synctest.Wait()
		if old.closed.Load() != 1 {
			t.Fatalf("closed %d times after its last answer", old.closed.Load())
		}
	})
}

func TestFaultsAreLoggedOncePerBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tn := New(Config{Name: "a", Logger: slog.New(slog.NewTextHandler(&out, nil))})
		replace(tn, &fakeGuest{fault: policy.FaultTrap, digest: strings.Repeat("ab", 32)})
		ask := &policy.Ask{Event: policy.Event{Kind: uint8(abi.KindTimeout), Phase: uint8(abi.PhaseIdle)}}
		lines := func(n int, when string) {
			t.Helper()
			if got := strings.Count(out.String(), "\n"); got != n {
				t.Fatalf("%s: %d lines, want %d\n%s", when, got, n, out.String())
			}
		}
		for range 5 {
			tn.Decide(ask)
		}
		lines(1, "burst")
		if s := out.String(); !strings.Contains(s, "cause=trap") || !strings.Contains(s, "policy=abababababab ") ||
			!strings.Contains(s, "event=timeout phase=idle") || !strings.Contains(s, "suppressed=0") {
			t.Errorf("line = %s", s)
		}
		time.Sleep(burstGap - 1)
		tn.Decide(ask)
		lines(1, "just before the gap ends")
		time.Sleep(1)
		tn.Decide(ask)
		lines(2, "after the gap")
		if !strings.Contains(out.String(), "suppressed=5") {
			t.Errorf("out = %s", out.String())
		}
	})
}

func TestWantsCloseIsTheGuestsWord(t *testing.T) {
	tn := New(Config{})
	replace(tn, &fakeGuest{})
	if tn.WantsClose() {
		t.Error("wanted by a guest that did not say so")
	}
	replace(tn, closeWatcher{&fakeGuest{}})
	if !tn.WantsClose() {
		t.Error("not wanted by a guest that said so")
	}
}

type closeWatcher struct{ *fakeGuest }

func (closeWatcher) WantsClose() bool { return true }

func TestDecideAllocatesNothing(t *testing.T) {
	stateful := func(q *policy.Ask) policy.Verdict {
		q.Event.State[0] = 1
		return policy.Verdict{Action: abi.ActionExtend, Deadline: 1e9}
	}
	guest := func(digest string) *fakeGuest { return &fakeGuest{digest: digest, answer: stateful} }
	sick := newLoader()
	sick.ail(errSick)
	for name, c := range map[string]struct {
		plan   Plan
		loader Loader
	}{
		"native":        {},
		"policy":        {plan: Plan{Active: with(guest("a"))}},
		"fault":         {plan: Plan{Active: with(&fakeGuest{fault: policy.FaultTrap})}},
		"canary":        {plan: Plan{Active: with(guest("a")), Canary: with(guest("c")), Percent: 100}},
		"shadow":        {plan: Plan{Active: with(guest("a")), Shadow: with(guest("s"))}},
		"shadow faults": {plan: Plan{Shadow: with(&fakeGuest{digest: "s", fault: policy.FaultTrap})}},
		"lost":          {plan: Plan{Active: &RoleVersion{Lost: policy.FaultCompile}}, loader: sick},
		"not loaded":    {plan: Plan{Active: of("a")}},
	} {
		tn := New(Config{Loader: c.loader})
		tn.Set(c.plan)
		ask := at(abi.KindTimeout, 7)
		tn.Decide(ask) // the first fault is logged
		if n := testing.AllocsPerRun(100, func() { tn.Decide(ask) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if n := testing.AllocsPerRun(100, func() { tn.Warm(t.Context()) }); c.loader == nil && name != "not loaded" && n != 0 {
			t.Errorf("%s: %v allocations to find it warm", name, n)
		}
		tn.Close()
	}
}

// TestHammerReplace asks while policies come and go: none is asked after its
// Close, and each but the last is closed exactly once.
func TestHammerReplace(t *testing.T) {
	tn := New(Config{})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			ask := &policy.Ask{}
			for {
				select {
				case <-stop:
					return
				default:
					tn.Decide(ask)
					_ = tn.Digest()
				}
			}
		})
	}
	guests := make([]*fakeGuest, 2000)
	for i := range guests {
		guests[i] = &fakeGuest{digest: "x"}
		replace(tn, guests[i])
	}
	close(stop)
	asking.Wait()
	if err := tn.Close(); err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, g := range guests {
		if g.closed.Load() != 1 || g.late.Load() != 0 {
			errs = append(errs, errors.New("closed or asked at the wrong time"))
		}
	}
	if len(errs) > 0 {
		t.Errorf("%d of %d policies: %v", len(errs), len(guests), errs[0])
	}
}
