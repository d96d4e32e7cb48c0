package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Policy is a loaded module with one living instance, or none at the moment. Safe
// for concurrent use; a question waits for another for Config.Wait at most.
type Policy struct {
	engine      *Engine
	code        *code
	name        string
	params      []byte
	log         func(module string, level int, msg string) // nil: nobody listens
	memoryBytes uint64
	seed        uint64 // of initialisation, from the digest
	slotHint    uint32 // of its trampoline slot

	busy     atomic.Uint64 // questions that did not get mu in time
	fuelRate *fuelRate     // the owner's, or its own

	mu      timedMutex // guards the following fields
	callCtx *callContext
	inst    *instance // nil after a fault, until the next question that may make one
	learned State     // the last copy of the learned state known to be good
	breaker breaker
	stats   Stats
	err     error // the last fault's
	closed  bool
}

// Stats counts what a policy has done since it was loaded.
type Stats struct {
	Calls     uint64 // questions that an instance was asked
	Instances uint64 // instances that were made, the first included
	// Faults counts the questions that were not answered, by cause.
	Faults [policy.Faults]uint64
	// MemoryBytes is the living instance's memory.
	MemoryBytes uint64
	// FuelLast, FuelMax and FuelTotal are the fuel of the hooks by kind, in
	// units; one that ran out has used its budget.
	FuelLast, FuelMax, FuelTotal [abi.KindClose + 1]uint64
	// FuelSpent is all fuel since the policy was loaded: that of hooks, of what
	// the engine asks beside them, and of instances.
	FuelSpent uint64
	// FuelInstantiate is what the last instance took, from its start function to
	// the first question.
	FuelInstantiate uint64
	// Restored says that the living instance took over learned state.
	Restored bool
}

func newPolicy(a *policyLoad) *Policy {
	seed := binary.LittleEndian.Uint64(a.code.key[:])
	e, src := a.job.engine, &a.job.source
	return &Policy{
		engine: e, code: a.code,
		name: src.Name, params: a.params, log: e.log(src),
		memoryBytes: uint64(a.pages()) * pageBytes,
		seed:        seed,
		slotHint:    e.loaded.Add(1),
		breaker:     breaker{seed: seed},
		callCtx:     a.callCtx,
		learned:     State{Format: src.State.Format, Bytes: bytes.Clone(src.State.Bytes)},
		mu:          newTimedMutex(),
		fuelRate:    src.fuelRate(e.cfg.fuelPerSecond()),
		stats:       Stats{Instances: 1},
	}
}

// Digest returns the SHA-256 of the module, in hexadecimal.
func (p *Policy) Digest() string { return p.code.digest }

// Decide asks the guest. The verdict is the guest's own, unclamped; it is zero
// beside a fault, and for KindClose. The host's Ask gets back the connection's
// State, and its Leases where the verdict says so; its Size and Version are
// set. A guest that fails is replaced at a later question, which finds the
// connection's state in its event and the learned state in place; until then
// the answer is FaultBreaker. Event times, not the wall clock, space this out.
//
// A policy that is busy for Config.Wait is not waited for (FaultBusy), and one
// whose owner has used up its fuel rate is not asked (FaultRate).
//
// It is on the hot path: it allocates nothing (TestDecideAllocatesNothing).
func (p *Policy) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault) {
	r, fault, _ := p.ask(ask)
	if fault != policy.FaultNone || ask.Event.Kind == uint8(abi.KindClose) {
		return policy.Verdict{}, fault
	}
	return r.verdict(), policy.FaultNone
}

// Answer asks as Decide does, for a caller in another process, which turns raw into
// a verdict with CheckReply.
func (p *Policy) Answer(ask *policy.Ask) (raw uint64, fault policy.Fault, used Used) {
	r, fault, used := p.ask(ask)
	return uint64(r), fault, used
}

// Used is the fuel that a question took.
type Used struct {
	All  uint64 // a new instance, and what the engine asked beside it, included
	Hook uint64 // of the guest's hook alone
}

// ask asks, and then logs the guest's lines.
func (p *Policy) ask(ask *policy.Ask) (reply, policy.Fault, Used) {
	r, fault, used, lines := p.decide(ask)
	if lines != nil {
		emit(p.log, p.name, lines)
	}
	return r, fault, used
}

func (p *Policy) decide(ask *policy.Ask) (reply, policy.Fault, Used, []line) {
	if !p.mu.lockWithin(p.engine.cfg.wait()) {
		p.busy.Add(1)
		return 0, policy.FaultBusy, Used{}, nil
	}
	defer p.mu.Unlock()
	hook := min(ask.Event.Kind, uint8(abi.KindClose))
	before := Used{p.stats.FuelSpent, p.stats.FuelTotal[hook]}
	r, fault := p.answerLocked(ask)
	if fault != policy.FaultNone {
		p.stats.Faults[fault]++
	}
	used := Used{p.stats.FuelSpent - before.All, p.stats.FuelTotal[hook] - before.Hook}
	return r, fault, used, p.callCtx.log.take(ask.Event.NowMs)
}

