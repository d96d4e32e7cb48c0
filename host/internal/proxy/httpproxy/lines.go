package httpproxy

import (
	"log/slog"
	"sync"
	"time"
)

// linesPerSecond bounds what a dead upstream under load writes to the log.
const linesPerSecond = 20

// lines lets so many lines a second through and counts the others.
type lines struct {
	mu      sync.Mutex // guards the following
	second  int64
	n       int
	dropped int
}

// take reports whether a line may be written, and what is to be added to it.
func (l *lines) take() (more []any, ok bool) { return l.takeAt(time.Now().Unix()) }

func (l *lines) takeAt(second int64) (more []any, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		l.second, l.n = second, 0
	}
	if l.n >= linesPerSecond {
		l.dropped++
		return nil, false
	}
	l.n++
	if l.dropped > 0 {
		more = []any{slog.Int("dropped", l.dropped)}
		l.dropped = 0
	}
	return more, true
}
