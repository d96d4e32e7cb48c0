package fair

import (
	"cmp"
	"time"
)

// owner is one of those who share a Queue, whose lock guards it.
type owner struct {
	clock   time.Duration // what it has had, and what it has missed
	due     time.Duration // when its next turn, or the one it has, begins by its clock
	running *Turn         // nil: it has none
	waiting []*Turn       // the oldest first
	place   int           // in the heap, while it is there
}

// owners is a heap by whose turn begins next.
type owners []*owner

// Len implements heap.Interface.
func (l owners) Len() int { return len(l) }

// Less orders owners by when their turns would end; where that is the same, one
// that has had less goes first, and then the one that has waited for longer.
func (l owners) Less(i, j int) bool {
	a, b := l[i], l[j]
	return cmp.Or(
		cmp.Compare(a.due+a.waiting[0].about, b.due+b.waiting[0].about),
		cmp.Compare(a.clock, b.clock),
		cmp.Compare(a.waiting[0].order, b.waiting[0].order)) < 0
}

// Swap implements heap.Interface.
func (l owners) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].place, l[j].place = i, j
}

// Push implements heap.Interface.
func (l *owners) Push(x any) {
	o := x.(*owner)
	o.place = len(*l)
	*l = append(*l, o)
}

// Pop implements heap.Interface.
func (l *owners) Pop() any {
	last := len(*l) - 1
	o := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return o
}