func (p *Policy) answerLocked(ask *policy.Ask) (reply, policy.Fault) {
	switch {
	case p.closed:
		return 0, policy.FaultNotLoaded
	case ask.Event.Kind > uint8(abi.KindClose):
		return 0, policy.FaultOutput // the caller's mistake; no instance pays for it
	case !p.fuelRate.open(ask.Event.NowMs):
		return 0, policy.FaultRate
	}
	if p.inst == nil {
		if fault := p.reviveLocked(ask.Event.NowMs); fault != policy.FaultNone {
			return 0, fault
		}
	}
	if !p.inst.has(op(ask.Event.Kind)) {
		return 0, policy.FaultNone // on_close, which a guest may do without
	}
	p.callCtx.begin(&ask.Event)
	p.stats.Calls++
	r, err := p.askLocked(ask)
	if err != nil {
		return 0, p.failLocked(ask.Event.NowMs, &FaultError{
			Policy: p.name, Step: hookName(ask.Event.Kind),
			Fault: faultOf(err, policy.FaultTrap), Err: err,
		})
	}
	return r, policy.FaultNone
}

// askLocked asks, and keeps a copy of what was learned when one is due.
func (p *Policy) askLocked(ask *policy.Ask) (reply, error) {
	budget := p.engine.cfg.callFuel()
	r, err := p.inst.ask(ask, budget)
	used := p.inst.takeUsed()
	p.stats.record(ask.Event.Kind, used)
	p.useLocked(used)
	if err != nil || !p.inst.snap.due(ask.Event.NowMs, p.inst.state.size) {
		return r, err
	}
	err = p.inst.audit(budget)
	p.useLocked(p.inst.takeUsed())
	if err != nil {
		return 0, err
	}
	p.keepLocked()
	return r, nil
}

// useLocked charges fuel.
func (p *Policy) useLocked(units uint64) {
	p.stats.FuelSpent += units
	p.fuelRate.use(units)
}

// keepLocked copies the learned state of the living instance.
func (p *Policy) keepLocked() {
	if p.inst == nil || p.inst.state.size == 0 {
		return
	}
	p.learned = State{Format: p.inst.format, Bytes: p.inst.copyState(p.learned.Bytes)}
}

// reviveLocked makes an instance, unless the breaker is open.
func (p *Policy) reviveLocked(now uint64) policy.Fault {
	if p.breaker.open(now) {
		return policy.FaultBreaker
	}
	p.stats.Instances++
	inst, err := p.start(context.Background())
	p.fuelRate.use(p.stats.FuelInstantiate)
	if err != nil {
		return p.failLocked(now, err)
	}
	p.inst = inst
	return policy.FaultNone
}

// failLocked closes the instance, records the error, and returns its fault.
func (p *Policy) failLocked(now uint64, err error) policy.Fault {
	p.err = err
	p.breaker.fault(now)
	if p.breaker.failures >= dropStateAfter {
		p.learned = State{}
	}
	if p.inst != nil {
		err = errors.Join(err, p.inst.close())
		p.inst = nil
	}
	p.callCtx.log.addHostLine(now, oneLine(err.Error(), maxReason))
	var known *FaultError
	if errors.As(err, &known) {
		return known.Fault
	}
	return policy.FaultInit
}

// Err returns the last fault, with a *FaultError in its chain; nil if there was
// none.
func (p *Policy) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// State returns a copy of the learned state: of the living instance, or else the
// last good copy. A closed policy still returns it.
func (p *Policy) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keepLocked()
	return State{Format: p.learned.Format, Bytes: bytes.Clone(p.learned.Bytes)}
}

// Stats returns the counts.
func (p *Policy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Faults[policy.FaultBusy] += p.busy.Load()
	if p.inst != nil {
		s.MemoryBytes, s.Restored = uint64(p.inst.mem.Size()), p.inst.restored
	}
	return s
}

// Close ends the instance and releases the code. It waits for a question that is
// being asked; later ones get FaultNotLoaded. Idempotent.
func (p *Policy) Close() error {
	// Until the code is released, Engine.Close finds the policy and waits for it.
	defer p.engine.unregister(p)
	return p.shut()
}

func (p *Policy) shut() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.keepLocked()
	var errs []error
	if p.inst != nil {
		errs = append(errs, p.inst.close())
		p.inst = nil
	}
	return errors.Join(append(errs, p.engine.codeCache.release(p.code))...)
}

// flush logs the lines that the guest wrote while no question was asked.
func (p *Policy) flush() {
	p.mu.Lock()
	lines := p.callCtx.log.take(0)
	p.mu.Unlock()
	emit(p.log, p.name, lines)
}
