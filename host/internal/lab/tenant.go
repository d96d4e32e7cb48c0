package lab

import (
	"context"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// tenant is a tenant of the recording under the policy that is played: an
// instance of its own, as on the host, and an account for each side.
type tenant struct {
	policy   *engine.Policy   // nil: the recording is obeyed
	accounts [2]*idle.Account // by side
	number   uint32
	exact    bool // the recording's own decisions are this very policy's
}

// newTenant loads the policy for one tenant.
func newTenant(ctx context.Context, cfg *Config, p *Policy, x *exact) (*tenant, error) {
	loaded, err := cfg.Engine.Load(ctx, engine.Source{Name: p.Name, Wasm: p.Wasm, Params: p.Params})
	if err != nil {
		return nil, err
	}
	return seat(cfg, decider{loaded, x}, loaded), nil
}

// seat returns a tenant whose questions d answers.
func seat(cfg *Config, d policy.Policy, loaded *engine.Policy) *tenant {
	t := &tenant{policy: loaded}
	for side := range t.accounts {
		law, limits := t.law(cfg, policy.Side(side), StandardTimeouts(policy.Side(side)), StandardLimits())
		t.accounts[side] = idle.NewAccount("", d, books.New(books.Config{}), law, limits)
	}
	return t
}

// govern takes over the law that the recording tells.
func (t *tenant) govern(cfg *Config, side policy.Side, law policy.Timeouts, limits policy.Limits) {
	if int(side) < len(t.accounts) {
		t.accounts[side].SetLaw(t.law(cfg, side, law, limits))
	}
}

// law is the law that a replay can hold connections to. How fast bytes came
// while a request was under way is not in a recording; that a peer was too slow
// is: such a connection's end is told by it.
func (t *tenant) law(cfg *Config, side policy.Side, law policy.Timeouts, limits policy.Limits) (policy.Timeouts, policy.Limits) {
	for i := range law {
		law[i].MinRate, law[i].Grace, law[i].Max = 0, 0, 0
	}
	limits.Worth = time.Duration(cfg.Setting.WorthMs) * time.Millisecond
	limits.ClientConnections = 0
	limits.Connections = 0
	if side == abi.SideAccepted {
		limits.Connections = int(cfg.Setting.Limit)
	}
	return law, limits
}

// decider has the policy's failures answered by the operator's law, as a
// tenant of the host does without remedies of its own.
type decider struct {
	policy *engine.Policy
	exact  *exact // nil: nothing was recorded
}

func (d decider) Decide(a *policy.Ask) policy.Verdict {
	v, ok := d.exact.unasked()
	if !ok {
		v = d.ask(a)
	}
	if d.exact.holds(a, v) {
		return policy.Verdict{Source: policy.SourcePending}
	}
	return v
}

func (d decider) ask(a *policy.Ask) policy.Verdict {
	v, fault := d.policy.Decide(a)
	if fault != policy.FaultNone {
		return policy.Verdict{Source: policy.SourceFallback, Fault: fault, Action: abi.ActionDefault}
	}
	v.Source = policy.SourcePolicy
	return v
}

func (d decider) WantsClose() bool { return d.policy.WantsClose() }
