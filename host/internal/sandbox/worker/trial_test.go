package worker

import (
	"testing"
	"time"
)

// TestTrialTellsWhereAPolicyBelongs: one whose questions were slow while it was
// checked begins with the suspects, and one whose load was long where long loads
// are, so that neither holds up others first.
func TestTrialTellsWhereAPolicyBelongs(t *testing.T) {
	for name, tt := range map[string]struct {
		cost, load time.Duration
		kind       Kind
		long       bool
	}{
		"neither":         {cost: slow, load: longLoad, kind: Shared},
		"slow questions":  {cost: slow + 1, kind: Suspects},
		"a long load":     {cost: slow, load: longLoad + 1, kind: Shared, long: true},
		"slow throughout": {cost: slow + 1, load: longLoad + 1, kind: Suspects},
	} {
		inBubble(t, func(t *testing.T, h *house) {
			h.world.with(func() { h.world.cost["a"], h.world.loadTime["a"] = tt.cost, tt.load })
			tried := h.guest("a", Options{Trial: true}, nil)
			if _, err := tried.AskAll(t.Context(), trial(windowLeast)); err != nil {
				t.Fatal(err)
			}
			tried.Close()
			g := h.guest("a", Options{}, nil)
			h.mu.Lock()
			long := g.at == h.long
			h.mu.Unlock()
			if g.Kind() != tt.kind || long != tt.long {
				t.Errorf("%s: with %v, where long loads are: %v; want %v, %v", name, g.Kind(), long, tt.kind, tt.long)
			}
			other := h.guest("b", Options{}, nil)
			if other.Kind() != Shared || other.at == h.long {
				t.Errorf("%s: another's is with %v", name, other.Kind())
			}
		})
	}
}
