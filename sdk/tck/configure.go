package tck

import (
	"context"
	"errors"
	"fmt"
)

// errRefused is what an instance answers to parameters that it does not want.
var errRefused = errors.New("refused")

// checkConfigure proves that parameters find room, that none are fine, and
// that nonsense is refused with a code, not a trap.
func checkConfigure(ctx context.Context, m *machine) error {
	i, err := m.spawn(ctx, 1)
	if err != nil || !i.has("configure") {
		return err
	}
	if err := checkParamsBuffer(ctx, i); err != nil {
		return err
	}
	for _, text := range []string{
		"tck-no-such-parameter=1\n",
		"=\n",
		"no equals sign\n",
		"\xff\xfe=\x00\n",
		"tck-no-such-parameter=" + string(make([]byte, 2000)) + "\n",
	} {
		i, err := m.spawn(ctx, 1)
		if err != nil {
			return err
		}
		if err := refuses(ctx, i, text); err != nil {
			return err
		}
	}
	return nil
}

func checkParamsBuffer(ctx context.Context, i *instance) error {
	for _, n := range []uint32{1, 64, 1000, 1 << 16, 1 << 30, 1 << 31, 1<<32 - 1} {
		addr, err := i.call(ctx, "configure_buffer", uint64(n))
		if err != nil {
			return err
		}
		if end := uint64(uint32(addr)) + uint64(n); uint32(addr) != 0 && end > uint64(i.mem.Size()) {
			return fmt.Errorf("configure_buffer(%d) is %d, so that it ends outside the memory of %d bytes", n, uint32(addr), i.mem.Size())
		}
		if uint32(addr) == 0 && n <= 64 {
			return fmt.Errorf("configure_buffer(%d) is 0: no room for one parameter", n)
		}
	}
	return nil
}

func refuses(ctx context.Context, i *instance, text string) error {
	err := i.configure(ctx, text)
	if errors.Is(err, errRefused) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("configure accepts %.40q", text)
	}
	return err
}
