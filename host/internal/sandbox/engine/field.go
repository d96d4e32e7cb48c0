package engine

import (
	"math/bits"
	"slices"
	"sync"
)

// fields hands out memory for guests from outside of Go's heap. A guest of
// 64 KiB that touches 8 has 8 resident, where the heap would clear and keep all
// of it; a memory that is set aside as far as it may grow never moves; and the
// garbage collector has nothing of it to think of. Where the system gives no
// such memory, guests live in the heap.
//
// Memory comes in fields of equal plots, so that the number of mappings, of
// which a process may have 65,530 on Linux, is a small part of that of guests.
type fields struct {
	mapping func(size int) []byte // of fresh memory; nil: there is none

	mu sync.Mutex // guards the following field
	// open holds the fields with a plot to give, by the plot's size.
	open map[int][]*field
}

// field is one mapping. Its owner's lock guards it.
type field struct {
	owner *fields
	mem   []byte
	size  int     // of a plot, in bytes
	free  []int32 // numbers of plots that were given back
	fresh int     // from here on, none was ever taken
	used  int
}

// plot is the place of one memory; the zero plot is none.
type plot struct {
	field *field
	n     int32
}

// fieldBytes is a field's size, unless a plot is larger. All but what guests
// touch is address space only.
const fieldBytes = 64 << 20

func newFields() *fields { return &fields{mapping: mapField, open: make(map[int][]*field)} }

// take returns a plot of at least size bytes, all zero; or none.
func (f *fields) take(size uint64) plot {
	if size > 1<<30 { // no int on every machine
		return plot{}
	}
	class := pageBytes << bits.Len64((max(size, 1)-1)/pageBytes)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open[class]) == 0 {
		mem := f.mapping(max(class, fieldBytes))
		if mem == nil {
			return plot{}
		}
		f.open[class] = append(f.open[class], &field{owner: f, mem: mem, size: class})
	}
	list := f.open[class]
	from := list[len(list)-1]
	p := from.takeLocked()
	if from.fullLocked() {
		f.open[class] = list[:len(list)-1]
	}
	return p
}

func (f *field) fullLocked() bool { return f.used == len(f.mem)/f.size }

func (f *field) takeLocked() plot {
	f.used++
	if n := len(f.free); n > 0 {
		p := plot{f, f.free[n-1]}
		f.free = f.free[:n-1]
		return p
	}
	f.fresh++
	return plot{f, int32(f.fresh - 1)}
}

// bytes returns the plot as a slice without length; nil of none.
func (p plot) bytes() []byte {
	if p.field == nil {
		return nil
	}
	at := int(p.n) * p.field.size
	return p.field.mem[at : at : at+p.field.size]
}

// giveBack clears the plot for the next guest.
func (p plot) giveBack() {
	if p.field == nil {
		return
	}
	b := p.bytes()
	wipe(b[:cap(b)])
	p.field.owner.put(p)
}

func (f *fields) put(p plot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := p.field
	if from.fullLocked() {
		f.open[from.size] = append(f.open[from.size], from)
	}
	from.free = append(from.free, p.n)
	from.used--
	// One empty field is kept, so that a last guest that comes and goes does
	// not map and unmap.
	if list := f.open[from.size]; from.used == 0 && len(list) > 1 {
		f.open[from.size] = slices.DeleteFunc(list, func(x *field) bool { return x == from })
		unmapField(from.mem)
	}
}

// close gives back the fields that are kept. No plot is out.
func (f *fields) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, list := range f.open {
		for _, x := range list {
			if x.used == 0 {
				unmapField(x.mem)
			}
		}
	}
	clear(f.open)
}
