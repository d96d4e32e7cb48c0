package tck

import (
	"context"
	"fmt"
)

// stateMax bounds learned state, in bytes.
const stateMax = 64 << 10

func checkState(ctx context.Context, m *machine) error {
	i, err := m.ready(ctx, 1)
	if err != nil || !i.has("state_region") {
		return err
	}
	r, err := i.region(ctx, "state_region")
	if err != nil {
		return err
	}
	if r.size > stateMax {
		return fmt.Errorf("learned state of %d bytes, may have %d", r.size, stateMax)
	}
	if err := i.check(r); err != nil {
		return fmt.Errorf("learned state: %w", err)
	}
	format, err := i.format(ctx)
	if err != nil {
		return err
	}
	if err := i.each(ctx, question{}); err != nil {
		return err
	}
	again, err := i.region(ctx, "state_region")
	if err == nil && again != r {
		err = fmt.Errorf("learned state of %d bytes at %d has become %d bytes at %d", r.size, r.addr, again.size, again.addr)
	}
	if err != nil {
		return err
	}
	now, err := i.format(ctx)
	if err == nil && now != format {
		err = fmt.Errorf("state_format was %d, is %d", format, now)
	}
	return err
}

func (i *instance) format(ctx context.Context) (uint64, error) {
	if !i.has("state_format") {
		return 0, nil
	}
	return i.call(ctx, "state_format")
}

// checkCarriesOver proves that an instance given what another has learned
// answers as that other.
func checkCarriesOver(ctx context.Context, m *machine) error {
	old, next, err := pair(ctx, m)
	if err != nil || !old.has("state_region") {
		return err
	}
	if err := old.each(ctx, question{}); err != nil {
		return err
	}
	from, err := old.region(ctx, "state_region")
	if err != nil || from.size == 0 {
		return err
	}
	to, err := next.region(ctx, "state_region")
	if err != nil {
		return err
	}
	learned, ok := old.mem.Read(from.addr, from.size)
	if !ok || to.size != from.size || !next.mem.Write(to.addr, learned) {
		return fmt.Errorf("learned state of %d bytes does not fit the next instance's %d", from.size, to.size)
	}
	if err := twins(ctx, old, next, question{}); err != nil {
		return fmt.Errorf("an instance that was given the learned state answers differently: %w", err)
	}
	return nil
}
