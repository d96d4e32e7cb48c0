package httpproxy

import (
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// linesPerSecond bounds what a dead upstream under load writes to the log.
const linesPerSecond = 20

// lines limits the rate of log lines and counts those that are dropped.
type lines struct {
	limiter *rate.Limiter
	dropped atomic.Int64 // since the last line
}

func newLines() lines { return lines{limiter: rate.NewLimiter(linesPerSecond, linesPerSecond)} }

// take reports whether a line may be written, and what is to be added to it.
func (l *lines) take(now time.Time) (more []any, ok bool) {
	if !l.limiter.AllowN(now, 1) {
		l.dropped.Add(1)
		return nil, false
	}
	if n := l.dropped.Swap(0); n > 0 {
		more = []any{slog.Int64("dropped", n)}
	}
	return more, true
}
