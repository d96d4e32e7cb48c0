package hostile

import (
	"context"
	"errors"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/gate"
	"idlehost/sdk/abi"
)

// TestFitted: what is fitted to the budget of a question keeps it, and uses most
// of it.
func TestFitted(t *testing.T) {
	ctx := context.Background()
	e, err := engine.New(ctx, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	asked := func(wasm []byte) (used int64, fault policy.Fault, err error) {
		p, err := e.Load(ctx, engine.Source{Name: "fitted", Wasm: wasm})
		if err != nil {
			return 0, policy.FaultNone, err
		}
		defer p.Close()
		_, fault = p.Decide(question(abi.KindTimeout, 0))
		return int64(p.Stats().FuelLast[abi.KindTimeout]), fault, nil
	}
	budget := e.Budgets().Call
	for _, f := range FittedAttacks() {
		a, err := f.Fit(budget, func(wasm []byte) (int64, error) {
			used, _, err := asked(wasm)
			return used, err
		})
		if r := (*gate.Refusal)(nil); errors.As(err, &r) {
			t.Logf("refused: %v", r)
			continue
		} else if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		used, fault, err := asked(a.Wasm())
		if err != nil || fault != policy.FaultNone || used < budget/2 {
			t.Errorf("%s: %d of %d units, fault %v, %v", f.Name, used, budget, fault, err)
		}
		t.Logf("%s: %d units", f.Name, used)
	}
}
