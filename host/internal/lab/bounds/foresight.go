package bounds

import (
	"slices"
	"sort"
)

// foresight is Belady(k): of the lanes that rest, hold at most k, with knowledge
// of who comes back and when, so that as few as possible have to reconnect.
//
// That is to choose as many rests as possible of which no more than k overlap,
// and it can be done without looking ahead, by taking each rest when it ends:
// it is held if there is a place that has been free since it began, and of
// these it takes the one that was free for the shortest time: the others are of
// use to rests that began earlier (Carlisle and Lloyd, 1995). So a recording of any
// length takes memory for k places.
type foresight struct {
	limit  int64
	places places
	sum
}

// remove ends a rest with its client's coming back. began and ended are turns:
// of two events at the same time one came first.
func (f *foresight) remove(began, ended uint64, ns int64, counts bool) {
	held := f.places.take(began)
	if !held && f.places.used < f.limit {
		f.places.used++
		held = true
	}
	if held {
		f.places.give(ended)
	}
	switch {
	case !counts:
	case held:
		f.heldUs += ns / 1e3
	default:
		f.premature++
	}
}

// blockSize bounds what is moved to take one place out of many.
const blockSize = 256

// places are when each place was last given back, ascending, in blocks.
type places struct {
	used   int64 // how many there have been
	blocks [][]uint64
	spare  []uint64 // a block to be used again
}

// give adds a place; now is later than all before.
func (p *places) give(now uint64) {
	last := len(p.blocks) - 1
	if last < 0 || len(p.blocks[last]) == blockSize {
		p.blocks = append(p.blocks, p.block())
		last++
	}
	p.blocks[last] = append(p.blocks[last], now)
}

func (p *places) block() (b []uint64) {
	if b, p.spare = p.spare, nil; b == nil {
		b = make([]uint64, 0, blockSize)
	}
	return b
}

// take removes the place that was given back last before a turn.
func (p *places) take(before uint64) bool {
	i := sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i][0] >= before }) - 1
	if i < 0 {
		return false
	}
	b := p.blocks[i]
	k, _ := slices.BinarySearch(b, before)
	p.blocks[i] = slices.Delete(b, k-1, k)
	p.merge(i)
	return true
}

// merge keeps blocks from becoming many and empty.
func (p *places) merge(i int) {
	switch b := p.blocks[i]; {
	case len(b) == 0:
		p.spare = b
		p.blocks = slices.Delete(p.blocks, i, i+1)
	case i+1 < len(p.blocks) && len(b)+len(p.blocks[i+1]) <= blockSize/2:
		p.blocks[i], p.spare = append(b, p.blocks[i+1]...), p.blocks[i+1][:0]
		p.blocks = slices.Delete(p.blocks, i+1, i+2)
	}
}
