package engine

import (
	"math/rand/v2"
	"time"

	"idlehost/sdk/abi"
)

// world is all that a guest can see besides its event: a clock that stands
// still during a call, seeded randomness, and a log. Given the same events it
// is the same, so a replay answers as production did. It is used by the
// goroutine that holds its Policy.
//
// It is the context of every call of the guest, by which the host's functions
// know whose call they are a part of: they are shared by all guests
// (sharedRuntime).
type world struct {
	nowMs  uint64 // the event's; 0 until the first
	monoNs uint64 // never steps back; sleeping moves it
	rng    *rand.PCG
	log    guestLog
	tank   tank // of the instance that lives
}

// Deadline implements context.Context: a call has none but its fuel.
func (*world) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (*world) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*world) Err() error { return nil }

// Value implements context.Context.
func (*world) Value(any) any { return nil }

func newWorld() *world { return &world{rng: rand.NewPCG(0, 0)} }

// begin sets clock and randomness for a call about e.
func (w *world) begin(e *abi.Event) {
	w.nowMs = e.NowMs
	w.monoNs = max(w.monoNs, e.NowMs*1e6)
	w.rng.Seed(e.Random, e.Conn)
}

// begin0 sets them for initialisation, which is the same every time. Go's
// runtime does not start on a monotonic clock of zero.
func (w *world) begin0(seed uint64) {
	w.nowMs, w.monoNs = 0, 1
	w.rng.Seed(seed, 0)
}

// fill writes random bytes.
func (w *world) fill(dst []byte) {
	for len(dst) > 0 {
		v := w.rng.Uint64()
		for i := 0; i < 8 && len(dst) > 0; i++ {
			dst[0], dst = byte(v), dst[1:]
			v >>= 8
		}
	}
}
