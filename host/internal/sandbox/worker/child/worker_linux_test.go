package child

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/sandbox/worker/control"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

func source(m wasmtest.Module) engine.Source { return engine.Source{Name: "guest", Wasm: m.Bytes()} }

// constant answers every question in the same way.
func constant(ms int64) wasmtest.Module {
	return wasmtest.Guest(wasmtest.Returns("on_accept", wasmtest.Extend60s), wasmtest.Returns("on_timeout", abi.Verdict(abi.ActionExtend, uint32(ms), 0, 0)))
}

// TestWorkerAnswers questions of several guests in one batch.
func TestWorkerAnswers(t *testing.T) {
	e, w := newHost(t), startWorker(t, options{})
	for n := range uint32(3) {
		w.mustLoad(t, e, n, source(constant(int64(n))))
	}
	if err := w.Unload(2); err != nil {
		t.Fatal(err)
	}
	testnet.Eventually(t, "guest 2 is gone", func() bool {
		_, err := w.State(t.Context(), 2)
		return err != nil
	})
	answers := w.ask(t, at(0, abi.KindTimeout, 0), at(1, abi.KindTimeout, 0), at(0, abi.KindTimeout, 0), at(2, abi.KindTimeout, 0), at(9, abi.KindClose, 0))
	for i, want := range []struct {
		fault policy.Fault
		ms    time.Duration
	}{{0, 0}, {0, 1}, {0, 0}, {policy.FaultNotLoaded, 0}, {policy.FaultNotLoaded, 0}} {
		v, err := engine.CheckReply(answers[i].Reply)
		if err != nil || answers[i].Fault != want.fault || v.Deadline != want.ms*time.Millisecond {
			t.Errorf("answer %d: %+v, %+v, %v", i, answers[i], v, err)
		}
		if asked := want.fault == policy.FaultNone; (answers[i].Fuel > 0) != asked || answers[i].Time > 0 && !asked {
			t.Errorf("answer %d took %d units, %v", i, answers[i].Fuel, answers[i].Time)
		}
	}
}

// burner never answers a timeout.
func burner() wasmtest.Module {
	return wasmtest.Guest(wasmtest.Returns("on_accept", wasmtest.Extend60s), wasmtest.Hook("on_timeout", wasmtest.Forever(), wasmtest.Const64(0)))
}

// rich gives guests more fuel than time.
func rich() options {
	return options{Settings: Settings{CallFuel: 1 << 39, InitFuel: 1 << 39}, start: 20 * time.Millisecond}
}

// TestQuestionThatTakesTooLongEndsTheWorker by its timer, and it is known which
// it was.
func TestQuestionThatTakesTooLongEndsTheWorker(t *testing.T) {
	e, w := newHost(t), startWorker(t, rich())
	w.mustLoad(t, e, 1, source(constant(1)))
	w.mustLoad(t, e, 2, source(burner()))
	w.ask(t, at(1, abi.KindTimeout, 0), at(2, abi.KindAccept, 0))
	before := processTime(t, w.cmd.Process.Pid)
	err := w.ch.Exchange([]*channel.Question{at(1, abi.KindTimeout, 1), at(2, abi.KindTimeout, 1), at(1, abi.KindTimeout, 1)}, make([]channel.Answer, 3), time.Now().Add(time.Minute))
	if !errors.Is(err, channel.ErrGone) {
		t.Fatal(err)
	}
	if s := w.signal(); s != SignalQuestion {
		t.Errorf("the worker died of %v: %s", s, w.stderr)
	}
	took := time.Duration(w.cmd.ProcessState.SystemTime()+w.cmd.ProcessState.UserTime()) - before
	t.Logf("after %v", took)
	if most := standard().question + 5*tick; took < standard().question-time.Millisecond || took > most {
		t.Errorf("after %v of the processor, want %v, at most %v", took, standard().question, most)
	}
	if i, ok := w.ch.Running(); !ok || i != 1 {
		t.Errorf("question %d was running, %v", i, ok)
	}
	<-w.Gone()
	if _, starting := w.ch.Starting(); starting {
		t.Error("nothing was starting")
	}
}

// tick is how exactly the kernel counts.
const tick = 4 * time.Millisecond

// processTime is the processor time of another process so far: that of its threads.
func processTime(t testing.TB, pid int) (sum time.Duration) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/task", pid)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range list {
		text, err := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if err != nil {
			t.Fatal(err)
		}
		var ran time.Duration
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			t.Fatal(err)
		}
		sum += ran
	}
	return sum
}

