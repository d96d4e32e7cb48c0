package check

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
)

// asks puts the questions to a fake.
func asks(j *pace, p *recordingDecider) (*Report, error) {
	r := newReport("guest", "", 0)
	r.setBudgets(engine.Budgets{Call: 400_000, Configure: 5_000_000, Init: 5_000_000})
	err := r.ask(j, p)
	r.countUnasked()
	return r, err
}

// TestFuelOfACheckEnds the questions at the same one everywhere: the first that
// finds more used than may be.
func TestFuelOfACheckEnds(t *testing.T) {
	all := questionCount()
	budget := totalFuel(engine.Budgets{Call: 400_000, Configure: 5_000_000, Init: 5_000_000})
	if budget > 400_000_000 {
		t.Errorf("a check may use %d units, which is more than 2 s at 5 ns", budget)
	}
	enough := budget / uint64(all)
	for _, tt := range []struct {
		name    string
		price   uint64
		fault   policy.Fault
		verdict Outcome
		asked   int
	}{
		{"all of it", enough, policy.FaultNone, OutcomeAccepted, all},
		{"fails, and uses no more than that", enough, policy.FaultTrap, OutcomeFaulty, all},
		{"fails, and uses twice as much", 2 * enough, policy.FaultFuel, OutcomeFaulty, int(budget/(2*enough)) + 1},
		{"uses twice as much", 2 * enough, policy.FaultNone, OutcomeFaulty, int(budget/(2*enough)) + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := &pace{}
			r, err := asks(j, &recordingDecider{price: tt.price, fault: tt.fault})
			if err != nil || r.Outcome != tt.verdict || len(r.Answers) != tt.asked {
				t.Fatalf("%v, %s, %d questions asked, want %s, %d", err, r.Outcome, len(r.Answers), tt.verdict, tt.asked)
			}
			if f := r.Failure; f != nil && (f.Asked != tt.asked || f.Unasked != all-tt.asked) {
				t.Errorf("told are %d asked and %d not", f.Asked, f.Unasked)
			}
			if want := uint64(tt.asked) * tt.price; r.Fuel.Total != want || r.Fuel.TotalBudget != budget {
				t.Errorf("took %d of %d, want %d of %d", r.Fuel.Total, r.Fuel.TotalBudget, want, budget)
			}
			if told := strings.Contains(errorText(r), "more were not asked"); tt.asked < all && tt.fault != policy.FaultNone && !told {
				t.Errorf("%q does not tell how many were not asked", errorText(r))
			}
		})
	}
}

func errorText(r *Report) string {
	if err := r.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// TestSlowMachineSaysNothingOfThePolicy: a check that takes more processor time
// than it may is to be tried again.
func TestSlowMachineSaysNothingOfThePolicy(t *testing.T) {
	each := 10 * time.Millisecond
	_, err := asks(&pace{each: each}, &recordingDecider{})
	var fault *engine.FaultError
	if !errors.As(err, &fault) || fault.Fault != policy.FaultBusy || !strings.Contains(err.Error(), "took more than 2s of processor time for 202 of 290 questions: try again") {
		t.Errorf("%v", err)
	}
	if _, err := asks(&pace{each: maxTime / time.Duration(questionCount())}, &recordingDecider{}); err != nil {
		t.Errorf("within its time: %v", err)
	}
}

// TestCancelledCheckStopsAtItsQuestion.
func TestCancelledCheckStopsAtItsQuestion(t *testing.T) {
	p := &recordingDecider{}
	r, err := asks(&pace{ends: 17}, p)
	if !errors.Is(err, context.Canceled) || len(p.asks) != 17 || len(r.Answers) != 17 {
		t.Errorf("%v after %d questions", err, len(p.asks))
	}
}

// TestCheckIsAJobOfItsOwner: it takes turns, is charged for its questions, and
// fails none of them for what else the owner runs.
func TestCheckIsAJobOfItsOwner(t *testing.T) {
	turns := fair.New(1)
	e, err := engine.New(t.Context(), engine.Config{Turns: turns})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	// Every question of the one takes nearly all of its fuel.
	loop := func(export string) wasmtest.Func {
		f := wasmtest.Hook(export, wasmtest.Countdown(0, 190_000), wasmtest.Const64(wasmtest.Extend60s))
		f.Locals = 1
		return f
	}
	spent := func(name string, hooks ...wasmtest.Func) time.Duration {
		wasm := wasmtest.Guest(hooks...).Bytes()
		run(t, Input{Wasm: wasm, On: e}) // the code is known from then on
		q := engine.NewQuota(engine.QuotaConfig{Owner: name, FuelPerSecond: 1})
		r := run(t, Input{Wasm: wasm, On: e, Quota: q})
		if r.Outcome != OutcomeAccepted || len(r.Answers) != questionCount() {
			t.Errorf("%s: %s, %v, %d answers", name, r.Outcome, r.Err(), len(r.Answers))
		}
		return q.Spent()
	}
	if busy, idle := spent("busy", loop("on_accept"), loop("on_timeout")), spent("idle"); busy < 2*idle {
		t.Errorf("a busy policy costs %v, an idle one %v", busy, idle)
	}
	if turn, ok := turns.TryEnter("x", 0); !ok {
		t.Error("the turn was not given back")
	} else {
		turn.Leave(0)
	}
}

// TestFaultyPolicyIsNotAskedForLong: it is made anew for every question, and
// takes all that its start may take each time.
func TestFaultyPolicyIsNotAskedForLong(t *testing.T) {
	fails := func(rounds int32) []byte {
		start := wasmtest.Func{Export: "_initialize", Locals: 1, Body: wasmtest.Countdown(0, rounds)}
		return wasmtest.Guest(start, wasmtest.Hook("on_accept", wasmtest.Unreachable()), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes()
	}
	const few = 10_000 // to learn what a round costs
	cost := run(t, Input{Wasm: fails(few)}).Fuel.Init
	r := run(t, Input{Wasm: fails(int32(few * cost.Budget / int64(cost.Most) * 9 / 10))})
	f := r.Failure
	if r.Outcome != OutcomeFaulty || f == nil || f.Unasked == 0 || f.Asked != len(r.Answers) || f.Asked+f.Unasked != questionCount() {
		t.Fatalf("%s, %+v, %d answers", r.Outcome, f, len(r.Answers))
	}
	most := r.Fuel.TotalBudget + uint64(r.Fuel.Init.Budget) + instanceFuel + 3*uint64(r.Fuel.Accept.Budget)
	if r.Fuel.Total <= r.Fuel.TotalBudget || r.Fuel.Total > most {
		t.Errorf("took %d of %d units", r.Fuel.Total, r.Fuel.TotalBudget)
	}
}
