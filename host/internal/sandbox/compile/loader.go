package compile

import (
	"context"
	"errors"
	"time"

	"idlehost/host/internal/policy"
)

// Loader is a Compiler as engine.Compiler wants it.
type Loader struct{ *Compiler }

// Compile returns once Dir holds the code of wasm, compiled in the owner's turn.
// The caller calls release when it has loaded the code. cpu is the processor time
// of the child, if the caller waited for its end, even beside an error; of several
// callers that wait for one child, each gets all of it.
func (l Loader) Compile(ctx context.Context, owner string, wasm []byte, effort uint64) (release func(), cpu time.Duration, err error) {
	code, used, err := l.Compiler.compile(ctx, Order{Wasm: wasm, Owner: owner, Effort: effort})
	var own *Error
	switch {
	case err == nil:
		return code.Close, used.CPU, nil
	case ctx.Err() == nil && !errors.As(err, &own): // the disk, or the end of the host
		err = &Error{Fault: policy.FaultBusy, Usage: used, Text: err.Error(), err: err}
	}
	return nil, used.CPU, err
}
