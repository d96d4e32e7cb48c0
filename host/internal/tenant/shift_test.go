package tenant

import (
	"log/slog"
	"testing"

	"idlehost/host/internal/policy"
)

// TestAShiftEndsOnce: with its last question, after which there is no way back,
// and with all of them in the record.
func TestAShiftEndsOnce(t *testing.T) {
	g, l := &fakeGuest{digest: "a"}, newLane(policy.RoleActive, nil)
	seat := newSeat(g, "a", slog.New(slog.DiscardHandler))
	s := newShift(seat, &l.record)
	seat.drop() // the resident's hold
	for _, asks := range []uint64{oneAsk, 0, oneAsk} {
		if !s.retain(asks) {
			t.Fatal("refused while it lasts")
		}
	}
	if s.asks() != 2 {
		t.Errorf("%d questions, want 2: a look is none", s.asks())
	}
	s.release() // out of its lane
	for range 2 {
		s.release()
		isClosed(t, "asked still", g, 0)
	}
	s.release()
	isClosed(t, "with the last question", g, 1)
	if s.retain(oneAsk) || s.retain(0) {
		t.Error("an ended shift was retained")
	}
	if s.asks() != 0 || l.record.asks.Load() != 2 {
		t.Errorf("%d questions and %d in the record, want 0 and 2", s.asks(), l.record.asks.Load())
	}
}
