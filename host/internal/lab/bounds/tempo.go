package bounds

import (
	"cmp"
	"math/bits"
	"slices"
)

// tempo is a histogram of gaps that few different ones make small. Its bins are
// eight an octave from 128 ms on, each told from the next only where there are
// gaps in it: at most 201, 12 bytes each.
type tempo struct {
	gaps  int64
	cells []cell // by bin
}

// cell counts the gaps of a bin, and how far above its low end they were, in
// 256ths of its width.
type cell struct {
	n, above uint32
	bin      uint8
}

func (t *tempo) add(ns int64) {
	ms := uint32(min(max(ns, 0)/1e6, 1<<32-1))
	b := bin(ms)
	low, width := edges(b)
	t.count(b, 1, uint32(uint64(ms-low)*256/uint64(width)))
}

func (t *tempo) addAll(o *tempo) {
	for _, c := range o.cells {
		t.count(c.bin, c.n, c.above)
	}
}

func (t *tempo) count(bin uint8, n, above uint32) {
	t.gaps += int64(n)
	i, ok := slices.BinarySearchFunc(t.cells, bin, func(c cell, b uint8) int { return cmp.Compare(c.bin, b) })
	if !ok {
		t.cells = slices.Insert(t.cells, i, cell{bin: bin})
	}
	if c := &t.cells[i]; c.above+above >= c.above && c.n+n >= c.n { // full: the mean stays
		c.n, c.above = c.n+n, c.above+above
	}
}

// median returns the lower median in milliseconds, taken for the mean of its
// bin; 0 of nothing.
func (t *tempo) median() int64 {
	if i := middle(t.cells); i >= 0 {
		return average(t.cells[i : i+1])
	}
	return 0
}

// beats and steady are how many gaps it takes to call it a heartbeat, and how
// many of a hundred have to be within about 10 % of each other. Gaps of less
// than 1.5 s (shortest) are none of it: a client that asks twice and waits has a
// beat, and logs that count seconds make every haste look like one.
const (
	beats    = 8
	steady   = 67
	shortest = 1500
)

// period returns that of a heartbeat in milliseconds; 0: there is none.
func (t *tempo) period() int64 {
	long := t.long()
	i := middle(long)
	if i < 0 || total(long) < beats {
		return 0
	}
	near := long[i : i+1]
	if i > 0 && long[i-1].bin+1 == long[i].bin {
		near = long[i-1 : i+1]
	}
	if i+1 < len(long) && long[i].bin+1 == long[i+1].bin && total(long[i:i+2]) > total(near) {
		near = long[i : i+2]
	}
	if total(near)*100 < total(long)*steady {
		return 0
	}
	return average(near)
}

// long are the cells that may be of a heartbeat.
func (t *tempo) long() []cell {
	from, _ := slices.BinarySearchFunc(t.cells, bin(shortest), func(c cell, b uint8) int { return cmp.Compare(c.bin, b) })
	return t.cells[from:]
}

// middle returns the cell of the lower median; -1: there is none.
func middle(cells []cell) int {
	half, n := (total(cells)+1)/2, int64(0)
	for i, c := range cells {
		if n += int64(c.n); n >= half {
			return i
		}
	}
	return -1
}

func total(cells []cell) (n int64) {
	for _, c := range cells {
		n += int64(c.n)
	}
	return n
}

// average returns the mean gap of cells that are not empty, in milliseconds.
func average(cells []cell) int64 {
	sum := int64(0)
	for _, c := range cells {
		low, width := edges(c.bin)
		sum += int64(c.n)*int64(low) + int64(c.above)*int64(width)/256
	}
	n := total(cells)
	return (sum + n/2) / n
}

func bin(ms uint32) uint8 {
	o := bits.Len32(ms) - 1
	if o < 7 {
		return 0
	}
	return uint8((o-7)*8 + int(ms>>(o-3)&7) + 1)
}

// edges returns a bin's low end and its width in milliseconds.
func edges(bin uint8) (low, width uint32) {
	if bin == 0 {
		return 0, 128
	}
	o := (bin - 1) / 8
	return (8 + uint32(bin-1)%8) << (o + 4), 1 << (o + 4)
}
