package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// minBuffer is the smallest event buffer: everything up to Event.AgeMs and
// Event.PhaseMs.
const minBuffer = 64

// birth is an instance on its way to answering questions.
type birth struct {
	ctx context.Context
	p   *Policy
	i   *instance
}

// birthSteps lists what an instance passes, in order.
func birthSteps() []step[*birth] {
	return []step[*birth]{
		{"instantiate", policy.FaultInit, instantiate},
		{exportInitialize, policy.FaultInit, initialize},
		{exportVersion, policy.FaultRefused, checkVersion},
		{exportEventBuffer, policy.FaultRefused, findBuffer},
		{exportConfigure, policy.FaultConfigure, configure},
		{exportEventBuffer, policy.FaultRefused, checkMoved},
		{exportStateRegion, policy.FaultRefused, findState},
	}
}

// start makes an instance. The error is a *FaultError.
func (p *Policy) start(ctx context.Context) (*instance, error) {
	b := &birth{ctx: ctx, p: p, i: &instance{linear: &linear{limit: p.memoryBytes}}}
	p.world.begin0(p.seed)
	if err := walk(p.name, birthSteps(), b); err != nil {
		return nil, errors.Join(err, b.i.close())
	}
	b.i.linear.refused = false
	return b.i, nil
}

func instantiate(b *birth) error {
	ctx, cancel := b.p.bounded(b.ctx, b.p.cfg.initTime())
	defer cancel()
	mod, err := b.p.runtime.InstantiateModule(
		experimental.WithMemoryAllocator(ctx, b.i.linear), b.p.code,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return err
	}
	i := b.i
	i.mod, i.mem = mod, mod.ExportedMemory(exportMemory)
	i.hooks[abi.KindAccept] = mod.ExportedFunction(exportAccept)
	i.hooks[abi.KindTimeout] = mod.ExportedFunction(exportTimeout)
	i.hooks[abi.KindClose] = mod.ExportedFunction(exportClose)
	i.eventBuffer = mod.ExportedFunction(exportEventBuffer)
	i.stateRegion = mod.ExportedFunction(exportStateRegion)
	return nil
}

func initialize(b *birth) error {
	f := b.i.mod.ExportedFunction(exportInitialize)
	if f == nil {
		return nil
	}
	ctx, cancel := b.p.bounded(b.ctx, b.p.cfg.initTime())
	defer cancel()
	_, err := b.i.call(ctx, f, 0)
	return err
}

// ask1 calls an export within the time of a question.
func (b *birth) ask1(f api.Function) (uint64, error) {
	ctx, cancel := b.p.bounded(b.ctx, b.p.cfg.callTime())
	defer cancel()
	return b.i.call(ctx, f, 0)
}

// checkVersion takes every guest whose version is not newer than the host's:
// within a version the ABI only grows, and a guest sees what it knows.
func checkVersion(b *birth) error {
	v, err := b.ask1(b.i.mod.ExportedFunction(exportVersion))
	if err != nil {
		return err
	}
	if v := uint32(v); v < 1 || v > abi.Version {
		return fmt.Errorf("is written for version %d of the ABI, this host speaks 1 to %d", v, abi.Version)
	}
	return nil
}

func findBuffer(b *birth) error {
	packed, err := b.ask1(b.i.eventBuffer)
	if err != nil {
		return err
	}
	r := regionOf(packed)
	if r.size < minBuffer {
		return fmt.Errorf("event buffer of %v is smaller than %d bytes", r, minBuffer)
	}
	if err := r.check(b.i.mem); err != nil {
		return fmt.Errorf("event buffer of %v: %w", r, err)
	}
	// What lies past the known sections is the guest's, or a later version's.
	r.size = min(r.size, abi.BufferSize)
	b.i.buffer = r
	return nil
}

func configure(b *birth) error {
	set := b.i.mod.ExportedFunction(exportConfigure)
	if set == nil {
		if len(b.p.params) > 0 {
			return errors.New("takes no parameters (exports no function \"configure\")")
		}
		return nil
	}
	ctx, cancel := b.p.bounded(b.ctx, b.p.cfg.configureTime())
	defer cancel()
	if err := b.putParams(ctx); err != nil {
		return err
	}
	code, err := b.i.call(ctx, set, uint64(len(b.p.params)))
	if err != nil {
		return err
	}
	if code := uint32(code); code != 0 {
		return fmt.Errorf("parameters refused with code %d: %s", code, b.p.world.log.reason())
	}
	return nil
}

// putParams writes the parameters where the guest wants them.
func (b *birth) putParams(ctx context.Context) error {
	n := uint64(len(b.p.params))
	if n == 0 {
		return nil
	}
	addr, err := b.i.call(ctx, b.i.mod.ExportedFunction(exportConfigureBuffer), n)
	if err != nil {
		return err
	}
	if uint32(addr) == 0 {
		return fmt.Errorf("has no room for %d bytes of parameters", n)
	}
	if !b.i.mem.Write(uint32(addr), b.p.params) {
		return fmt.Errorf("wants %d bytes of parameters at %d, outside the memory of %d bytes", n, uint32(addr), b.i.mem.Size())
	}
	return nil
}

// checkMoved refuses a guest whose buffer moves before the first question;
// audit catches the others.
func checkMoved(b *birth) error {
	packed, err := b.ask1(b.i.eventBuffer)
	if err != nil {
		return err
	}
	return b.i.sameBuffer(packed)
}

// findState asks for the region of learned state, and fills it.
func findState(b *birth) error {
	i := b.i
	if i.stateRegion == nil {
		return nil
	}
	packed, err := b.ask1(i.stateRegion)
	if err != nil {
		return err
	}
	r := regionOf(packed)
	if r.size > maxState {
		return fmt.Errorf("learned state of %v is larger than %d bytes", r, maxState)
	}
	if err := r.check(i.mem); err != nil {
		return fmt.Errorf("learned state of %v: %w", r, err)
	}
	i.state = r
	if f := i.mod.ExportedFunction(exportStateFormat); f != nil {
		if i.format, err = b.ask1(f); err != nil {
			return err
		}
	}
	if b.p.learned.fits(i.format, r.size) {
		i.restored = i.mem.Write(r.addr, b.p.learned.Bytes)
	}
	return nil
}
