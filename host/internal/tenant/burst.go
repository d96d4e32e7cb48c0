package tenant

import (
	"sync/atomic"
	"time"
)

// burst lets one line through at once, then at most one per ten seconds.
// Events between are counted for the next line. Safe for concurrent use.
type burst struct {
	next       atomic.Int64 // Unix nanoseconds before which nothing passes
	suppressed atomic.Uint64
}

const burstGap = 10 * time.Second

// open reports whether a line may be written now, and how many were not since
// the last.
func (b *burst) open() (suppressed uint64, ok bool) {
	now, next := time.Now().UnixNano(), b.next.Load()
	if now < next || !b.next.CompareAndSwap(next, now+int64(burstGap)) {
		b.suppressed.Add(1)
		return 0, false
	}
	return b.suppressed.Swap(0), true
}
