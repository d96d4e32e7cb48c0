package tck

import (
	"context"
	"fmt"

	"idlehost/sdk/abi"
)

// checkStart proves that an instance comes into being.
func checkStart(ctx context.Context, m *machine) error {
	_, err := m.spawn(ctx, 1)
	return err
}

func checkVersion(ctx context.Context, m *machine) error {
	i, err := m.spawn(ctx, 1)
	if err != nil {
		return err
	}
	v, err := i.call(ctx, "abi_version")
	if err == nil && uint32(v) != abi.Version {
		err = fmt.Errorf("abi_version is %d, should be %d", uint32(v), abi.Version)
	}
	return err
}

// bufferMin is the least of an event that a guest may ask for.
const bufferMin = 64

func checkBuffer(ctx context.Context, m *machine) error {
	i, err := m.ready(ctx, 1)
	if err != nil {
		return err
	}
	if i.buffer.size < bufferMin {
		return fmt.Errorf("event buffer of %d bytes, should have at least %d", i.buffer.size, bufferMin)
	}
	if err := i.check(i.buffer); err != nil {
		return fmt.Errorf("event buffer: %w", err)
	}
	return nil
}

// each asks an instance all vectors, as the given host writes them.
func (i *instance) each(ctx context.Context, as question) error {
	for n := range i.vectors {
		as.vector = &i.vectors[n]
		if _, err := i.ask(ctx, as); err != nil {
			return err
		}
	}
	return nil
}

func checkAnswers(ctx context.Context, m *machine) error {
	i, err := m.ready(ctx, 1)
	if err != nil {
		return err
	}
	return i.each(ctx, question{})
}

// checkOlderHost asks as hosts do that know only a part of the event.
func checkOlderHost(ctx context.Context, m *machine) error {
	for _, size := range []uint16{bufferMin, abi.EventStateOffset, abi.EventClientGapsOffset} {
		i, err := m.ready(ctx, 1)
		if err != nil {
			return err
		}
		if err := i.each(ctx, question{size: size}); err != nil {
			return fmt.Errorf("event of %d bytes: %w", size, err)
		}
	}
	return nil
}

// twins asks two instances the same, as different hosts write it, and wants
// the same answers.
func twins(ctx context.Context, a, b *instance, as question) error {
	for n := range a.vectors {
		as.vector = &a.vectors[n]
		one, err := a.ask(ctx, question{vector: as.vector})
		if err != nil {
			return err
		}
		two, err := b.ask(ctx, as)
		if err != nil {
			return err
		}
		if one != two {
			return fmt.Errorf("%s: one answers %#x (state %x), the other %#x (state %x)", as.name, one.verdict, one.state, two.verdict, two.state)
		}
	}
	return nil
}

// pair makes two instances that differ only in what must not matter.
func pair(ctx context.Context, m *machine) (a, b *instance, err error) {
	if a, err = m.ready(ctx, 1); err == nil {
		b, err = m.ready(ctx, 2)
	}
	return a, b, err
}

// checkNewerHost proves that bytes which this version does not know change nothing.
func checkNewerHost(ctx context.Context, m *machine) error {
	a, b, err := pair(ctx, m)
	if err != nil {
		return err
	}
	if err := twins(ctx, a, b, question{size: abi.EventSize, beyond: 0xff}); err != nil {
		return fmt.Errorf("an event with unknown fields changes the answer: %w", err)
	}
	return nil
}

// checkRepeatable proves that the questions alone make the answers.
func checkRepeatable(ctx context.Context, m *machine) error {
	a, b, err := pair(ctx, m)
	if err != nil {
		return err
	}
	if err := twins(ctx, a, b, question{}); err != nil {
		return fmt.Errorf("two instances answer the same questions differently: %w", err)
	}
	return nil
}

func checkAddresses(ctx context.Context, m *machine) error {
	i, err := m.ready(ctx, 1)
	if err != nil {
		return err
	}
	if err := i.each(ctx, question{}); err != nil {
		return err
	}
	now, err := i.region(ctx, "event_buffer")
	if err == nil && now != i.buffer {
		err = fmt.Errorf("the event buffer of %d bytes at %d has become one of %d bytes at %d", i.buffer.size, i.buffer.addr, now.size, now.addr)
	}
	return err
}

// checkMemory proves that a guest does not fill its memory by answering.
func checkMemory(ctx context.Context, m *machine) error {
	i, err := m.ready(ctx, 1)
	if err != nil {
		return err
	}
	before := i.mem.Size()
	for range 4 {
		if err := i.each(ctx, question{}); err != nil {
			return err
		}
	}
	if now := i.mem.Size(); now > before && now >= pagesMax<<16 {
		return fmt.Errorf("answering some thousand questions took all memory that there is: %d bytes", now)
	}
	return nil
}
