package check

import (
	"context"
	"sync"

	"idlehost/host/internal/engine"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/worker"
	"idlehost/sdk/abi"
)

// loaded is a policy that can be asked.
type loaded interface {
	asker
	// told is what its first instance told of itself, and the bytes of its memory.
	told() (engine.Profile, uint64)
	Close() error
}

// here is a policy in this process.
type here struct{ *engine.Policy }

func loadHere(j *engine.Job) (loaded, error) {
	p, err := j.Load()
	if err != nil {
		return nil, err
	}
	return here{p}, nil
}

func (h here) told() (engine.Profile, uint64) { return h.Profile(), h.Stats().MemoryBytes }

// Fuel implements asker.
func (h here) Fuel(kind abi.Kind) uint64 { return h.Stats().FuelTotal[kind] }

// Spent implements asker.
func (h here) Spent() uint64 {
	s := h.Stats()
	return s.FuelSpent + (s.Instances-1)*instanceFuel
}

// lines are what a policy in a worker says, which another goroutine hears.
type lines struct {
	mu   sync.Mutex // guards the following
	list []line
}

type line struct {
	level int
	text  string
}

func (l *lines) hear(_ string, level int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, line{level, text})
}

// tell puts them into a report.
func (l *lines) tell(r *Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.list {
		r.hear("", x.level, x.text)
	}
}

// apart is a policy in a worker. The check's goroutine waits for its answers.
type apart struct {
	*worker.Guest
	ctx  context.Context
	job  *engine.Job // it is a part of
	fuel [abi.KindClose + 1]uint64
	anew uint64 // instances after the first
}

func loadApart(ctx context.Context, j *engine.Job, in Input, src engine.Source) (loaded, error) {
	g, err := in.Workers.LoadIn(ctx, j, src, worker.Options{Tenant: in.Tenant, Trial: true})
	if err != nil {
		return nil, err
	}
	return &apart{Guest: g, ctx: ctx, job: j}, nil
}

func (a *apart) told() (engine.Profile, uint64) {
	l := a.Stats().Load
	return l.Profile, l.MemoryBytes
}

// Decide implements asker. Where the check is given up, its job says so.
func (a *apart) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault) {
	before := a.Stats()
	v, fault, _ := a.Wait(a.ctx, ask)
	after := a.Stats()
	a.job.Elsewhere(after.CPU - before.CPU)
	if kind := ask.Event.Kind; int(kind) < len(a.fuel) {
		a.fuel[kind] += after.Fuel - before.Fuel
	}
	if fault != policy.FaultNone {
		a.Learned() // why it failed is there then, as in Close
	}
	if fault != policy.FaultNone && !fault.Passes() && fault != policy.FaultBreaker {
		a.anew++
	}
	return v, fault
}

// Fuel implements asker.
func (a *apart) Fuel(kind abi.Kind) uint64 { return a.fuel[kind] }

// Spent implements asker.
func (a *apart) Spent() uint64 {
	s := a.Stats()
	return s.Load.Fuel + s.Fuel + a.anew*instanceFuel
}

// Close ends the policy. What it has said is there then: it comes before the answer
// to another question to its worker.
func (a *apart) Close() error {
	a.Learned()
	return a.Guest.Close()
}
