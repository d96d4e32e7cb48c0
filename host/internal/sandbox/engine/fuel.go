package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/policy"
)

// fuelCounter is the fuel that is left to one instance: the global that package
// meter adds to the module, whose code subtracts what it runs. Negative: the fuel
// has run out, and the guest has trapped.
type fuelCounter struct{ global api.MutableGlobal }

func (t fuelCounter) set(units int64) { t.global.Set(uint64(units)) }
func (t fuelCounter) left() int64     { return int64(t.global.Get()) }

// charge subtracts what the host does at the guest's request. It panics where
// that is more than is left: a trap.
func (t fuelCounter) charge(units int64) {
	left := t.left() - units
	t.set(left)
	if left < 0 {
		panic(errFuel)
	}
}

// errFuel marks a call that ran out of fuel; errMemory, one that trapped after the
// guest was refused memory.
var (
	errFuel   = errors.New("out of fuel")
	errMemory = errors.New("out of memory")
)

// outOfFuel is the error of a call that used up its budget. It keeps only where
// the trap was: the instruction is the meter's, not the guest's.
func outOfFuel(trap error, budget int64) error {
	_, where, ok := strings.Cut(trap.Error(), "wasm stack trace:")
	if ok {
		where = " in" + oneLine(where, maxReason)
	}
	return fmt.Errorf("%w: used up its %d units%s", errFuel, budget, where)
}

// What host functions cost beside the call itself, in units of fuel, each a third
// of a nanosecond or more. A function charges before it does anything, for the
// most that it could do.
const (
	costLine      = 256 // a line for the log, kept or not
	costLineByte  = 2
	costWriteByte = 4 // of standard output, which is searched for line feeds
	costVector    = 16
	costRandom    = 4 // a byte
	costPoll      = 32
)

// record counts the fuel that a hook has used.
func (s *Stats) record(kind uint8, used uint64) {
	s.FuelLast[kind] = used
	s.FuelMax[kind] = max(s.FuelMax[kind], used)
	s.FuelTotal[kind] += used
}

// faultOf classifies an error of a module or a guest; other is for errors that do
// not name a cause.
func faultOf(err error, other policy.Fault) policy.Fault {
	switch {
	case errors.Is(err, errFuel):
		return policy.FaultFuel
	case errors.Is(err, errMemory):
		return policy.FaultMemory
	case errors.Is(err, errOutput):
		return policy.FaultOutput
	case refusedForMemory(err):
		return policy.FaultMemory
	}
	return other
}
