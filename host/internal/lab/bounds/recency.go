package bounds

// recency is LRU(k) without a clock: of the lanes that rest, the k that began
// to most recently stay open. A lane that comes back later has to reconnect.
type recency struct {
	limit int64
	window
	sum
}

// push holds a lane that was just queued, and closes the one that has rested
// longest if there are too many. Rests that began before from do not count.
func (r *recency) push(l *lane, now, from int64) {
	r.window.push(l)
	if r.held > r.limit {
		if out := r.drop(); out.since >= from {
			r.heldUs += max(now-out.since, 0) / 1e3
		}
	}
	r.peak = min(r.peak, r.limit)
}

// remove ends a rest of so many nanoseconds that counts, or does not.
func (r *recency) remove(l *lane, ns int64, back, counts bool) {
	if r.holds(l) {
		r.window.remove(l)
		if counts {
			r.heldUs += ns / 1e3
		}
		return
	}
	if back && counts {
		r.premature++
	}
}
