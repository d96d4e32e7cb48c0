package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/meter"
	"idlehost/sdk/abi"
)

// minBuffer is the smallest event buffer: everything up to Event.AgeMs and
// Event.PhaseMs.
const minBuffer = 64

// instantiation is an instance that is being made.
type instantiation struct {
	ctx context.Context
	p   *Policy
	i   *instance
}

// instantiationSteps lists the steps of making an instance, in order.
func instantiationSteps() []step[*instantiation] {
	return []step[*instantiation]{
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
	s := &instantiation{ctx: ctx, p: p, i: p.newInstance()}
	p.callCtx.beginInit(p.seed)
	err := runSteps(p.name, instantiationSteps(), s)
	p.stats.FuelInstantiate = s.i.takeUsed()
	p.stats.FuelSpent += p.stats.FuelInstantiate
	if err != nil {
		return nil, errors.Join(err, s.i.close())
	}
	return s.i, nil
}

func instantiate(s *instantiation) error {
	i, c := s.i, s.p.code
	mod, err := c.shared.runtime.InstantiateModule(experimental.WithMemoryAllocator(s.ctx, &i.linear), c.module, c.shared.config)
	if err != nil {
		return err
	}
	i.mod, i.mem = mod, mod.ExportedMemory(exportMemory)
	fuel, ok := mod.ExportedGlobal(meter.Global).(api.MutableGlobal)
	entry := mod.ExportedGlobal(exportEntry)
	if !ok || entry == nil {
		return errors.New("BUG: has not passed the meter")
	}
	i.fuel, i.entry = fuelCounter{fuel}, entry.Get()
	s.p.callCtx.fuel = i.fuel
	return nil
}

// runStart runs the start function, which wazero does not see: link removes its
// section.
func runStart(s *instantiation) error { return s.run(opStart) }

func initialize(s *instantiation) error { return s.run(opInitialize) }

// run calls an optional export, with the fuel of initialisation.
func (s *instantiation) run(o op) error {
	if !s.i.has(o) {
		return nil
	}
	before := s.i.used
	_, err := s.i.call(o, 0, s.p.engine.cfg.initFuel())
	s.i.profile.FuelInit = max(s.i.profile.FuelInit, s.i.used-before)
	return err
}

// ask calls an export with the fuel of a question.
func (s *instantiation) ask(o op) (uint64, error) {
	return s.i.call(o, 0, s.p.engine.cfg.callFuel())
}

// checkVersion accepts every guest whose version is not newer than the host's:
// within a version the ABI only grows, and a guest sees the part that it knows.
func checkVersion(s *instantiation) error {
	v, err := s.ask(opVersion)
	if err != nil {
		return err
	}
	if v := uint32(v); v < 1 || v > abi.Version {
		return fmt.Errorf("is written for version %d of the ABI, this host speaks 1 to %d", v, abi.Version)
	}
	s.i.profile.ABIVersion = uint32(v)
	return nil
}

func findBuffer(s *instantiation) error {
	packed, err := s.ask(opEventBuffer)
	if err != nil {
		return err
	}
	r := regionOf(packed)
	if r.size < minBuffer {
		return fmt.Errorf("event buffer of %v is smaller than %d bytes", r, minBuffer)
	}
	if err := r.check(s.i.mem); err != nil {
		return fmt.Errorf("event buffer of %v: %w", r, err)
	}
	// What lies past the known sections is the guest's, or a later version's.
	r.size = min(r.size, abi.BufferSize)
	s.i.buffer = r
	return nil
}

func configure(s *instantiation) error {
	if !s.i.has(opConfigure) {
		if len(s.p.params) > 0 {
			return errors.New("takes no parameters (exports no function \"configure\")")
		}
		return nil
	}
	if err := s.putParams(); err != nil {
		return err
	}
	code, err := s.configureCall(opConfigure, uint64(len(s.p.params)))
	if err != nil {
		return err
	}
	if code := uint32(code); code != 0 {
		return fmt.Errorf("%w with code %d: %s", ErrParams, code, s.p.callCtx.log.reason())
	}
	return nil
}

// configureCall calls an export with the fuel of configure.
func (s *instantiation) configureCall(o op, param uint64) (uint64, error) {
	before := s.i.used
	v, err := s.i.call(o, param, s.p.engine.cfg.configureFuel())
	s.i.profile.FuelConfigure = max(s.i.profile.FuelConfigure, s.i.used-before)
	return v, err
}

// putParams writes the parameters to the buffer that the guest returns.
func (s *instantiation) putParams() error {
	n := uint64(len(s.p.params))
	if n == 0 {
		return nil
	}
	addr, err := s.configureCall(opConfigureBuffer, n)
	if err != nil {
		return err
	}
	if uint32(addr) == 0 {
		return fmt.Errorf("has no room for %d bytes of parameters", n)
	}
	if !s.i.mem.Write(uint32(addr), s.p.params) {
		return fmt.Errorf("wants %d bytes of parameters at %d, outside the memory of %d bytes", n, uint32(addr), s.i.mem.Size())
	}
	return nil
}

// checkMoved refuses a guest whose buffer moves before the first question;
// audit catches the others.
func checkMoved(s *instantiation) error {
	packed, err := s.ask(opEventBuffer)
	if err != nil {
		return err
	}
	return s.i.sameBuffer(packed)
}

// findState asks for the region of learned state, and fills it.
func findState(s *instantiation) error {
	i := s.i
	if !i.has(opStateRegion) {
		return nil
	}
	packed, err := s.ask(opStateRegion)
	if err != nil {
		return err
	}
	r := regionOf(packed)
	if r.size > MaxState {
		return fmt.Errorf("learned state of %v is larger than %d bytes", r, MaxState)
	}
	if err := r.check(i.mem); err != nil {
		return fmt.Errorf("learned state of %v: %w", r, err)
	}
	i.state = r
	if i.has(opStateFormat) {
		if i.format, err = s.ask(opStateFormat); err != nil {
			return err
		}
	}
	if fits(s.p.learned, i.format, r.size) {
		i.restored = i.mem.Write(r.addr, s.p.learned.Bytes)
	}
	return nil
}
