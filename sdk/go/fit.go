package policy

import (
	"time"

	"idlehost/sdk/abi"
)

// Fit finds how long it pays to hold an idle connection, from what the host
// remembers of the client and of its tenant. The zero value works.
//
// Holding for t costs t; closing costs Worth if the client comes back. So, of
// gaps seen, a hold of tau would have cost
//
//	returned after g:  min(g, tau), and Worth if g > tau
//	client gone at g:  min(g, tau)
//	cut, not yet back: tau
//
// and the best tau is that of least sum (Saran and Keshav, INFOCOM 1994;
// Krishnan, Long and Vitter, Algorithmica 1999). Leaving out the last two
// kinds would learn from survivors only, and hold for ever for clients that
// never return. The client's own gaps count one each; its tenant's, however
// many, count Prior together, and speak for clients that are new.
type Fit struct {
	// Worth is what sparing a reconnect is worth, in time of holding. 0: the
	// event's WorthMs, and where that is 0, one minute.
	Worth time.Duration
	// Prior is how many gaps the tenant's histogram weighs at most. 0: 5.
	Prior float64
}

// Hold returns the idle time at which to close: Event.Idle when now is best,
// otherwise more, at most Worth more. Only gaps longer than the present idle
// time speak, so that asking again does not by itself change the answer. It
// allocates nothing.
func (f Fit) Hold(e *Event) time.Duration {
	worth := f.worth(e)
	limit := uint64(e.IdleMs) + uint64(worth)
	if e.CeilingMs > 0 {
		limit = min(limit, uint64(max(e.CeilingMs, e.IdleMs)))
	}
	m := weigh(e, f.prior(), worth)
	return time.Duration(m.cheapest(e.IdleMs, limit, worth)) * time.Millisecond
}

func (f Fit) worth(e *Event) uint32 {
	switch {
	case f.Worth > 0:
		return Millis(f.Worth)
	case e.WorthMs > 0:
		return e.WorthMs
	}
	return 60_000
}

func (f Fit) prior() float64 {
	if f.Prior > 0 {
		return f.Prior
	}
	return 5
}

// evidence is how many gaps of each length speak.
type evidence struct {
	tenant *Gaps
	scale  float64 // of one unit of the tenant's weights
	// The client's own gaps, by abi.Bin.
	returned, gone [abi.Bins]uint8
	// Cut gaps, whoever's: their length does not matter, for they are longer
	// than any hold.
	cut float64
	// What a gap about which nothing is known adds to returned in each bin
	// before unknownEnd.
	unknown    float64
	unknownEnd int
}

// weigh collects what e says, and one gap of the tenant about which nothing is
// known: with even odds it never ends, or ends at any order of magnitude up
// to 4 worth. It decides while there is nothing else, and fades with data.
func weigh(e *Event, prior float64, worth uint32) evidence {
	m := evidence{tenant: &e.Gaps}
	var cut, all uint64
	for i := range e.Gaps.Returned {
		cut += uint64(e.Gaps.Cut[i])
		all += uint64(e.Gaps.Returned[i]) + uint64(e.Gaps.Gone[i])
	}
	unit := float64(max(e.Gaps.Unit, 1))
	share := min(1, prior/(1+float64(all+cut)/unit))
	m.scale = share / unit
	m.cut = float64(cut)*m.scale + share/2
	m.unknownEnd = abi.Bin(uint32(min(4*uint64(worth), abi.Never))) + 1
	m.unknown = share / 2 / float64(m.unknownEnd)
	for _, entry := range e.ClientGaps {
		if entry == 0 {
			break
		}
		m.own(gap(entry))
	}
	return m
}

func (m *evidence) own(ms uint32, kind GapKind) {
	switch kind {
	case GapReturned:
		m.returned[abi.Bin(ms)]++
	case GapGone:
		m.gone[abi.Bin(ms)]++
	default:
		m.cut++
	}
}

// at returns the weight of the gaps in bin i.
func (m *evidence) at(i int) (returned, gone float64) {
	returned = float64(m.tenant.Returned[i])*m.scale + float64(m.returned[i])
	if i < m.unknownEnd {
		returned += m.unknown
	}
	return returned, float64(m.tenant.Gone[i])*m.scale + float64(m.gone[i])
}

// beyond returns the weight of the gaps longer than idle, and that of those
// among them in idle's own bin, in which gaps are taken to lie evenly.
func (m *evidence) beyond(idle uint32) (returned, gone, returnedHere, goneHere float64) {
	first := abi.Bin(idle)
	returnedHere, goneHere = m.at(first)
	if first < abi.Bins-1 {
		from, to := float64(abi.BinLow(first)), float64(abi.BinLow(first+1))
		share := (to - float64(idle)) / (to - from)
		returnedHere *= share
		goneHere *= share
	}
	returned, gone = returnedHere, goneHere
	for i := first + 1; i < abi.Bins; i++ {
		r, g := m.at(i)
		returned += r
		gone += g
	}
	return returned, gone, returnedHere, goneHere
}

// cheapest returns the idle time, from idle to limit, at which closing costs
// least in expectation. Beside idle itself only the ends of bins are tried: a
// hold that ends inside a bin pays for gaps that it may still lose.
func (m *evidence) cheapest(idle uint32, limit uint64, worth uint32) uint64 {
	returned, gone, r, g := m.beyond(idle) // longer than the hold looked at; in bin i
	best, least := uint64(idle), returned*float64(worth)
	ended := 0.0 // milliseconds held for gaps that end within the hold
	low := idle
	for i := abi.Bin(idle); i < abi.Bins-1; i++ {
		end := abi.BinLow(i + 1)
		if uint64(end) > limit {
			break
		}
		if low > idle {
			r, g = m.at(i)
		}
		ended += (r + g) * (float64(low-idle) + float64(end-low)/2)
		returned -= r
		gone -= g
		low = end
		cost := ended + (returned+gone+m.cut)*float64(end-idle) + returned*float64(worth)
		if cost < least {
			best, least = uint64(end), cost
		}
	}
	return best
}