// TestStoppedWorkerIsNotBlamed: the timer counts processor time, not time.
func TestStoppedWorkerIsNotBlamed(t *testing.T) {
	e, w := newHost(t), startWorker(t, options{})
	w.mustLoad(t, e, 1, source(slow(100_000)))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer w.cmd.Process.Signal(syscall.SIGCONT)
		// It stands for longer than a question may take.
		for signal, ticker := syscall.SIGSTOP, time.NewTicker(10*time.Millisecond); ; signal ^= syscall.SIGSTOP ^ syscall.SIGCONT {
			select {
			case <-ticker.C:
				_ = w.cmd.Process.Signal(signal)
			case <-stop:
				ticker.Stop()
				return
			}
		}
	}()
	for n := range uint64(300) {
		if a := w.insist(t, at(1, abi.KindTimeout, n)); a.Fault != policy.FaultNone {
			t.Errorf("question %d: %v", n, a.Fault)
		}
	}
	close(stop)
	<-done
}

// slow counts down from rounds at each timeout.
func slow(rounds int32) wasmtest.Module {
	return wasmtest.Guest(wasmtest.Func{
		Export: "on_timeout", Results: []byte{wasmtest.I64}, Locals: 1,
		Body: wasmtest.Code(wasmtest.Countdown(0, rounds), wasmtest.Const64(wasmtest.Extend60s)),
	})
}

// TestGuestIsMadeAnewApart: the question that finds it gone goes back meanwhile,
// and what it learned before is there.
func TestGuestIsMadeAnewApart(t *testing.T) {
	e, w := newHost(t), startWorker(t, options{})
	src := source(counter())
	src.State = engine.State{Format: 7, Bytes: binary.LittleEndian.AppendUint64(nil, 40)}
	if l := w.mustLoad(t, e, 1, src); !l.Restored || l.Fuel == 0 || l.Time <= 0 || l.Profile.StateBytes != 8 {
		t.Errorf("loaded %+v", l)
	}
	if a := w.insist(t, at(1, abi.KindAccept, 2000)); a.Fault != policy.FaultNone || uint32(a.Reply) != 41 {
		t.Errorf("answer %+v", a)
	}
	if a := w.ask(t, at(1, abi.KindClose, 2001))[0]; a.Fault != policy.FaultTrap {
		t.Errorf("answer %+v", a)
	}
	var fault *engine.FaultError
	testnet.Eventually(t, "the fault is known", func() bool { return errors.As(w.GuestErr(1), &fault) })
	if fault.Fault != policy.FaultTrap || fault.Step != "on_close" || fault.Policy != "guest" {
		t.Errorf("fault is %v", fault)
	}
	first := w.ask(t, at(1, abi.KindAccept, 2002))[0]
	if first.Fault != policy.FaultBusy || first.Fuel != 0 {
		t.Errorf("while it is made anew: %+v", first)
	}
	a := w.insist(t, at(1, abi.KindAccept, 2002))
	if a.Fault != policy.FaultNone || uint32(a.Reply) != 42 {
		t.Errorf("answer %+v", a)
	}
	if again := w.insist(t, at(1, abi.KindAccept, 2003)); again.Fuel >= a.Fuel || uint32(again.Reply) != 43 {
		t.Errorf("the first paid %d for its instance, the next %d", a.Fuel, again.Fuel)
	}
	s, err := w.State(t.Context(), 1)
	if err != nil || s.Format != 7 || binary.LittleEndian.Uint64(s.Bytes) != 43 {
		t.Errorf("learned %+v, %v", s, err)
	}
	testnet.Eventually(t, "the fault is logged", func() bool { return strings.Contains(w.said(), "1 3 policy \"guest\": on_close") })
}

// counter counts accepts in its learned state, answers with the count, and traps
// at a close.
func counter() wasmtest.Module {
	const at = 8192
	return wasmtest.Guest(
		wasmtest.Returns("state_region", 8<<32|at), wasmtest.Returns("state_format", 7),
		wasmtest.Hook("on_accept",
			wasmtest.Store64(at, wasmtest.Code(wasmtest.Load64(at), wasmtest.Const64(1), wasmtest.Add64())),
			wasmtest.Load64(at), wasmtest.Const64(1<<32), wasmtest.Or64()),
		wasmtest.Returns("on_timeout", wasmtest.Extend60s),
		wasmtest.Func{Export: "on_close", Body: wasmtest.Unreachable()},
	)
}

