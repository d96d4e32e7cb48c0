// Package wheel is a hashed timing wheel: a pure data structure that finds
// what is due. It knows no clock; the caller says what time it is. Varghese
// and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987, scheme 6.
package wheel

import (
	"math"
	"math/bits"
)

const (
	slots = 4096 // a power of two; one rotation is slots*step
	words = slots / 64
)

// Never is the due time of an entry that is not scheduled.
const Never = math.MaxInt64

// Entry is one timer, embedded in what it belongs to. It is in at most one
// wheel. The zero Entry is not scheduled.
type Entry[T any] struct {
	Owner      T
	next, prev *Entry[T]
	tick       int64 // first step at which it is due; valid while linked
}

// Linked reports whether e is scheduled.
func (e *Entry[T]) Linked() bool { return e.next != nil }

// Wheel holds entries by due time, in nanoseconds from an origin of the
// caller's. Not safe for concurrent use.
type Wheel[T any] struct {
	step  int64
	done  int64 // every tick up to this one has been advanced over
	count int
	used  [words]uint64 // a bit per slot that is not empty
	slot  [slots]*Entry[T]
}

// New returns an empty wheel whose steps are that many nanoseconds long.
func New[T any](step int64) *Wheel[T] { return &Wheel[T]{step: step, done: -1} }

// Len returns the number of scheduled entries.
func (w *Wheel[T]) Len() int { return w.count }

// Schedule puts e into the wheel, or moves it, to be due at the first step
// that is not before at: never early, late by less than a step.
func (w *Wheel[T]) Schedule(e *Entry[T], at int64) {
	if e.Linked() {
		w.Cancel(e)
	}
	e.tick = max((at+w.step-1)/w.step, w.done+1)
	w.count++
	i := e.tick & (slots - 1)
	head := w.slot[i]
	if head == nil {
		e.next, e.prev = e, e
		w.slot[i] = e
		w.used[i/64] |= 1 << (i % 64)
		return
	}
	e.next, e.prev = head, head.prev
	head.prev.next = e
	head.prev = e
}

// Cancel takes e out; it does nothing when e is not scheduled.
func (w *Wheel[T]) Cancel(e *Entry[T]) {
	if !e.Linked() {
		return
	}
	w.count--
	i := e.tick & (slots - 1)
	if e.next == e {
		w.slot[i] = nil
		w.used[i/64] &^= 1 << (i % 64)
	} else {
		e.prev.next, e.next.prev = e.next, e.prev
		if w.slot[i] == e {
			w.slot[i] = e.next
		}
	}
	e.next, e.prev = nil, nil
}

// Due returns when e is due, in nanoseconds; Never when it is not scheduled.
func (w *Wheel[T]) Due(e *Entry[T]) int64 {
	if !e.Linked() {
		return Never
	}
	return e.tick * w.step
}

// Advance takes out every entry that is due at now and appends it to due.
func (w *Wheel[T]) Advance(now int64, due []*Entry[T]) []*Entry[T] {
	last := now / w.step
	from := max(w.done+1, last-slots+1)
	for tick := from; tick <= last; {
		i := tick & (slots - 1)
		if w.used[i/64]>>(i%64) == 0 { // nothing in the rest of this word
			tick += 64 - i%64
			continue
		}
		due = w.take(i, last, due)
		tick++
	}
	w.done = max(w.done, last)
	return due
}

// take moves the entries of slot i that are due at tick last to due.
func (w *Wheel[T]) take(i, last int64, due []*Entry[T]) []*Entry[T] {
	e := w.slot[i]
	if e == nil {
		return due
	}
	for end := e.prev; ; {
		next, stop := e.next, e == end
		if e.tick <= last {
			w.Cancel(e)
			due = append(due, e)
		}
		if stop {
			return due
		}
		e = next
	}
}

// Next returns the earliest time at which an entry may be due; Never when
// empty. It looks at a bounded number of entries: among many that are due in
// later rotations it may name a time at which nothing is.
func (w *Wheel[T]) Next() int64 {
	if w.count == 0 {
		return Never
	}
	budget := 256
	from := w.done + 1
	for off := int64(0); off < slots; {
		i := (from + off) & (slots - 1)
		rest := w.used[i/64] >> (i % 64)
		if rest == 0 {
			off += 64 - i%64
			continue
		}
		off += int64(bits.TrailingZeros64(rest))
		if off < slots && w.ripe(from+off, &budget) {
			return (from + off) * w.step
		}
		off++
	}
	return (from + slots - 1) * w.step
}

// ripe reports whether the slot of tick holds an entry due by it and not a
// rotation later, or more entries than the budget allows to look at.
func (w *Wheel[T]) ripe(tick int64, budget *int) bool {
	head := w.slot[tick&(slots-1)]
	for e := head; ; e = e.next {
		*budget--
		if e.tick <= tick || *budget < 0 {
			return true
		}
		if e.next == head {
			return false
		}
	}
}

// Each calls f for every scheduled entry until f returns false.
func (w *Wheel[T]) Each(f func(*Entry[T]) bool) {
	for _, head := range w.slot {
		if head == nil {
			continue
		}
		for e := head; ; e = e.next {
			if !f(e) {
				return
			}
			if e.next == head {
				break
			}
		}
	}
}
