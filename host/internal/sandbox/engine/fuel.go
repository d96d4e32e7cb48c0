package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/policy"
)

// tank is the fuel of one instance: the global that package meter has given
// the module, which pays for what it runs out of it. Negative: it is empty,
// and has trapped.
type tank struct{ global api.MutableGlobal }

func (t tank) fill(units int64) { t.global.Set(uint64(units)) }
func (t tank) left() int64      { return int64(t.global.Get()) }

// draw pays for what the host does at the guest's bidding. It panics where
// that is more than is left: a trap.
func (t tank) draw(units int64) {
	left := t.left() - units
	t.fill(left)
	if left < 0 {
		panic(errFuel)
	}
}

// errFuel marks that a guest has used up what it was given; errMemory, that it
// trapped after it was refused memory.
var (
	errFuel   = errors.New("out of fuel")
	errMemory = errors.New("out of memory")
)

// emptied is the error of a call that ran out of budget units. Of the trap, it
// keeps where it was: the instruction is the meter's, not the guest's.
func emptied(trap error, budget int64) error {
	_, where, ok := strings.Cut(trap.Error(), "wasm stack trace:")
	if ok {
		where = " in" + oneLine(where, maxReason)
	}
	return fmt.Errorf("%w: used up its %d units%s", errFuel, budget, where)
}

// What host functions cost beside the call itself, in units of fuel of a
// third of a nanosecond and more. They are charged before they do anything, for as much
// as they would do at most.
const (
	costLine      = 256 // a line for the log, kept or not
	costLineByte  = 2
	costWriteByte = 4 // of standard output, which is searched for line feeds
	costVector    = 16
	costRandom    = 4 // a byte
	costPoll      = 32
)

// note counts what a hook has used.
func (s *Stats) note(kind uint8, used uint64) {
	s.FuelLast[kind] = used
	s.FuelMax[kind] = max(s.FuelMax[kind], used)
	s.FuelTotal[kind] += used
}

// faultOf tells what a module or a guest failed of. other stands for what has
// no cause of its own.
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
