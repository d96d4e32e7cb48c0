package policy

import (
	"time"
	"unsafe"

	"idlehost/sdk/abi"
)

// Event is what the host tells about a connection: the fields of abi.Event,
// and the tenant's gap histogram for the route class of the last request.
// Fields that the host does not know read 0, or Never where 0 would say "now".
type Event struct {
	abi.Event
	_    [abi.GapsOffset - abi.EventUsed]byte
	Gaps abi.Gaps

	// Past what the host sees (abi.BufferSize).
	leased bool
}

// Now is the host's clock.
func (e *Event) Now() time.Time { return time.UnixMilli(int64(e.NowMs)) }

// In reports whether the connection is in phase p.
func (e *Event) In(p Phase) bool { return e.Phase == uint8(p) }

// Idle is the time since the connection was last used.
func (e *Event) Idle() time.Duration { return duration(e.IdleMs) }

// Worth is what sparing the client one reconnect is worth, in time of holding
// its connection, as the operator has set it.
func (e *Event) Worth() time.Duration { return duration(e.WorthMs) }

// Lease is the idle time after which the host asks in phase p; 0 for phases
// that there are not.
func (e *Event) Lease(p Phase) time.Duration {
	if p >= abi.Phases {
		return 0
	}
	return duration(e.Leases[p])
}

// SetLease changes the idle time after which the host asks in phase p, for
// the rest of the connection's life. d is rounded up to a millisecond.
func (e *Event) SetLease(p Phase, d time.Duration) {
	if p < abi.Phases {
		e.Leases[p] = Millis(d)
		e.leased = true
	}
}

// Leased reports whether SetLease was called during the present question.
func (e *Event) Leased() bool { return e.leased }

// Gap returns the client's i-th last gap, 0 the newest, and how it ended; ok
// is false where none is remembered.
func (e *Event) Gap(i int) (d time.Duration, kind GapKind, ok bool) {
	if i < 0 || i >= abi.ClientGaps || e.ClientGaps[i] == 0 {
		return 0, 0, false
	}
	ms, kind := gap(e.ClientGaps[i])
	return duration(ms), kind, true
}

// Begin readies an event that a host has just written for a question. The
// exports call it; tests that reuse an event across questions call it too.
// Fields past Size, which an older host did not write, read as unknown.
func (e *Event) Begin() {
	e.leased = false
	if e.Size < abi.EventUsed {
		e.blank(int(e.Size))
	}
}

// blank makes every field that does not end within the first n bytes unknown.
func (e *Event) blank(n int) {
	clear(unsafe.Slice((*byte)(unsafe.Pointer(&e.Event)), abi.EventUsed)[max(n, 2):])
	for _, f := range [...]struct {
		offset int
		field  *uint32
	}{
		{abi.EventControlMsOffset, &e.ControlMs},
		{abi.EventRecvMsOffset, &e.RecvMs},
		{abi.EventClientClosedMsOffset, &e.ClientClosedMs},
	} {
		if n < f.offset+4 {
			*f.field = abi.Never
		}
	}
}

func duration(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }

// gap unpacks an entry of Event.ClientGaps.
func gap(entry uint32) (ms uint32, kind GapKind) {
	return entry & (1<<30 - 1), GapKind(entry >> 30)
}
