package tenant

import (
	"log/slog"
	"sync/atomic"

	"idlehost/host/internal/policy"
)

// loadedGuest holds a living guest for as long as a role, or a question, needs
// it. It counts who does.
type loadedGuest struct {
	guest      Guest
	remote     Remote // guest, if it is one; else nil
	digest     string
	wantsClose bool
	logger     *slog.Logger

	// holders counts the roleGuests, and one for the resident. The last one
	// closes the guest.
	holders atomic.Int64
}

// newLoadedGuest returns a loadedGuest with one holder.
func newLoadedGuest(g Guest, digest string, logger *slog.Logger) *loadedGuest {
	l := &loadedGuest{guest: g, digest: digest, logger: logger}
	l.remote, _ = g.(Remote)
	if w, ok := g.(interface{ WantsClose() bool }); ok {
		l.wantsClose = w.WantsClose()
	}
	l.holders.Store(1)
	return l
}

// hold is called by one who knows of another holder that stays meanwhile.
func (l *loadedGuest) hold() *loadedGuest {
	l.holders.Add(1)
	return l
}

func (l *loadedGuest) drop() {
	if l.holders.Add(-1) > 0 {
		return
	}
	closeGuest(l.guest, l.digest, l.logger)
}

func closeGuest(g Guest, digest string, logger *slog.Logger) {
	if err := g.Close(); err != nil {
		logger.Warn("policy not closed", "policy", policy.ShortDigest(digest), "error", err)
	}
}
