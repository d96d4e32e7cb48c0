package file

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// shape returns a database in use, and its pages by their kind.
func shape(t *testing.T) (data []byte, kinds map[uint16][]page) {
	t.Helper()
	dir, _ := sample(t, 60)
	data, err := os.ReadFile(filepath.Join(dir, dbName))
	must(t, err)
	meta := mustMeta(t, data)
	data = data[:int(meta.pages)*pageSize]
	kinds = map[uint16][]page{}
	free := map[uint64]bool{}
	list, err := parsePage(data[int(meta.freelist)*pageSize : int(meta.freelist+1)*pageSize])
	must(t, err)
	ids, err := list.free()
	must(t, err)
	for ; len(ids) > 0; ids = ids[8:] {
		free[binary.NativeEndian.Uint64(ids)] = true
	}
	for id := 2; id < int(meta.pages); id++ {
		p, err := parsePage(data[id*pageSize : (id+1)*pageSize])
		must(t, err)
		fit := p.flags != leafPage || uint64(id) != meta.root && id < int(meta.pages)-1 && p.count > 1
		if !free[uint64(id)] && fit {
			kinds[p.flags] = append(kinds[p.flags], p)
		}
	}
	if len(kinds[branchPage]) == 0 || len(kinds[leafPage]) < 2 || len(kinds[freelistPage]) != 1 {
		t.Fatalf("%d branches, %d leaves, %d lists: not what the tests need", len(kinds[branchPage]), len(kinds[leafPage]), len(kinds[freelistPage]))
	}
	return data, kinds
}

// refused expects a database to be refused while something in it is changed.
// The pages of shape are parts of it.
func refused(t *testing.T, data []byte, what, want string, change func()) {
	t.Helper()
	before := bytes.Clone(data)
	change()
	if bytes.Equal(before, data) {
		t.Fatalf("%s: nothing was changed", what)
	}
	if _, err := records(data); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want an error with %q", what, err, want)
	}
	copy(data, before)
}

// TestWalkRefuses: each rule, by the smallest breach of it.
func TestWalkRefuses(t *testing.T) {
	data, kinds := shape(t)
	if _, err := records(data); err != nil {
		t.Fatal(err)
	}
	branch, leaf, list := kinds[branchPage][0].bytes, kinds[leafPage][0].bytes, kinds[freelistPage][0].bytes
	order := binary.NativeEndian
	first := func(p []byte) []byte { return p[pageHeader:] } // element
	for _, c := range []struct {
		what, want string
		change     func()
	}{
		{"a branch's key above its child's", "out of order", func() {
			e, err := kinds[branchPage][0].branch(1)
			must(t, err)
			e.key[len(e.key)-1]++
		}},
		{"a branch's keys not in order", "out of order", func() {
			e, err := kinds[branchPage][0].branch(1)
			must(t, err)
			clear(e.key)
		}},
		{"a branch that is its own child", "used twice", func() { order.PutUint64(first(branch)[8:], order.Uint64(branch)) }},
		{"a child beyond the end", "there is no page", func() { order.PutUint64(first(branch)[8:], 1<<40) }},
		{"a meta page as a child", "says that it is page", func() { order.PutUint64(first(branch)[8:], 1<<32-1); order.PutUint64(branch, 7777) }},
		{"a branch without children", "without a child", func() { order.PutUint16(branch[10:], 0) }},
		{"more elements than fit", "one behind the other", func() { order.PutUint16(leaf[10:], 0xFFFF) }},
		{"a key beyond the page", "outside its page", func() { order.PutUint32(first(leaf)[8:], 1<<31) }},
		{"a value beyond the page", "outside its page", func() { order.PutUint32(first(leaf)[12:], 1<<32-1) }},
		{"a key over the elements", "outside its page", func() { order.PutUint32(first(leaf)[4:], 1) }},
		{"overflow over others", "used twice", func() { order.PutUint32(leaf[12:], 1) }},
		{"overflow over the end", "behind it", func() { order.PutUint32(leaf[12:], 1<<32-1) }},
		{"a page that says it is another", "says that it is page", func() { order.PutUint64(leaf, order.Uint64(leaf)+1) }},
		{"a page of two kinds", "flags", func() { leaf[8] = branchPage | leafPage }},
		{"a bucket in a bucket", "another one in it", func() { first(leaf)[0] = bucketFlag }},
		{"a list that is none", "should be the list", func() { list[8] = leafPage }},
		{"a list that is too long", "no place for", func() { order.PutUint16(list[10:], 0xFFFE) }},
		{"a list that says so itself", "no place for", func() {
			order.PutUint16(list[10:], 0xFFFF)
			order.PutUint64(list[pageHeader:], 1<<60)
		}},
		{"a free page that is used", "", func() { order.PutUint64(list[pageHeader:], order.Uint64(leaf)) }},
		{"a page less that is free", "neither used nor free", func() { order.PutUint16(list[10:], order.Uint16(list[10:])-1) }},
	} {
		refused(t, data, c.what, c.want, c.change)
	}
}

// TestBboltMissesRecords: a page that tells of fewer records than it has passes
// bbolt's own check, which is why the database is walked here.
func TestBboltMissesRecords(t *testing.T) {
	data, kinds := shape(t)
	leaf := kinds[leafPage][0]
	binary.NativeEndian.PutUint16(leaf.bytes[10:], uint16(leaf.count-1))
	name := filepath.Join(t.TempDir(), dbName)
	must(t, os.WriteFile(name, data, 0o600))
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt finds it now: %v; what it finds needs no walk", err)
		}
		return nil
	}))
	if _, err := records(data); err == nil {
		t.Error("the walk does not find it")
	}
}

// TestDeepTree: a tree that goes down for ever ends.
func TestDeepTree(t *testing.T) {
	const n = 2 * maxDepth
	data := make([]byte, n*minPageSize)
	order := binary.NativeEndian
	for id := range n {
		p := data[id*minPageSize:]
		order.PutUint64(p, uint64(id))
		order.PutUint16(p[8:], branchPage)
		order.PutUint16(p[10:], 1)
		order.PutUint32(p[pageHeader:], elementSize)
		order.PutUint64(p[pageHeader+8:], uint64(id+1))
	}
	w := &walker{r: bytes.NewReader(data), meta: metaPage{pageSize: minPageSize, pages: n}, seen: make([]uint64, n/64+1)}
	if err := w.tree(2, 0, bounds{}, w.root); err == nil || !strings.Contains(err.Error(), "too deep") {
		t.Errorf("error %v", err)
	}
}
