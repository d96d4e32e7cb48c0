package tenant

import (
	"log/slog"
	"testing"

	"idlehost/host/internal/policy"
)

// TestARoleGuestEndsOnce: with its last question, after which there is no way
// back, and with all of them in the record.
func TestARoleGuestEndsOnce(t *testing.T) {
	guest, l := &fakeGuest{digest: "a"}, newLane(policy.RoleActive, nil)
	loaded := newLoadedGuest(guest, "a", slog.New(slog.DiscardHandler))
	g := newRoleGuest(loaded, &l.record)
	loaded.drop() // the resident's hold
	for _, asks := range []uint64{oneAsk, 0, oneAsk} {
		if !g.retain(asks) {
			t.Fatal("refused while it lasts")
		}
	}
	if g.asks() != 2 {
		t.Errorf("%d questions, want 2: a look is none", g.asks())
	}
	g.release() // out of its lane
	for range 2 {
		g.release()
		isClosed(t, "asked still", guest, 0)
	}
	g.release()
	isClosed(t, "with the last question", guest, 1)
	if g.retain(oneAsk) || g.retain(0) {
		t.Error("an ended one was retained")
	}
	if g.asks() != 0 || l.record.asks.Load() != 2 {
		t.Errorf("%d questions and %d in the record, want 0 and 2", g.asks(), l.record.asks.Load())
	}
}
