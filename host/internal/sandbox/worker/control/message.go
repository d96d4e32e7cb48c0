package control

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// putPrepared appends what a worker needs of p, with what its code is found by or
// without.
func putPrepared(b []byte, p *engine.Prepared, wasm bool) []byte {
	m := p.Metered
	b = putBytes(b, p.Name)
	b = putBytes(b, p.Params)
	b = put32(b, p.MemoryPages)
	b = append(b, m.Digest[:]...)
	b = put32(b, m.Exports)
	b = put32(b, m.Types)
	b = put32(b, m.Pages)
	b = put32(b, uint32(m.Size))
	b = putBool(b, m.Grows)
	if !wasm {
		return putBytes(b, "")
	}
	return putBytes(b, p.Loadable())
}

func takePrepared(f *fields) *engine.Prepared {
	p := &engine.Prepared{Name: string(f.bytes()), Params: bytes.Clone(f.bytes()), MemoryPages: f.u32(), Metered: new(engine.Metered)}
	m := p.Metered
	copy(m.Digest[:], f.take(uint32(len(m.Digest))))
	m.Exports, m.Types, m.Pages, m.Size, m.Grows = f.u32(), f.u32(), f.u32(), int(f.u32()), f.bool()
	m.Wasm = f.bytes() // wazero keeps none of it
	return p
}

func putState(b []byte, s engine.State) []byte { return putBytes(put64(b, s.Format), s.Bytes) }

func takeState(f *fields) (engine.State, error) {
	s := engine.State{Format: f.u64()}
	raw := f.bytes()
	if len(raw) > engine.MaxState {
		return s, fmt.Errorf("%w: learned state of %d bytes", ErrNonsense, len(raw))
	}
	if len(raw) > 0 {
		s.Bytes = bytes.Clone(raw)
	}
	return s, nil
}

func putLoaded(b []byte, l Loaded) []byte {
	b = put32(b, l.Profile.ABIVersion)
	b = put32(b, l.Profile.BufferBytes)
	b = put32(b, l.Profile.StateBytes)
	b = put64(b, l.Profile.StateFormat)
	b = put64(b, l.Profile.FuelInit)
	b = put64(b, l.Profile.FuelConfigure)
	b = put64(b, l.MemoryBytes)
	b = putBool(b, l.Restored)
	b = put64(b, l.Fuel)
	return put64(b, uint64(l.Time))
}

// mostFuel keeps sums of what a worker tells from overflowing.
const mostFuel = 1 << 48

// takeLoaded holds what a worker tells against what can be.
func takeLoaded(f *fields, p *engine.Prepared) (Loaded, error) {
	l := Loaded{
		Profile: engine.Profile{
			ABIVersion: f.u32(), BufferBytes: f.u32(), StateBytes: f.u32(), StateFormat: f.u64(),
			FuelInit: f.u64(), FuelConfigure: f.u64(),
		},
		MemoryBytes: f.u64(), Restored: f.bool(), Fuel: f.u64(),
	}
	took := f.u64()
	switch {
	case l.Profile.ABIVersion > abi.Version, l.Profile.BufferBytes > abi.BufferSize, l.Profile.StateBytes > engine.MaxState:
		return Loaded{}, fmt.Errorf("%w: profile %+v", ErrNonsense, l.Profile)
	case l.Profile.FuelInit > mostFuel, l.Profile.FuelConfigure > mostFuel, l.Fuel > mostFuel:
		return Loaded{}, fmt.Errorf("%w: fuel of a load is %d", ErrNonsense, max(l.Profile.FuelInit, l.Profile.FuelConfigure, l.Fuel))
	case l.MemoryBytes > uint64(p.MemoryPages)<<16:
		return Loaded{}, fmt.Errorf("%w: guest has %d bytes of memory, and may have %d pages", ErrNonsense, l.MemoryBytes, p.MemoryPages)
	case took > uint64(maxTime):
		return Loaded{}, fmt.Errorf("%w: processor time of a load is %d ns", ErrNonsense, took)
	}
	l.Time = time.Duration(took)
	return l, nil
}

// Flags of an error.
const (
	flagParams = 1 << iota // engine.ErrParams
	flagNoCode             // engine.ErrNoCode
	knownFlags = 1<<iota - 1
)

// putError appends why a load has failed; of no error, a zero.
func putError(b []byte, err error) []byte {
	if err == nil {
		return append(b, byte(policy.FaultNone))
	}
	known := &engine.FaultError{Step: "load", Fault: policy.FaultBusy, Err: err}
	errors.As(err, &known)
	flags := byte(0)
	if errors.Is(err, engine.ErrParams) {
		flags |= flagParams
	}
	if errors.Is(err, engine.ErrNoCode) {
		flags |= flagNoCode
	}
	b = append(b, byte(known.Fault), flags)
	return putBytes(putBytes(b, engine.CleanLine(known.Step)), engine.CleanLine(known.Err.Error()))
}

// takeError returns a *engine.FaultError of the policy name; nil: there was none.
// wrong says that the worker makes no sense.
func takeError(f *fields, name string) (err, wrong error) {
	fault := policy.Fault(f.u8())
	if fault == policy.FaultNone {
		return nil, nil
	}
	flags := f.u8()
	step, text := engine.CleanLine(string(f.bytes())), engine.CleanLine(string(f.bytes()))
	if int(fault) > len(policy.FaultNames()) || flags&^knownFlags != 0 {
		return nil, fmt.Errorf("%w: load failed of fault %d, flags %#x", ErrNonsense, fault, flags)
	}
	return &engine.FaultError{Policy: name, Step: step, Fault: fault, Err: &told{text, flags}}, nil
}

// told is an error as a worker has told it.
type told struct {
	text  string
	flags byte
}

// Error returns the text.
func (t *told) Error() string { return t.text }

// Is reports whether it stands for target.
func (t *told) Is(target error) bool {
	return target == engine.ErrParams && t.flags&flagParams != 0 || target == engine.ErrNoCode && t.flags&flagNoCode != 0
}
