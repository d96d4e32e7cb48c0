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
	var m evidence
	m.add(e, f.prior(), worth)
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

// evidence is how many gaps of each length speak, by abi.Bin.
type evidence struct {
	returned, gone [abi.Bins]float64
	cut            float64 // its length does not matter: it is longer than any hold
}

// add collects what e says, and one gap about which nothing is known: with
// even odds it never ends, or ends at any order of magnitude up to 4 worth.
// The latter decides while there is nothing else, and fades with data.
func (m *evidence) add(e *Event, prior float64, worth uint32) {
	seen := 1.0
	unit := float64(max(e.Gaps.Unit, 1))
	for i := range e.Gaps.Returned {
		m.returned[i] = float64(e.Gaps.Returned[i]) / unit
		m.gone[i] = float64(e.Gaps.Gone[i]) / unit
		cut := float64(e.Gaps.Cut[i]) / unit
		m.cut += cut
		seen += m.returned[i] + m.gone[i] + cut
	}
	m.cut += 0.5
	blank := abi.Bin(uint32(min(4*uint64(worth), abi.Never))) + 1
	for i := range blank {
		m.returned[i] += 0.5 / float64(blank)
	}
	m.scale(min(1, prior/seen))
	for _, entry := range e.ClientGaps {
		if entry == 0 {
			break
		}
		m.own(gap(entry))
	}
}

func (m *evidence) scale(by float64) {
	m.cut *= by
	for i := range m.returned {
		m.returned[i] *= by
		m.gone[i] *= by
	}
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

// cheapest returns the idle time, from idle to limit, at which closing costs
// least in expectation. Beside idle itself only the ends of bins can be it:
// within a bin, holding on is as good as at its start.
func (m *evidence) cheapest(idle uint32, limit uint64, worth uint32) uint64 {
	first := abi.Bin(idle)
	low, share := float64(idle), 1.0
	if first < abi.Bins-1 {
		from, to := float64(abi.BinLow(first)), float64(abi.BinLow(first+1))
		share = (to - low) / (to - from)
	}
	m.returned[first] *= share
	m.gone[first] *= share
	var returned, gone float64 // those longer than the hold looked at
	for i := first; i < abi.Bins; i++ {
		returned += m.returned[i]
		gone += m.gone[i]
	}

	best, bestCost := uint64(idle), returned*float64(worth)
	ended := 0.0 // milliseconds held for gaps that end within the hold
	for i := first; i < abi.Bins-1; i++ {
		end := abi.BinLow(i + 1)
		if uint64(end) > limit {
			break
		}
		ended += (m.returned[i] + m.gone[i]) * ((low+float64(end))/2 - float64(idle))
		returned -= m.returned[i]
		gone -= m.gone[i]
		low = float64(end)
		cost := ended + (returned+gone+m.cut)*float64(end-idle) + returned*float64(worth)
		if cost < bestCost {
			best, bestCost = uint64(end), cost
		}
	}
	return best
}
