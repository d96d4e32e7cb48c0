package tck

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"idlehost/sdk/abi"
)

// answer is all that a host takes from a call.
type answer struct {
	verdict uint64
	state   [abi.StateSize]byte
	leases  [abi.Phases * 4]byte // zero unless the verdict says that they were edited
}

// question is a vector as some host writes it.
type question struct {
	*vector
	size   uint16 // what Event.Size says; 0: all that this version has
	beyond byte   // fills what follows the event's known bytes
}

// ask writes the question, calls the hook, and reads the answer.
func (i *instance) ask(ctx context.Context, q question) (a answer, err error) {
	if q.size == 0 {
		q.size = abi.EventUsed
	}
	i.now = q.event.NowMs
	i.random.Seed([32]byte(binary.LittleEndian.AppendUint64(make([]byte, 24), q.event.Random)))
	raw := slices.Clone(q.raw)
	size := min(uint32(q.size), i.buffer.size, abi.EventSize)
	binary.LittleEndian.PutUint16(raw, uint16(size))
	clear(raw[min(size, abi.EventUsed):abi.EventSize])
	for at := abi.EventUsed; at < int(size); at++ {
		raw[at] = q.beyond
	}
	if !i.mem.Write(i.buffer.addr, raw[:min(i.buffer.size, abi.BufferSize)]) {
		return a, fmt.Errorf("%s: the event buffer is outside the memory", q.name)
	}
	hook := [...]string{abi.KindAccept: "on_accept", abi.KindTimeout: "on_timeout", abi.KindClose: "on_close"}[q.event.Kind]
	if !i.has(hook) {
		return a, nil
	}
	if a.verdict, err = i.call(ctx, hook); err != nil {
		return a, fmt.Errorf("%s: %w", q.name, err)
	}
	if err := i.takeBack(&a); err != nil {
		return a, fmt.Errorf("%s: %w", q.name, err)
	}
	return a, nil
}

// takeBack checks the verdict and reads what it says was changed.
func (i *instance) takeBack(a *answer) error {
	if err := checkVerdict(a.verdict); err != nil {
		return err
	}
	if raw, ok := i.inBuffer(abi.EventStateOffset, abi.StateSize); ok {
		copy(a.state[:], raw)
	}
	if uint8(a.verdict>>40)&abi.FlagLeases == 0 {
		return nil
	}
	raw, ok := i.inBuffer(abi.EventLeasesOffset, uint32(len(a.leases)))
	if !ok {
		return fmt.Errorf("verdict %#x says that leases were edited, for which the buffer of %d bytes has no room", a.verdict, i.buffer.size)
	}
	copy(a.leases[:], raw)
	return nil
}

func (i *instance) inBuffer(offset, size uint32) ([]byte, bool) {
	if offset+size > i.buffer.size {
		return nil, false
	}
	return i.mem.Read(i.buffer.addr+offset, size)
}

func checkVerdict(v uint64) error {
	action, flags := uint8(v>>32), uint8(v>>40)
	switch {
	case action > uint8(abi.ActionClose):
		return fmt.Errorf("verdict %#x has the unknown action %d", v, action)
	case flags&^(abi.FlagLog|abi.FlagLeases) != 0:
		return fmt.Errorf("verdict %#x has unknown flags: %#x", v, flags)
	case v>>63 != 0:
		return fmt.Errorf("verdict %#x has bit 63 set", v)
	}
	return nil
}
