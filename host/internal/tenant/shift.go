package tenant

import (
	"sync/atomic"
	"time"
)

// shift is a guest's time in a lane: from when it was loaded, or took the
// role, until it is let go, or leaves it. It counts the questions.
type shift struct {
	guest      Guest
	wantsClose bool
	seat       *seat
	record     *record // where the questions are counted at the end

	// word holds in its low bits the questions being asked, and one for being
	// in the lane; above them the number of all questions so far. Both are
	// counted by one operation, since this is the hot path. Once the low bits
	// are 0 they stay 0: the seat has been dropped. The upper 42 bits last for
	// a year of 100,000 questions a second.
	word atomic.Uint64

	// usedMs is the event time of the last question, or when it was loaded.
	usedMs atomic.Uint64
}

const (
	oneAsk = 1 << 22
	inside = oneAsk - 1 // mask of the low bits
)

// newShift takes a hold of the seat.
func newShift(s *seat, r *record) *shift {
	sh := &shift{guest: s.guest, wantsClose: s.wantsClose, seat: s.hold(), record: r}
	sh.word.Store(1)
	sh.usedMs.Store(uint64(time.Now().UnixMilli()))
	return sh
}

// retain keeps the guest alive until release: with oneAsk for a question, with
// 0 for a look. It fails where the shift has ended.
func (s *shift) retain(asks uint64) bool {
	for {
		n := s.word.Load()
		if n&inside == 0 {
			return false
		}
		if s.word.CompareAndSwap(n, n+asks+1) {
			return true
		}
	}
}

// release ends a question, or being in the lane; the last one out lets the
// guest go.
func (s *shift) release() {
	if n := s.word.Add(^uint64(0)); n&inside == 0 {
		s.record.asks.Add(n / oneAsk)
		s.seat.drop()
	}
}

// asks is how many questions are not in the record yet.
func (s *shift) asks() uint64 {
	if n := s.word.Load(); n&inside != 0 {
		return n / oneAsk
	}
	return 0
}

// touch notes a use. Most questions that come close together share their
// millisecond, and a look is cheaper than a store.
func (s *shift) touch(nowMs uint64) {
	if s.usedMs.Load() != nowMs {
		s.usedMs.Store(nowMs)
	}
}
