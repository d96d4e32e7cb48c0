package tck

import (
	"context"
	"fmt"

	"idlehost/sdk/abi"
)

// Ask returns the verdicts of a fresh instance for events, asked in order; the
// verdict of a KindClose is 0. Size and Version are filled in; params are the
// "key=value\n" lines of configure. It is for tests of what a policy decides.
func Ask(ctx context.Context, wasm []byte, params string, events ...abi.Event) ([]int64, error) {
	m, err := compile(ctx, wasm)
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	i, err := m.spawn(ctx, 1)
	if err != nil {
		return nil, err
	}
	if i.buffer, err = i.region(ctx, "event_buffer"); err != nil {
		return nil, err
	}
	if err := i.configure(ctx, params); err != nil {
		return nil, err
	}
	verdicts := make([]int64, len(events))
	for n, e := range events {
		if e.Kind > uint8(abi.KindClose) {
			return nil, fmt.Errorf("event %d: no kind %d", n, e.Kind)
		}
		e.Size, e.Version = abi.EventUsed, abi.Version
		v := vector{fmt.Sprintf("event %d", n), e, encode(e, abi.Gaps{})}
		a, err := i.ask(ctx, question{vector: &v})
		if err != nil {
			return nil, err
		}
		verdicts[n] = int64(a.verdict)
	}
	return verdicts, nil
}

// configure hands over params, which the guest may refuse.
func (i *instance) configure(ctx context.Context, params string) error {
	if !i.has("configure") {
		if params != "" {
			return fmt.Errorf("exports no configure, but has parameters %.40q", params)
		}
		return nil
	}
	if params != "" {
		addr, err := i.call(ctx, "configure_buffer", uint64(len(params)))
		if err != nil {
			return err
		}
		if uint32(addr) == 0 || !i.mem.Write(uint32(addr), []byte(params)) {
			return fmt.Errorf("%w: no room for %d bytes of parameters", errRefused, len(params))
		}
	}
	code, err := i.call(ctx, "configure", uint64(len(params)))
	if err != nil {
		return fmt.Errorf("parameters %.40q: %w", params, err)
	}
	if uint32(code) != 0 {
		return fmt.Errorf("%w: parameters %.40q: code %d%s", errRefused, params, uint32(code), i.said())
	}
	return nil
}

// said returns the guest's last log line, as the end of a message.
func (i *instance) said() string {
	if i.last == "" {
		return ""
	}
	return ": " + i.last
}
