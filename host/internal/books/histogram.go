package books

import (
	"math"
	"sync"
	"sync/atomic"

	"idlehost/sdk/abi"
)

const (
	// maxHalfLife leaves a fresh gap a weight of 128, so that decay has bits to work on.
	maxHalfLife = 1 << 22
	maxUnit     = 1 << 20
	// blankGeneration is that of a histogram in which nothing was noted.
	blankGeneration = 1
)

// histogram is the gaps of one route class and stage. Old gaps are not made lighter:
// new ones are made heavier, and every half-life all weights are halved. So a
// copy is a plain copy, and noting a gap touches one cell.
type histogram struct {
	noted atomic.Uint32 // gaps, up to enough

	mu sync.Mutex // guards the following fields

	gaps   abi.Gaps
	unit   float64 // weight of the next gap, base to 2*base; gaps.Unit is its whole part
	growth float64 // factor from one gap to the next
	base   float64
	epoch  uint32 // halvings so far
}

// mark finds a cut gap again after its cell has been halved.
type mark struct {
	weight uint32
	epoch  uint32
	bin    uint8
}

// blank is what histograms begin as.
type blank struct{ base, growth float64 }

func newBlank(halfLife int) blank {
	return blank{
		// In the steady state the weights sum to less than 4 * halfLife * base,
		// so a cell cannot overflow.
		base:   float64(min(maxUnit, (1<<32)/(8*halfLife))),
		growth: math.Exp2(1 / float64(halfLife)),
	}
}

func (b blank) gaps(route uint16) abi.Gaps {
	return abi.Gaps{Generation: blankGeneration, Route: uint32(route), Unit: uint32(b.base)}
}

// histogram returns one of a stage, which is its part. Generations of a route's
// stages differ by their remainder, so that a generation and a route tell a
// copy; blankGeneration is nobody's.
func (b blank) histogram(route uint16, s stage) *histogram {
	h := &histogram{gaps: b.gaps(route), unit: b.base, growth: b.growth, base: b.base}
	h.gaps.Generation, h.gaps.Part = stageCount+uint32(s), uint32(s)
	return h
}

// copyTo brings g up to date with a histogram that is still blank.
func (b blank) copyTo(g *abi.Gaps, route uint16) {
	if g.Generation != blankGeneration || g.Route != uint32(route) {
		*g = b.gaps(route)
	}
}

// add notes a gap of ms milliseconds.
func (h *histogram) add(kind abi.GapKind, ms uint32) mark {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := mark{weight: h.gaps.Unit, epoch: h.epoch, bin: uint8(abi.Bin(ms))}
	h.cells(kind)[m.bin] += m.weight
	h.growLocked()
	h.changedLocked()
	if n := h.noted.Load(); n < enough {
		h.noted.Store(n + 1)
	}
	return m
}

// comeBack turns the cut gap at m, or what decay has left of it, into one
// that ended in a return after ms milliseconds.
func (h *histogram) comeBack(m mark, ms uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A cell halved keeps at least what its gaps keep when halved one by one.
	left := m.weight >> min(h.epoch-m.epoch, 31)
	h.gaps.Cut[m.bin] -= left
	h.gaps.Returned[abi.Bin(ms)] += left
	h.changedLocked()
}

// copyTo brings g up to date.
func (h *histogram) copyTo(g *abi.Gaps) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g.Generation != h.gaps.Generation || g.Route != h.gaps.Route {
		*g = h.gaps
	}
}

func (h *histogram) cells(kind abi.GapKind) *[abi.Bins]uint32 {
	switch kind {
	case abi.GapKindReturned:
		return &h.gaps.Returned
	case abi.GapKindGone:
		return &h.gaps.Gone
	default:
		return &h.gaps.Cut
	}
}

func (h *histogram) growLocked() {
	h.unit *= h.growth
	if h.unit >= 2*h.base {
		h.unit /= 2
		h.epoch++
		for i := range abi.Bins {
			h.gaps.Returned[i] >>= 1
			h.gaps.Gone[i] >>= 1
			h.gaps.Cut[i] >>= 1
		}
	}
	h.gaps.Unit = uint32(h.unit)
}

// changedLocked skips generation 0, which means a Gaps that nobody has filled,
// and that of a blank.
func (h *histogram) changedLocked() {
	h.gaps.Generation += stageCount
	if h.gaps.Generation < stageCount {
		h.gaps.Generation += stageCount
	}
}
