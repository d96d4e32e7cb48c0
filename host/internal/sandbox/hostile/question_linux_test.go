package hostile

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// TestQuestionAtFullBudget: no attack that uses up the fuel of a question takes
// longer than 2 ms of processor time for it, on a machine that nobody slows
// down. What took longer is asked again, with others in between: a neighbour is
// gone at one time or another, a wrong price never.
func TestQuestionAtFullBudget(t *testing.T) {
	const most, attempts, pause = 2 * time.Millisecond, 8, 10
	if raceSlow > 1 {
		t.Skip("measures time")
	}
	var all []Attack
	for _, a := range Corpus() {
		if a.Want.Outcome == AtCall && a.Want.Fault == policy.FaultFuel {
			all = append(all, a)
		}
	}
	least := map[string]time.Duration{}
	rest := all
	for range attempts {
		var long []Attack
		for _, a := range rest {
			took := lasts(t, a)
			if was, ok := least[a.Name]; !ok || took < was {
				least[a.Name] = took
			}
			if least[a.Name] > most {
				long = append(long, a)
			}
		}
		if rest = long; len(rest) == 0 {
			break
		}
		for range pause {
			lasts(t, all[rand.IntN(len(all))])
		}
	}
	for _, a := range all {
		t.Run(a.Name, func(t *testing.T) {
			t.Logf("%v: %s", least[a.Name], a.Name)
			if least[a.Name] > most {
				t.Errorf("a question lasts %v, want at most %v", least[a.Name], most)
			}
		})
	}
}

// lasts loads an attack, asks it, and returns the longest question that used
// up its fuel.
func lasts(t *testing.T, a Attack) (longest time.Duration) {
	t.Helper()
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	e, err := engine.New(context.Background(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := e.Load(context.Background(), engine.Source{Name: "attack", Wasm: a.Wasm(), Params: a.Params})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindClose} {
		q := question(kind, uint64(i)*40_000)
		slow := calibrate(t)
		begin := threadTime(t)
		_, fault := p.Decide(q)
		took := time.Duration(float64(threadTime(t)-begin) / min(slow, calibrate(t)))
		if fault == policy.FaultFuel {
			return took // the next would begin an instance
		}
	}
	return 0
}

// threadTime is the processor time of the calling thread.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// calibrate returns how much slower than a server of 2020s make the machine is
// at the moment: that takes 1.1 ns for a multiplication and an addition.
func calibrate(t *testing.T) float64 {
	const rounds = 50_000
	least := time.Hour
	for range 5 {
		begin, x := threadTime(t), uint64(rounds)
		for range rounds {
			x = x*6364136223846793005 + 1442695040888963407
		}
		sink = x
		least = min(least, threadTime(t)-begin)
	}
	return max(1, float64(least)/rounds/1.1)
}

var sink uint64
