package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// instance is one living guest. It is used by the goroutine that holds its
// Policy, and thrown away at the first fault: after a trap, a guest's memory
// may be in any state.
type instance struct {
	mod    api.Module
	mem    api.Memory
	linear *linear
	tank   tank
	used   uint64 // fuel since takeUsed

	hooks       [abi.KindClose + 1]api.Function // by kind; the last may be nil
	eventBuffer api.Function
	stateRegion api.Function // nil without learned state

	profile  Profile // the part that nothing else knows
	buffer   region
	state    region
	format   uint64
	restored bool // learned state was put in

	gaps  gapsKey // what the buffer holds
	snap  snapshot
	stack [1]uint64 // of every call: no hook takes or returns more
}

func (i *instance) close() error {
	if i.mod == nil {
		return nil
	}
	return i.mod.Close(context.Background())
}

// call calls an export with at most one parameter and one result, within
// budget units of fuel.
func (i *instance) call(f api.Function, param uint64, budget int64) (uint64, error) {
	i.linear.refused = false
	i.tank.fill(budget)
	i.stack[0] = param
	err := f.CallWithStack(context.Background(), i.stack[:])
	left := i.tank.left()
	i.used += uint64(budget - max(left, 0))
	switch {
	case err == nil:
		return i.stack[0], nil
	case left < 0:
		return 0, emptied(err, budget)
	case i.linear.refused:
		return 0, fmt.Errorf("%w: was refused more than %d KiB: %w", errMemory, i.linear.limit>>10, err)
	}
	return 0, err
}

// takeUsed returns the fuel that was used since the last time.
func (i *instance) takeUsed() uint64 {
	used := i.used
	i.used = 0
	return used
}

// copyState returns the learned state; nil if it has none. dst is reused.
func (i *instance) copyState(dst []byte) []byte {
	if i.state.size == 0 {
		return nil
	}
	src, ok := i.mem.Read(i.state.addr, i.state.size)
	if !ok {
		return nil
	}
	return append(dst[:0], src...)
}

// ask writes the event, calls the hook, and reads the answer: no allocation,
// and no callback into the guest (TestDecideAllocatesNothing). The event's
// Size and Version are the engine's to set.
func (i *instance) ask(q *policy.Ask, budget int64) (reply, error) {
	q.Event.Size = uint16(min(abi.EventUsed, i.buffer.size))
	q.Event.Version = abi.Version
	buf, ok := i.mem.Read(i.buffer.addr, i.buffer.size)
	if !ok {
		return 0, errOutside
	}
	putEvent(buf, &q.Event)
	i.putGaps(buf, q)
	raw, err := i.call(i.hooks[q.Event.Kind], 0, budget)
	if err != nil || q.Event.Kind == uint8(abi.KindClose) {
		return 0, err
	}
	r := reply(raw)
	if err := r.check(); err != nil {
		return 0, err
	}
	return r, i.takeBack(q, r)
}

// errOutside cannot happen: memory does not shrink.
var errOutside = errors.New("event buffer is outside the memory")

// putGaps writes the histogram, if there is room and it has changed since the
// last time. A Policy serves one tenant, so generation and route tell.
func (i *instance) putGaps(buf []byte, q *policy.Ask) {
	if len(buf) <= abi.GapsOffset {
		return
	}
	switch g := q.Gaps; {
	case g != nil && keyOf(q) != i.gaps:
		putGaps(buf[abi.GapsOffset:], g)
		i.gaps = keyOf(q)
	case g == nil && i.gaps.set:
		clear(buf[abi.GapsOffset:])
		i.gaps = gapsKey{}
	}
}

// takeBack copies what the guest may change in the event. The memory may have
// moved while it ran, so the buffer is looked up again.
func (i *instance) takeBack(q *policy.Ask, r reply) error {
	buf, ok := i.mem.Read(i.buffer.addr, i.buffer.size)
	if !ok {
		return errOutside
	}
	if r.flags()&abi.FlagLeases != 0 {
		if !i.buffer.covers(abi.EventLeasesOffset, leaseBytes) {
			return fmt.Errorf("%w: leases are set, but the event buffer of %d bytes has none", errOutput, i.buffer.size)
		}
		takeLeases(&q.Event.Leases, buf[abi.EventLeasesOffset:])
	}
	if i.buffer.covers(abi.EventStateOffset, abi.StateSize) {
		copy(q.Event.State[:], buf[abi.EventStateOffset:])
	}
	return nil
}

// audit asks again where buffer and state are: a guest that moves them reads
// old events, and the host would copy the wrong bytes.
func (i *instance) audit(budget int64) error {
	packed, err := i.call(i.eventBuffer, 0, budget)
	if err != nil {
		return err
	}
	if err := i.sameBuffer(packed); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	if i.stateRegion == nil {
		return nil
	}
	if packed, err = i.call(i.stateRegion, 0, budget); err != nil {
		return err
	}
	if r := regionOf(packed); r != i.state {
		return fmt.Errorf("%w: learned state has moved from %v to %v", errOutput, i.state, r)
	}
	return nil
}

func (i *instance) sameBuffer(packed uint64) error {
	r := regionOf(packed)
	r.size = min(r.size, abi.BufferSize)
	if r != i.buffer {
		return fmt.Errorf("event buffer has moved from %v to %v", i.buffer, r)
	}
	return nil
}
