package tenant

import (
	"log/slog"
	"sync/atomic"
)

// seat holds a living guest for as long as a role, or a question, needs it.
type seat struct {
	guest      Guest
	digest     string
	wantsClose bool
	logger     *slog.Logger

	// holders counts the shifts, and one for the resident. The last one
	// closes the guest.
	holders atomic.Int64
}

// newSeat returns a seat with one holder.
func newSeat(g Guest, digest string, logger *slog.Logger) *seat {
	s := &seat{guest: g, digest: digest, logger: logger}
	if w, ok := g.(interface{ WantsClose() bool }); ok {
		s.wantsClose = w.WantsClose()
	}
	s.holders.Store(1)
	return s
}

// hold is called by one who knows of another holder that stays meanwhile.
func (s *seat) hold() *seat {
	s.holders.Add(1)
	return s
}

func (s *seat) drop() {
	if s.holders.Add(-1) > 0 {
		return
	}
	closeGuest(s.guest, s.digest, s.logger)
}

func closeGuest(g Guest, digest string, logger *slog.Logger) {
	if err := g.Close(); err != nil {
		logger.Warn("policy not closed", "policy", Short(digest), "error", err)
	}
}
