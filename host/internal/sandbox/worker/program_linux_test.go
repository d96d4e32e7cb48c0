package worker

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

func timeout(conn uint64) *policy.Ask {
	return &policy.Ask{Event: policy.Event{
		Kind: uint8(abi.KindTimeout), Phase: uint8(abi.PhaseIdle), Conn: conn, NowMs: uint64(time.Now().UnixMilli()),
	}}
}

// pids returns the processes of a pool that serve.
func pids(p *Pool) (list []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workersLocked() {
		if w.life != nil {
			list = append(list, w.life.process.(*running).child.Pid())
		}
	}
	return list
}

func descriptors(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if name, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && !strings.Contains(name, "/proc/") {
			names = append(names, name)
		}
	}
	return names
}

// TestRealWorkers: guests are asked, killed and asked again, are told of what is
// wrong, and nothing is left of their processes.
func TestRealWorkers(t *testing.T) {
	startPool(t, Config{}) // what the compiler opens for good
	files, goroutines := len(descriptors(t)), runtime.NumGoroutine()
	p, e := startPool(t, Config{})
	m := wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Returns("on_timeout", 1<<32|5),
		wasmtest.Returns("state_region", 8<<32|40<<10))
	m.Data = append(m.Data, wasmtest.Data{Offset: 40 << 10, Bytes: []byte("learned!")})
	good, err := p.Load(t.Context(), engine.Source{Name: "learning", Wasm: m.Bytes()}, Options{Tenant: "a"})
	if err != nil {
		t.Fatal(err)
	}
	logged := make(chan string, 8)
	trapping := wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes()
	bad, err := p.Load(t.Context(), engine.Source{
		Name: "trapping", Wasm: trapping, Log: func(_ string, _ int, msg string) { logged <- msg },
	}, Options{Tenant: "b", Own: true})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		v, fault := answer(good, timeout(1))
		if fault != policy.FaultNone || v.Deadline != 5*time.Millisecond {
			t.Errorf("round %d: %+v, %v, %v", round, v, fault, good.Err())
		}
		for _, pid := range pids(p) {
			f, err := os.FindProcess(pid)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
	}
	if _, fault := answer(bad, timeout(2)); fault != policy.FaultTrap {
		t.Errorf("a policy that traps: %v", fault)
	}
	testnet.Eventually(t, "the worker says why", func() bool {
		return faultOf(bad.Err()) == policy.FaultTrap && strings.Contains(bad.Err().Error(), "unreachable")
	})
	select {
	case msg := <-logged:
		if !strings.Contains(msg, "unreachable") {
			t.Errorf("logged %q", msg)
		}
	case <-time.After(time.Minute):
		t.Error("nothing is logged")
	}
	if _, fault := answer(good, timeout(3)); fault != policy.FaultNone {
		t.Errorf("after the last end: %v", fault)
	}
	if got := good.Learned().Bytes; string(got) != "learned!" {
		t.Errorf("learned %q", got)
	}
	if good.Kind() != Shared || bad.Kind() != Own {
		t.Errorf("they are in %v and %v", good.Kind(), bad.Kind())
	}
	if _, err := p.Load(t.Context(), engine.Source{Name: "none", Wasm: []byte("\x00asm")}, Options{}); faultOf(err) != policy.FaultRefused {
		t.Errorf("what is no module: %v", err)
	}
	if err := errors.Join(good.Close(), bad.Close(), p.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	testnet.Eventually(t, "nothing is left", func() bool {
		return len(descriptors(t)) <= files && runtime.NumGoroutine() <= goroutines
	})
}

// TestEndIsToldAfterWhatWasSaid: who is to blame is found by what the worker has
// said last.
func TestEndIsToldAfterWhatWasSaid(t *testing.T) {
	p, _ := startPool(t, Config{})
	logged, heard := make(chan struct{}, 8), make(chan struct{})
	g, err := p.Load(t.Context(), engine.Source{
		Name: "trapping", Wasm: wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes(),
		Log: func(string, int, string) { logged <- struct{}{}; <-heard },
	}, Options{Tenant: "a"})
	if err != nil {
		t.Fatal(err)
	}
	g.Ask(timeout(1), new(replies))
	<-logged
	p.mu.Lock()
	r := g.at.life.process.(*running)
	p.mu.Unlock()
	r.Kill()
	<-r.child.Done()
	select {
	case <-r.Ended():
		t.Error("the end is told before what was said is heard")
	case <-time.After(100 * time.Millisecond):
	}
	close(heard)
	<-r.Ended()
	if r.Host.Err() == nil {
		t.Error("the worker has not said all")
	}
}

// oneReply takes one answer.
type oneReply chan reply

func (a oneReply) Answered(_ *policy.Ask, v policy.Verdict, fault policy.Fault) {
	a <- reply{v: v, fault: fault}
}

// answer waits for one.
func answer(g *Guest, ask *policy.Ask) (policy.Verdict, policy.Fault) {
	a := make(oneReply, 1)
	g.Ask(ask, a)
	r := <-a
	return r.v, r.fault
}

// TestNobodyIsHeldUpByAWorkerThatIsStopped: its channel is full, and whoever asks
// goes on at once; all are answered once it goes on, by it or by the next.
func TestNobodyIsHeldUpByAWorkerThatIsStopped(t *testing.T) {
	p, _ := startPool(t, Config{Shared: 1})
	wasm := wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Returns("on_timeout", 1<<32|5)).Bytes()
	g, err := p.Load(t.Context(), engine.Source{Name: "tiny", Wasm: wasm}, Options{Tenant: "a"})
	if err != nil {
		t.Fatal(err)
	}
	pid := pids(p)[0]
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Its threads stop one after the other.
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	const askers, each = 4, 3 * batchSize
	var answered atomic.Int64
	to := counting{&answered}
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			for n := range uint64(each) {
				g.Ask(timeout(n+1), to)
			}
		})
	}
	begun := time.Now()
	all.Wait()
	if n, took := answered.Load(), time.Since(begun); n > 0 && took < patience {
		t.Errorf("%d questions are answered by a worker that is stopped", n)
	} else if took >= patience {
		t.Errorf("putting %d questions took %v", askers*each, took)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	testnet.Eventually(t, "all are answered", func() bool { return answered.Load() == askers*each })
}

// counting counts the answers.
type counting struct{ n *atomic.Int64 }

func (c counting) Answered(*policy.Ask, policy.Verdict, policy.Fault) { c.n.Add(1) }
