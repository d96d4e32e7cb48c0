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
	shared   *sharedRuntime
	exports  opSet        // what the guest can do
	callCtx  *callContext // the policy's
	slotHint uint32       // of the trampoline slot through which it is called, if that is free
	mod      api.Module
	mem      api.Memory
	linear   linearMemory
	fuel     fuelCounter
	entry    uint64 // a reference to its entry: what link has added
	used     uint64 // fuel since takeUsed

	profile  Profile // the part that nothing else knows
	buffer   region
	state    region
	format   uint64
	restored bool // learned state was put in

	gaps gapsKey // what the buffer holds
	snap snapshot
}

// newInstance returns an instance that has not been instantiated.
func (p *Policy) newInstance() *instance {
	i := &instance{shared: p.code.shared, exports: p.code.exports, callCtx: p.callCtx, slotHint: p.slotHint}
	i.linear = linearMemory{pool: p.engine.memoryPool, limit: p.memoryBytes, reserve: uint64(p.code.pages) * pageBytes}
	if p.code.grows {
		i.linear.reserve = p.memoryBytes
	}
	return i
}

// close ends the instance. Its memory goes to another guest, so it must not be called
// any more.
func (i *instance) close() (err error) {
	if i.mod != nil {
		err = i.mod.Close(context.Background())
	}
	i.linear.Free() // wazero does not if instantiation fails
	i.mod, i.mem = nil, nil
	return err
}

// has reports whether the guest exports an optional function.
func (i *instance) has(o op) bool { return i.exports.has(o) }

// call calls one function of the guest, with budget units of fuel.
func (i *instance) call(o op, param uint64, budget int64) (uint64, error) {
	slot, err := i.shared.takeSlot(i.slotHint)
	if err != nil {
		return 0, err
	}
	i.linear.refused = false
	result, left, err := slot.trampoline.call(i.callCtx, i.entry, o, param, budget)
	slot.release()
	if err != nil {
		return 0, i.trapped(err, budget)
	}
	i.used += uint64(budget - left)
	return result, nil
}

// trapped returns the cause of a trap in a call with budget units of fuel.
func (i *instance) trapped(err error, budget int64) error {
	left := i.fuel.left()
	i.used += uint64(budget - max(left, 0))
	err = trimTrace(err)
	switch {
	case left < 0:
		return outOfFuel(err, budget)
	case i.linear.refused:
		return fmt.Errorf("%w: was refused more than %d KiB: %w", errMemory, i.linear.limit>>10, err)
	}
	return err
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
	src, ok := i.linear.view(i.state)
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
	buf, ok := i.linear.view(i.buffer)
	if !ok {
		return 0, errOutside
	}
	putEvent(buf, &q.Event)
	i.putGaps(buf, q)
	raw, err := i.call(op(q.Event.Kind), 0, budget)
	if err != nil || q.Event.Kind == uint8(abi.KindClose) {
		return 0, err
	}
	r := reply(raw)
	if err := r.check(); err != nil {
		return 0, err
	}
	return r, i.readBack(q, r)
}

// errOutside cannot occur, since memory does not shrink.
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

// readBack copies what the guest may change in the event. The memory may have moved
// while it ran, so the buffer is looked up again.
func (i *instance) readBack(q *policy.Ask, r reply) error {
	buf, ok := i.linear.view(i.buffer)
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

// audit asks again where buffer and state are: a guest that has moved them would read
// old events, and the host would copy the wrong bytes.
func (i *instance) audit(budget int64) error {
	packed, err := i.call(opEventBuffer, 0, budget)
	if err != nil {
		return err
	}
	if err := i.sameBuffer(packed); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	if !i.has(opStateRegion) {
		return nil
	}
	if packed, err = i.call(opStateRegion, 0, budget); err != nil {
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
