package engine

import (
	"context"
	"errors"

	"idlehost/host/internal/policy"
)

// ErrNoCode says that Adopt found the code neither in use nor in Config.Code.
var ErrNoCode = errors.New("code is not there")

// Adopt makes a policy that another process has prepared: an instance with the code
// that is in use, or in Config.Code, and with the learned state s. It trusts p. log
// gets the guest's lines; nil: Config.Log. The error is one of Load's; ErrNoCode is
// in its chain if there is no code.
func (e *Engine) Adopt(ctx context.Context, p *Prepared, s State, log func(module string, level int, msg string)) (adopted *Policy, err error) {
	src := Source{Name: p.Name, State: s, MemoryPages: p.MemoryPages, Log: log}
	err = e.Do(ctx, src, func(j *Job) (err error) {
		a := &policyLoad{job: j, callCtx: newCallContext(), params: p.Params, metered: p.Metered}
		adopted, err = a.load([]step[*policyLoad]{
			{"code", policy.FaultCompile, adoptCode},
			{"memory", policy.FaultMemory, checkMemory},
		})
		return err
	})
	return adopted, err
}

// adoptCode shares the code of equal bytes, or takes it from the folder.
func adoptCode(a *policyLoad) error {
	m := a.metered
	return a.shareCode(m.Digest, func(c *code) error {
		if len(m.Wasm) == 0 {
			return a.noCode(ErrNoCode)
		}
		c.exports, c.bytes, c.pages, c.grows = opSet(m.Exports), m.Size, m.Pages, m.Grows
		return a.noCode(a.addToRuntime(c, m.Wasm, int(m.Types)))
	})
}

// noCode marks missing code as FaultBusy, since it may be there later.
func (a *policyLoad) noCode(err error) error {
	if !errors.Is(err, ErrNoCode) {
		return err
	}
	return &FaultError{Policy: a.job.source.Name, Step: "code", Fault: policy.FaultBusy, Err: err}
}
