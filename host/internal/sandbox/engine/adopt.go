package engine

import (
	"context"
	"encoding/hex"
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
	m, codes := a.metered, a.job.engine.codeCache
	c, err := codes.acquire(a.job.ctx, m.Digest, a.job.Without)
	if c != nil || err != nil {
		a.code = c
		return err
	}
	var ready *code
	defer func() { codes.finish(m.Digest, ready) }()
	if len(m.Wasm) == 0 {
		return a.noCode(ErrNoCode)
	}
	c = &code{
		key: m.Digest, digest: hex.EncodeToString(m.Digest[:]), exports: opSet(m.Exports),
		bytes: m.Size, pages: m.Pages, grows: m.Grows,
	}
	if err := a.addToRuntime(c, m.Wasm, int(m.Types)); err != nil {
		return a.noCode(err)
	}
	a.code, ready = c, c
	return nil
}

// noCode marks missing code as FaultBusy, since it may be there later.
func (a *policyLoad) noCode(err error) error {
	if !errors.Is(err, ErrNoCode) {
		return err
	}
	return &FaultError{Policy: a.job.source.Name, Step: "code", Fault: policy.FaultBusy, Err: err}
}
