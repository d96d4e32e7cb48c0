package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxDepth bounds the depth of the root's tree and a bucket's below it. bbolt
// halves a page that is full, so that one of depth 20 has a million pages.
const maxDepth = 64

// visitor is called with what is in a database. Its arguments are valid until it
// returns.
type visitor struct {
	bucket func(name string)
	record func(bucket string, key, value []byte)
}

// walk reads a whole database file and trusts nothing in it: each page must be
// reached once or be free, and all keys must be in order. It holds some pages and
// a bit per page in memory, whatever the file says. A file that passes can be
// mapped by bbolt.
func walk(r io.ReaderAt, size int64, v visitor) error {
	meta, err := readMeta(r, size)
	if err != nil {
		return err
	}
	w := &walker{r: r, meta: meta, visitor: v, seen: make([]uint64, meta.pages/64+1)}
	w.seen[0] = 3 // the meta pages
	if err := w.tree(meta.root, 0, bounds{}, w.root); err != nil {
		return err
	}
	if err := w.freelist(); err != nil {
		return err
	}
	for id := range meta.pages {
		if w.seen[id/64]&(1<<(id%64)) == 0 {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return nil
}

type walker struct {
	r       io.ReaderAt
	meta    metaPage
	visitor visitor
	seen    []uint64 // bits by page
	buffers [maxDepth][]byte
}

// bounds are of the keys of a subtree: low and above, and below high where
// there is one.
type bounds struct{ low, high []byte }

// leafFunc is called for every element of a tree.
type leafFunc func(e element, depth int) error

// take reads a page with its overflow into the buffer of a depth, and marks it.
func (w *walker) take(id uint64, depth int) (page, error) {
	if depth >= len(w.buffers) {
		return page{}, fmt.Errorf("page %d lies too deep", id)
	}
	if id >= w.meta.pages {
		return page{}, fmt.Errorf("there is no page %d", id)
	}
	p, err := w.read(id, depth, 1)
	if err != nil {
		return p, err
	}
	n := uint64(p.overflow) + 1
	if p.id != id || n > w.meta.pages-id {
		return p, fmt.Errorf("page %d says that it is page %d with %d behind it", id, p.id, p.overflow)
	}
	for i := id; i < id+n; i++ {
		if err := w.mark(i); err != nil {
			return p, err
		}
	}
	if n > 1 {
		return w.read(id, depth, int64(n))
	}
	return p, nil
}

func (w *walker) read(id uint64, depth int, n int64) (page, error) {
	size := n * w.meta.pageSize
	if int64(cap(w.buffers[depth])) < size {
		w.buffers[depth] = make([]byte, size)
	}
	b := w.buffers[depth][:size]
	if _, err := w.r.ReadAt(b, int64(id)*w.meta.pageSize); err != nil {
		return page{}, fmt.Errorf("page %d: %w", id, err)
	}
	return parsePage(b)
}

func (w *walker) mark(id uint64) error {
	if w.seen[id/64]&(1<<(id%64)) != 0 {
		return fmt.Errorf("page %d is used twice", id)
	}
	w.seen[id/64] |= 1 << (id % 64)
	return nil
}

// tree walks the tree below a page.
func (w *walker) tree(id uint64, depth int, in bounds, f leafFunc) error {
	p, err := w.take(id, depth)
	if err != nil {
		return err
	}
	switch p.flags {
	case leafPage:
		err = w.leaves(p, depth, in, f)
	case branchPage:
		return w.branches(p, depth, in, f)
	default:
		err = fmt.Errorf("it has the flags %#x where a branch or a leaf should be", p.flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (w *walker) branches(p page, depth int, in bounds, f leafFunc) error {
	if p.count == 0 {
		return fmt.Errorf("page %d: a branch without a child", p.id)
	}
	e, err := p.branch(0)
	if err != nil {
		return fmt.Errorf("page %d: %w", p.id, err)
	}
	packed := p.packed()
	for i := range p.count {
		if err := packed.add(e); err != nil {
			return fmt.Errorf("page %d: %w", p.id, err)
		}
		var next element
		here := bounds{e.key, in.high}
		if i+1 < p.count {
			if next, err = p.branch(i + 1); err != nil {
				return fmt.Errorf("page %d: %w", p.id, err)
			}
			here.high = next.key
		}
		if err := in.check(e.key); err != nil {
			return fmt.Errorf("page %d: %w", p.id, err)
		}
		if err := w.tree(e.child, depth+1, here, f); err != nil {
			return err
		}
		e = next
	}
	return nil
}

func (w *walker) leaves(p page, depth int, in bounds, f leafFunc) error {
	if p.count == 0 {
		return p.empty()
	}
	var last []byte
	packed := p.packed()
	for i := range p.count {
		e, err := p.leaf(i)
		if err != nil {
			return err
		}
		if err := packed.add(e); err != nil {
			return err
		}
		if len(e.key) == 0 || i > 0 && bytes.Compare(e.key, last) <= 0 {
			return errOrder
		}
		if err := in.check(e.key); err != nil {
			return err
		}
		if err := f(e, depth); err != nil {
			return err
		}
		last = e.key
	}
	return nil
}

var errOrder = errors.New("its keys are out of order")

func (b bounds) check(key []byte) error {
	if bytes.Compare(key, b.low) < 0 || b.high != nil && bytes.Compare(key, b.high) >= 0 {
		return errOrder
	}
	return nil
}

// root is the leafFunc of the root bucket: all it has are buckets, whose pages
// are their own or within the value.
func (w *walker) root(e element, depth int) error {
	if e.flags != bucketFlag || len(e.value) < bucketHeader {
		return fmt.Errorf("%q is no bucket", e.key)
	}
	name := string(e.key)
	w.visitor.bucket(name)
	records := func(e element, _ int) error {
		if e.flags != 0 {
			return fmt.Errorf("bucket %q has another one in it", name)
		}
		w.visitor.record(name, e.key, e.value)
		return nil
	}
	id := binary.NativeEndian.Uint64(e.value)
	if id != 0 {
		return w.tree(id, depth+1, bounds{}, records)
	}
	p, err := parsePage(e.value[bucketHeader:])
	if err == nil && (p.flags != leafPage || p.overflow != 0) {
		err = errors.New("it is no leaf")
	}
	if err == nil {
		err = w.leaves(p, depth, bounds{}, records)
	}
	if err != nil {
		return fmt.Errorf("bucket %q: %w", name, err)
	}
	return nil
}

// freelist marks the pages that are free.
func (w *walker) freelist() error {
	p, err := w.take(w.meta.freelist, 0)
	if err != nil {
		return fmt.Errorf("the list of free pages: %w", err)
	}
	if p.flags != freelistPage {
		return fmt.Errorf("page %d should be the list of free pages", p.id)
	}
	ids, err := p.free()
	if err != nil {
		return fmt.Errorf("the list of free pages: %w", err)
	}
	last := uint64(1)
	for ; len(ids) > 0; ids = ids[8:] {
		id := binary.NativeEndian.Uint64(ids)
		if id <= last || id >= w.meta.pages {
			return fmt.Errorf("the list of free pages has %d after %d", id, last)
		}
		if err := w.mark(id); err != nil {
			return err
		}
		last = id
	}
	return nil
}
