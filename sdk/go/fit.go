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
	m.weigh(e, f.prior(), worth)
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
	// The sums of each over all bins; of cut gaps nothing else matters, for
	// they are longer than any hold.
	tenantReturned, tenantGone, tenantCut uint64
	ownReturned, ownGone, ownCut          int
	// What a gap about which nothing is known adds to returned in each bin
	// before unknownEnd, and to cut.
	unknown, unknownCut float64
	unknownEnd          int
}

// weigh collects what e says, and one gap of the tenant about which nothing is
// known: with even odds it never ends, or ends at any order of magnitude up
// to 4 worth. It decides while there is nothing else, and fades with data.
func (m *evidence) weigh(e *Event, prior float64, worth uint32) {
	m.tenant = &e.Gaps
	m.tenantReturned, m.tenantGone, m.tenantCut = sum(&e.Gaps.Returned), sum(&e.Gaps.Gone), sum(&e.Gaps.Cut)
	unit := float64(max(e.Gaps.Unit, 1))
	seen := float64(m.tenantReturned+m.tenantGone+m.tenantCut) / unit
	share := min(1, prior/(1+seen))
	m.scale = share / unit
	m.unknownEnd = abi.Bin(uint32(min(4*uint64(worth), abi.Never))) + 1
	m.unknown = share / 2 / float64(m.unknownEnd)
	m.unknownCut = share / 2
	m.own(&e.ClientGaps)
}

// own counts the client's own gaps.
func (m *evidence) own(gaps *[abi.ClientGaps]uint32) {
	for _, entry := range gaps {
		if entry == 0 {
			break
		}
		ms, kind := gap(entry)
		switch bin := abi.Bin(ms); kind {
		case GapReturned:
			m.returned[bin]++
			m.ownReturned++
		case GapGone:
			m.gone[bin]++
			m.ownGone++
		default:
			m.ownCut++
		}
	}
}

// sum goes in steps of four: where Go compiles to Wasm, a turn of a loop costs
// more than what is done in it.
func sum(weights *[abi.Bins]uint32) (n uint64) {
	for i := 0; i < abi.Bins; i += 4 {
		w := weights[i : i+4 : i+4]
		n += uint64(w[0]) + uint64(w[1]) + uint64(w[2]) + uint64(w[3])
	}
	return n
}

// at returns the weight of the gaps in bin i.
func (m *evidence) at(i int) (returned, gone float64) {
	returned = float64(m.tenant.Returned[i])*m.scale + float64(m.returned[i])
	if i < m.unknownEnd {
		returned += m.unknown
	}
	return returned, float64(m.tenant.Gone[i])*m.scale + float64(m.gone[i])
}

// past returns the weight of the gaps in bins past i. It takes those up to i
// off the sums, in integers, so that nothing is left where there is nothing.
func (m *evidence) past(i int) (returned, gone float64) {
	r, g, ownR, ownG := m.tenantReturned, m.tenantGone, m.ownReturned, m.ownGone
	for j := range i + 1 {
		r -= uint64(m.tenant.Returned[j])
		g -= uint64(m.tenant.Gone[j])
		ownR -= int(m.returned[j])
		ownG -= int(m.gone[j])
	}
	unknown := m.unknown * float64(max(m.unknownEnd-i-1, 0))
	return float64(r)*m.scale + float64(ownR) + unknown, float64(g)*m.scale + float64(ownG)
}

// rest returns the weight of those gaps in the bin of idle that are longer,
// where gaps are taken to lie evenly in a bin.
func (m *evidence) rest(idle uint32) (returned, gone float64) {
	i := abi.Bin(idle)
	returned, gone = m.at(i)
	if i == abi.Bins-1 {
		return returned, gone
	}
	from, to := abi.BinLow(i), abi.BinLow(i+1)
	share := float64(to-idle) / float64(to-from)
	return returned * share, gone * share
}

// cheapest returns the idle time, from idle to limit, at which closing costs
// least in expectation. Beside idle itself only the ends of bins are tried: a
// hold that ends inside a bin pays for gaps that it may still lose.
func (m *evidence) cheapest(idle uint32, limit uint64, worth uint32) uint64 {
	returned, gone := m.past(abi.Bin(idle)) // longer than the hold looked at
	r, g := m.rest(idle)                    // in bin i
	returned += r
	gone += g
	cut := float64(m.tenantCut)*m.scale + float64(m.ownCut) + m.unknownCut
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
		cost := ended + (returned+gone+cut)*float64(end-idle) + returned*float64(worth)
		if cost < least {
			best, least = uint64(end), cost
		}
	}
	return best
}
