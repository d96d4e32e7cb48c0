package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The layout of a database file is bbolt's (its internal/common): pages of one
// size, two of them meta pages, of which the valid one with the higher
// transaction counts. Numbers are in the machine's order.
const (
	pageHeader  = 16 // id, flags, count, overflow
	metaSize    = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	minPageSize = 1 << 10
	maxPageSize = 1 << 16
)

// metaPage is what a meta page says.
type metaPage struct {
	pageSize int64
	root     uint64 // the page of the root bucket
	freelist uint64 // the first page of the list of free pages
	pages    uint64 // how many pages there are
	txid     uint64
}

var errMeta = errors.New("no valid meta page")

// readMeta returns the meta page that counts. One of the two may be torn, which
// is how a change ends that was cut short.
func readMeta(r io.ReaderAt, size int64) (metaPage, error) {
	first, firstErr := parseMeta(r, 0)
	second, secondErr := metaPage{}, errMeta
	// The second lies a page behind the first, which may not be able to say
	// how large a page is.
	for pos := int64(minPageSize); pos <= maxPageSize; pos <<= 1 {
		if m, err := parseMeta(r, pos); err == nil && m.pageSize == pos && (firstErr != nil || first.pageSize == pos) {
			second, secondErr = m, nil
			break
		}
	}
	best := first
	switch {
	case firstErr != nil && secondErr != nil:
		return best, errMeta
	case firstErr != nil, secondErr == nil && second.txid > first.txid:
		best = second
	}
	if best.pages < 4 || best.pages > uint64(size/best.pageSize) {
		return best, fmt.Errorf("it should have %d pages of %d bytes but has %d bytes", best.pages, best.pageSize, size)
	}
	return best, nil
}

// parseMeta reads a meta page at a position.
func parseMeta(r io.ReaderAt, pos int64) (metaPage, error) {
	var page [pageHeader + metaSize]byte
	if _, err := r.ReadAt(page[:], pos); err != nil {
		return metaPage{}, err
	}
	b := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // never fails
	order := binary.NativeEndian
	m := metaPage{
		pageSize: int64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		freelist: order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	switch {
	case order.Uint32(b) != metaMagic, order.Uint32(b[4:]) != metaVersion, order.Uint64(b[56:]) != sum.Sum64():
		return m, errMeta
	case m.pageSize < minPageSize, m.pageSize > maxPageSize, m.pageSize&(m.pageSize-1) != 0:
		return m, errMeta
	}
	return m, nil
}
