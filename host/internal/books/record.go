package books

import (
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// gapBits holds the milliseconds of a ring entry; the kind is above them.
const gapBits = 30

// record is what is remembered of one client. It holds no pointers: the slab
// is one object to the garbage collector.
type record struct {
	client     uint64
	closedAt   int64 // Unix ms of the host's last close; valid if cut > 0
	prev, next int32 // in the order of use, see table

	conns, open uint32
	cut         uint32 // closes by the host
	cutMs       uint32 // idle time at the last of them
	lateMs      uint32 // true length of the gap it cut; 0: not back yet
	late        uint32 // returns soon after a close
	gaps        uint32 // gaps ever noted; the ring holds the last of them

	// Of the last close, until the client is back.
	cutAt    mark
	cutSeq   uint32 // gaps when it was noted: finds its ring entry
	cutRoute uint16
	cutStage stage
	pending  bool

	ring [abi.ClientGaps]uint32 // gap n is at n % len
}

func (r *record) push(kind abi.GapKind, ms uint32) {
	r.ring[r.gaps%abi.ClientGaps] = entry(kind, ms)
	r.gaps++
}

func (r *record) cutOff(route uint16, ms uint32, at mark, now int64) {
	r.cutSeq = r.gaps
	r.push(abi.GapKindCut, ms)
	r.cut++
	r.cutMs, r.lateMs, r.closedAt = ms, 0, now
	r.cutAt, r.cutRoute, r.pending = at, route, true
}

// comeBack corrects the ring, unless the entry has been overwritten.
func (r *record) comeBack(ms uint32) {
	r.pending = false
	r.lateMs = max(ms, 1) // 0 would say that it has not come back
	if r.gaps-r.cutSeq <= abi.ClientGaps {
		r.ring[r.cutSeq%abi.ClientGaps] = entry(abi.GapKindReturned, ms)
	}
}

// fill writes e's client fields. The zero record is a client never seen.
func (r *record) fill(e *policy.Event, now int64) {
	e.ClientConns, e.ClientOpen = r.conns, r.open
	e.ClientClosedMs = abi.Never
	if r.cut > 0 {
		e.ClientClosedMs = millis(now - r.closedAt)
	}
	e.ClientCutMs, e.ClientLateMs = r.cutMs, r.lateMs
	e.ClientCut, e.ClientLate = r.cut, r.late
	e.ClientGapCount = r.gaps
	n := min(r.gaps, abi.ClientGaps)
	for i := range n {
		e.ClientGaps[i] = r.ring[(r.gaps-1-i)%abi.ClientGaps]
	}
	clear(e.ClientGaps[n:])
}

// entry is never 0, which marks an unused place: no gap is shorter than 1 ms.
func entry(kind abi.GapKind, ms uint32) uint32 {
	return min(max(ms, 1), 1<<gapBits-1) | uint32(kind)<<gapBits
}
