package engine

import (
	"math/rand/v2"
	"time"

	"idlehost/sdk/abi"
)

// callContext is all that a guest can see besides its event: a clock that stands
// still during a call, seeded randomness, and a log. The same events make the
// same callContext, so a replay answers as production did. It is used by the
// goroutine that holds its Policy's lock.
//
// It is the context.Context of every call of the guest. All guests share the
// host's functions (sharedRuntime), which learn from it whose call they serve.
type callContext struct {
	nowMs  uint64 // the event's; 0 until the first
	monoNs uint64 // never steps back; sleeping moves it
	rng    *rand.PCG
	log    guestLog
	fuel   fuelCounter // of the living instance
}

// Deadline implements context.Context: a call has none but its fuel.
func (*callContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (*callContext) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*callContext) Err() error { return nil }

// Value implements context.Context.
func (*callContext) Value(any) any { return nil }

func newCallContext() *callContext { return &callContext{rng: rand.NewPCG(0, 0)} }

// begin sets clock and randomness for a call about e.
func (w *callContext) begin(e *abi.Event) {
	w.nowMs = e.NowMs
	w.monoNs = max(w.monoNs, e.NowMs*1e6)
	w.rng.Seed(e.Random, e.Conn)
}

// beginInit sets them for initialisation, which is the same every time. Go's
// runtime does not start on a monotonic clock of zero.
func (w *callContext) beginInit(seed uint64) {
	w.nowMs, w.monoNs = 0, 1
	w.rng.Seed(seed, 0)
}

// fillRandom writes random bytes.
func (w *callContext) fillRandom(dst []byte) {
	for len(dst) > 0 {
		v := w.rng.Uint64()
		for i := 0; i < 8 && len(dst) > 0; i++ {
			dst[0], dst = byte(v), dst[1:]
			v >>= 8
		}
	}
}