// TestStartThatTakesTooLongEndsTheWorker, and it is known whose it was.
func TestStartThatTakesTooLongEndsTheWorker(t *testing.T) {
	endless := wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: wasmtest.Forever()})
	e, w := newHost(t), startWorker(t, rich())
	w.mustLoad(t, e, 1, source(constant(1)))
	if _, err := w.load(t, e, 5, source(endless)); !errors.Is(err, control.ErrGone) {
		t.Fatal(err)
	}
	if s := w.signal(); s != SignalStart {
		t.Errorf("the worker died of %v: %s", s, w.stderr)
	}
	<-w.Gone()
	if n, ok := w.ch.Starting(); n != 5 || !ok {
		t.Errorf("guest %d was starting, %v", n, ok)
	}
	if i, ok := w.ch.Running(); ok {
		t.Errorf("question %d was running", i)
	}
}

// TestKilledWorkerLeavesNothing: its host sees the end, with no one to blame.
func TestKilledWorkerLeavesNothing(t *testing.T) {
	e, w := newHost(t), startWorker(t, options{})
	w.mustLoad(t, e, 1, source(constant(1)))
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if s := w.signal(); s != syscall.SIGKILL {
		t.Errorf("died of %v", s)
	}
	<-w.Gone()
	if _, err := w.State(t.Context(), 1); err == nil {
		t.Error("a dead worker answers")
	}
	if err := w.ch.Exchange([]*channel.Question{at(1, abi.KindAccept, 0)}, make([]channel.Answer, 1), time.Now().Add(time.Minute)); !errors.Is(err, channel.ErrGone) {
		t.Error(err)
	}
	if i, ok := w.ch.Running(); ok {
		t.Errorf("question %d was running", i)
	}
}

// TestWorkerEndsWithEitherConnection of its host, and with code 0.
func TestWorkerEndsWithEitherConnection(t *testing.T) {
	for name, end := range map[string]func(*worker){
		"control": func(w *worker) { _ = w.Host.Close() },
		"channel": func(w *worker) { _ = w.ch.Close() },
	} {
		w := startWorker(t, options{})
		end(w)
		<-w.ended
		if code := w.cmd.ProcessState.ExitCode(); code != 0 || w.stderr.Len() > 0 {
			t.Errorf("%s: exit code %d: %s", name, code, w.stderr)
		}
	}
}

// TestWorkersLeaveNothingInTheirHost: no goroutine, no descriptor, no process.
func TestWorkersLeaveNothingInTheirHost(t *testing.T) {
	e := newHost(t)
	cycle := func() {
		w := startWorker(t, options{})
		w.mustLoad(t, e, 1, source(constant(1)))
		w.ask(t, at(1, abi.KindAccept, 0))
		if lacks, err := w.Ready(t.Context()); err != nil || lacks != "nothing is taken from a test" {
			t.Errorf("lacks %q, %v", lacks, err)
		}
		w.end(t)
	}
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	cycle()
	goroutines, open := runtime.NumGoroutine(), files()
	for range 5 {
		cycle()
	}
	testnet.Eventually(t, "nothing is left", func() bool { return runtime.NumGoroutine() <= goroutines && files() <= open })
}

// TestMainRefusesAnybodyElse: what is no worker does nothing.
func TestMainRefusesAnybodyElse(t *testing.T) {
	broken := errors.New("cannot enter")
	good := Settings{Code: t.TempDir()}.String()
	if err := Main(good, func() (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("without confinement: %v", err)
	}
	if err := Main("x", func() (string, error) { t.Error("enters"); return "", nil }); err == nil {
		t.Error("takes an argument that makes no sense")
	}
}

// TestSettingsThatMakeNoSense are refused, and others come as they were.
func TestSettingsThatMakeNoSense(t *testing.T) {
	for _, text := range []string{"", "{", "{}", `{"Code":1}`} {
		if _, err := parseSettings(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	s := Settings{Code: "/a b", CallFuel: 1, ConfigureFuel: 2, InitFuel: 3, MemoryPages: 4}
	if got, err := parseSettings(s.String()); err != nil || got != s {
		t.Errorf("%+v, %v", got, err)
	}
}
