package tenant

import (
	"sync/atomic"
	"time"
)

// roleGuest is a guest's time in a lane: from when it was loaded, or took the
// role, until it is let go, or leaves it. It counts the questions.
type roleGuest struct {
	guest      Guest
	wantsClose bool
	loaded     *loadedGuest
	record     *record // where the questions are counted at the end

	// word holds in its low bits the questions being asked, and one for being
	// in the lane; above them the number of all questions so far. Both are
	// counted by one operation, since this is the hot path. Once the low bits
	// are 0 they stay 0: the guest has been dropped. The upper 42 bits last for
	// a year of 100,000 questions a second.
	word atomic.Uint64

	// usedMs is the event time of the last question, or when it was loaded.
	usedMs atomic.Uint64
}

const (
	oneAsk = 1 << 22
	inside = oneAsk - 1 // mask of the low bits
)

// newRoleGuest takes a hold of the guest.
func newRoleGuest(loaded *loadedGuest, r *record) *roleGuest {
	g := &roleGuest{guest: loaded.guest, wantsClose: loaded.wantsClose, loaded: loaded.hold(), record: r}
	g.word.Store(1)
	g.usedMs.Store(uint64(time.Now().UnixMilli()))
	return g
}

// retain keeps the guest alive until release: with oneAsk for a question, with
// 0 for a look. It fails where the time in the role has ended.
func (g *roleGuest) retain(asks uint64) bool {
	for {
		n := g.word.Load()
		if n&inside == 0 {
			return false
		}
		if g.word.CompareAndSwap(n, n+asks+1) {
			return true
		}
	}
}

// release ends a question, or being in the lane; the last one out lets the
// guest go.
func (g *roleGuest) release() {
	if n := g.word.Add(^uint64(0)); n&inside == 0 {
		g.record.asks.Add(n / oneAsk)
		g.loaded.drop()
	}
}

// asks is how many questions are not in the record yet.
func (g *roleGuest) asks() uint64 {
	if n := g.word.Load(); n&inside != 0 {
		return n / oneAsk
	}
	return 0
}

// touch notes a use. Most questions that come close together share their
// millisecond, and a look is cheaper than a store.
func (g *roleGuest) touch(nowMs uint64) {
	if g.usedMs.Load() != nowMs {
		g.usedMs.Store(nowMs)
	}
}
