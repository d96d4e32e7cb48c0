package file

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The kinds of pages.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
)

const (
	elementSize  = 16   // of an element of a branch or leaf page
	bucketFlag   = 0x01 // of an element of a leaf whose value is a bucket
	bucketHeader = 16   // root page, sequence
)

// page is a page, or the part of a value that is one, with all its overflow.
type page struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint32
	bytes    []byte
}

// element is one of a branch's (child) or a leaf's (flags, value).
type element struct {
	key, value []byte
	flags      uint32
	child      uint64
	at         int // where key begins, from the start of the page
}

var (
	errShort  = errors.New("an element lies outside its page")
	errGap    = errors.New("its elements do not lie one behind the other")
	errHidden = errors.New("it has no element, but bytes where elements would be")
)

func parsePage(b []byte) (page, error) {
	if len(b) < pageHeader {
		return page{}, errShort
	}
	order := binary.NativeEndian
	return page{
		id:       order.Uint64(b),
		flags:    order.Uint16(b[8:]),
		count:    int(order.Uint16(b[10:])),
		overflow: order.Uint32(b[12:]),
		bytes:    b,
	}, nil
}

// branch returns an element of a branch.
func (p page) branch(i int) (e element, err error) {
	b, err := p.from(i)
	if err != nil {
		return e, err
	}
	order := binary.NativeEndian
	e.child = order.Uint64(b[8:])
	pos := uint64(order.Uint32(b))
	e.at = elementAt(i) + int(pos)
	e.key, err = cut(b, pos, uint64(order.Uint32(b[4:])))
	return e, err
}

// leaf returns an element of a leaf.
func (p page) leaf(i int) (e element, err error) {
	b, err := p.from(i)
	if err != nil {
		return e, err
	}
	order := binary.NativeEndian
	e.flags = order.Uint32(b)
	pos, size := uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:]))
	e.at = elementAt(i) + int(pos)
	if e.key, err = cut(b, pos, size); err != nil {
		return e, err
	}
	e.value, err = cut(b, pos+size, uint64(order.Uint32(b[12:])))
	return e, err
}

func elementAt(i int) int { return pageHeader + i*elementSize }

// contiguity checks that the keys and values of a page follow one another, as bbolt
// writes them behind the elements. A page with a wrong count of elements has a
// gap.
type contiguity struct{ next int }

func (p page) packed() contiguity { return contiguity{elementAt(p.count)} }

func (c *contiguity) add(e element) error {
	if e.at != c.next {
		return errGap
	}
	c.next += len(e.key) + len(e.value)
	return nil
}

// empty checks a page without elements: bbolt clears pages before it fills them.
func (p page) empty() error {
	for _, b := range p.bytes[pageHeader:] {
		if b != 0 {
			return errHidden
		}
	}
	return nil
}

// from returns the page from an element on: positions count from there.
func (p page) from(i int) ([]byte, error) {
	at := elementAt(i)
	if len(p.bytes) < at+elementSize {
		return nil, errShort
	}
	return p.bytes[at:], nil
}

func cut(b []byte, pos, size uint64) ([]byte, error) {
	if pos < elementSize || pos+size > uint64(len(b)) {
		return nil, errShort
	}
	return b[pos : pos+size : pos+size], nil
}

// free returns the ids on a page of the list of free pages.
func (p page) free() ([]byte, error) {
	ids, count := p.bytes[pageHeader:], uint64(p.count)
	if p.count == 0xFFFF { // more than fit into the field: the first id is the count
		if len(ids) < 8 {
			return nil, errShort
		}
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return nil, fmt.Errorf("it has no place for %d ids", count)
	}
	return ids[:count*8], nil
}
