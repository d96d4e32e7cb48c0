package idle

import (
	"cmp"
	"slices"
)

// connList holds connections in the order of their IDs, in blocks, so that a
// part of it costs what the part is, not what the list is. IDs mostly grow, so
// a new connection mostly goes to the end of the last block. The zero value is
// an empty list. It is not safe for concurrent use.
type connList struct {
	blocks []connBlock // in order; none is empty
}

// connBlock is a part of the list. Connections are found by the first ID of
// their block and by their address: no other connection's memory is touched.
type connBlock struct {
	first uint64 // ID of conns[0]
	conns []*Conn
}

// blockConns is how many connections a block holds at most.
const blockConns = 128

// at returns the block that an ID belongs to, if there is any: the last one
// that does not begin behind it, else the first.
func (l *connList) at(id uint64) int {
	i, found := slices.BinarySearchFunc(l.blocks, id, func(b connBlock, id uint64) int { return cmp.Compare(b.first, id) })
	if found {
		return i
	}
	return max(i-1, 0)
}

// add puts c, which is not there, in its place.
func (l *connList) add(c *Conn) {
	i := l.at(c.id)
	if i == len(l.blocks) { // of none
		l.blocks = append(l.blocks, connBlock{first: c.id, conns: []*Conn{c}})
		return
	}
	b := &l.blocks[i]
	place := len(b.conns)
	if b.conns[place-1].id > c.id {
		place, _ = slices.BinarySearchFunc(b.conns, c.id, func(o *Conn, id uint64) int { return cmp.Compare(o.id, id) })
	}
	switch full := len(b.conns) == blockConns; {
	case full && place == blockConns && i+1 < len(l.blocks) && len(l.blocks[i+1].conns) < blockConns:
		b, place = &l.blocks[i+1], 0
	case full && place == blockConns:
		l.insert(i+1, append(make([]*Conn, 0, blockConns), c))
		return
	case full:
		half := b.conns[blockConns/2:]
		l.insert(i+1, append(make([]*Conn, 0, blockConns), half...))
		clear(half)
		b = &l.blocks[i]
		b.conns = b.conns[:blockConns/2]
		if place > blockConns/2 {
			b, place = &l.blocks[i+1], place-blockConns/2
		}
	}
	b.conns = slices.Insert(b.conns, place, c)
	b.first = b.conns[0].id
}

func (l *connList) insert(i int, conns []*Conn) {
	l.blocks = slices.Insert(l.blocks, i, connBlock{first: conns[0].id, conns: conns})
}

// remove takes c out, and gives back what a crowd has left behind.
func (l *connList) remove(c *Conn) {
	i := l.at(c.id)
	if i == len(l.blocks) {
		return
	}
	b := &l.blocks[i]
	place := slices.Index(b.conns, c)
	if place < 0 {
		return
	}
	b.conns = slices.Delete(b.conns, place, place+1)
	switch {
	case len(b.conns) == 0:
		l.blocks = slices.Delete(l.blocks, i, i+1)
		if i > 0 && i < len(l.blocks) && l.joins(i-1) {
			l.join(i - 1)
		}
	case i > 0 && l.joins(i-1):
		l.join(i - 1)
	case i+1 < len(l.blocks) && l.joins(i):
		l.join(i)
	default:
		b.first = b.conns[0].id
	}
	if cap(l.blocks) > 16 && len(l.blocks) < cap(l.blocks)/4 {
		l.blocks = append(make([]connBlock, 0, cap(l.blocks)/2), l.blocks...)
	}
}

// joins reports whether block i and the next one are well below a full one
// together: they are not to be split again by the next connection.
func (l *connList) joins(i int) bool {
	return len(l.blocks[i].conns)+len(l.blocks[i+1].conns) <= blockConns/2
}

func (l *connList) join(i int) {
	b := &l.blocks[i]
	b.conns = append(b.conns, l.blocks[i+1].conns...)
	b.first = b.conns[0].id
	l.blocks = slices.Delete(l.blocks, i+1, i+2)
}

// len returns how many there are.
func (l *connList) len() (n int) {
	for i := range l.blocks {
		n += len(l.blocks[i].conns)
	}
	return n
}

// all returns a copy of the list.
func (l *connList) all() []*Conn {
	list := make([]*Conn, 0, l.len())
	for i := range l.blocks {
		list = append(list, l.blocks[i].conns...)
	}
	return list
}

// after appends up to n connections whose IDs are larger than id.
func (l *connList) after(list []*Conn, id uint64, n int) []*Conn {
	for i := l.at(id); i < len(l.blocks) && n > 0; i++ {
		conns := l.blocks[i].conns
		if l.blocks[i].first <= id {
			place, found := slices.BinarySearchFunc(conns, id, func(c *Conn, id uint64) int { return cmp.Compare(c.id, id) })
			if found {
				place++
			}
			conns = conns[place:]
		}
		conns = conns[:min(n, len(conns))]
		list, n = append(list, conns...), n-len(conns)
	}
	return list
}
