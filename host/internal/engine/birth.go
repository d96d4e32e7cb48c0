package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"idlehost/host/internal/engine/meter"
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
		{"start function", policy.FaultInit, runStart},
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
	b := &birth{ctx: ctx, p: p, i: p.unborn()}
	p.world.begin0(p.seed)
	err := walk(p.name, birthSteps(), b)
	p.stats.FuelBirth = b.i.takeUsed()
	p.stats.FuelSpent += p.stats.FuelBirth
	if err != nil {
		return nil, errors.Join(err, b.i.close())
	}
	return b.i, nil
}

func instantiate(b *birth) error {
	i, c := b.i, b.p.code
	mod, err := c.hall.runtime.InstantiateModule(experimental.WithMemoryAllocator(b.ctx, &i.linear), c.module, c.hall.config)
	if err != nil {
		return err
	}
	i.mod, i.mem = mod, mod.ExportedMemory(exportMemory)
	fuel, ok := mod.ExportedGlobal(meter.Global).(api.MutableGlobal)
	entry := mod.ExportedGlobal(exportEntry)
	if !ok || entry == nil {
		return errors.New("BUG: has not passed the meter")
	}
	i.tank, i.entry = tank{fuel}, entry.Get()
	b.p.world.tank = i.tank
	return nil
}

// runStart runs the start function, which wazero knows nothing of: liftStart.
func runStart(b *birth) error { return b.run(opStart) }

func initialize(b *birth) error { return b.run(opInitialize) }

// run calls an export that a guest may do without, with the fuel of a start.
func (b *birth) run(o op) error {
	if !b.i.has(o) {
		return nil
	}
	before := b.i.used
	_, err := b.i.call(o, 0, b.p.engine.cfg.initFuel())
	b.i.profile.FuelInit = max(b.i.profile.FuelInit, b.i.used-before)
	return err
}

// ask1 calls an export with the fuel of a question.
func (b *birth) ask1(o op) (uint64, error) {
	return b.i.call(o, 0, b.p.engine.cfg.callFuel())
}

// checkVersion takes every guest whose version is not newer than the host's:
// within a version the ABI only grows, and a guest sees what it knows.
func checkVersion(b *birth) error {
	v, err := b.ask1(opVersion)
	if err != nil {
		return err
	}
	if v := uint32(v); v < 1 || v > abi.Version {
		return fmt.Errorf("is written for version %d of the ABI, this host speaks 1 to %d", v, abi.Version)
	}
	b.i.profile.ABIVersion = uint32(v)
	return nil
}

func findBuffer(b *birth) error {
	packed, err := b.ask1(opEventBuffer)
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
	if !b.i.has(opConfigure) {
		if len(b.p.params) > 0 {
			return errors.New("takes no parameters (exports no function \"configure\")")
		}
		return nil
	}
	if err := b.putParams(); err != nil {
		return err
	}
	code, err := b.configureCall(opConfigure, uint64(len(b.p.params)))
	if err != nil {
		return err
	}
	if code := uint32(code); code != 0 {
		return fmt.Errorf("%w with code %d: %s", ErrParams, code, b.p.world.log.reason())
	}
	return nil
}

// configureCall calls an export with the fuel of configure.
func (b *birth) configureCall(o op, param uint64) (uint64, error) {
	before := b.i.used
	v, err := b.i.call(o, param, b.p.engine.cfg.configureFuel())
	b.i.profile.FuelConfigure = max(b.i.profile.FuelConfigure, b.i.used-before)
	return v, err
}

// putParams writes the parameters where the guest wants them.
func (b *birth) putParams() error {
	n := uint64(len(b.p.params))
	if n == 0 {
		return nil
	}
	addr, err := b.configureCall(opConfigureBuffer, n)
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
	packed, err := b.ask1(opEventBuffer)
	if err != nil {
		return err
	}
	return b.i.sameBuffer(packed)
}

// findState asks for the region of learned state, and fills it.
func findState(b *birth) error {
	i := b.i
	if !i.has(opStateRegion) {
		return nil
	}
	packed, err := b.ask1(opStateRegion)
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
	if i.has(opStateFormat) {
		if i.format, err = b.ask1(opStateFormat); err != nil {
			return err
		}
	}
	if b.p.learned.fits(i.format, r.size) {
		i.restored = i.mem.Write(r.addr, b.p.learned.Bytes)
	}
	return nil
}
