package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// sample returns a closed store with something in every bucket, and what dump
// says of it.
func sample(t testing.TB, tenants int) (dir, has string) {
	t.Helper()
	dir = t.TempDir()
	s := reopen(t, dir)
	ctx := context.Background()
	for i := range tenants {
		made := &store.Tenant{Name: fmt.Sprintf("t%d", i)}
		made.Rollout.Rollback = &spec.Rollback{Reason: strings.Repeat("r", 300)}
		must(t, s.Create(ctx, made, store.Entry{Tenant: made.Name, Action: "create"}))
		must(t, s.PutToken(ctx, &store.Token{ID: fmt.Sprint(i), Tenant: made.Name}, store.Entry{Action: "token"}))
	}
	for i := range tenants / 4 {
		must(t, s.Delete(ctx, fmt.Sprintf("t%d", i*3), func(*store.Tenant) (store.Entry, error) { return store.Entry{}, nil }))
	}
	wasm := []byte("module")
	must(t, s.PutPolicy(ctx, "", &store.Policy{Digest: digestOf(wasm)}, wasm))
	_, err := s.Secret(ctx, "x")
	must(t, err)
	has, err = dump(s)
	must(t, err)
	must(t, s.Close())
	return dir, has
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func reopen(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Config{})
	must(t, err)
	return s
}

// dump returns all that is in the database.
func dump(s *Store) (string, error) {
	var out strings.Builder
	err := s.view(func(t *txn) error {
		for _, bucket := range buckets() {
			err := t.tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error {
				show(&out, bucket, k, v)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out.String(), err
}

func show(out *strings.Builder, bucket string, key, value []byte) {
	for _, part := range [][]byte{[]byte(bucket), key, value} {
		out.WriteByte(byte(len(part) >> 8))
		out.WriteByte(byte(len(part)))
		out.Write(part)
	}
}

// tryOpen opens a store with other bytes in its database. Where that succeeds,
// everything must be readable and writable.
func tryOpen(t testing.TB, dir string, data []byte) (has string, err error) {
	t.Helper()
	name := filepath.Join(dir, dbName)
	must(t, os.WriteFile(name, data, 0o600))
	s, err := Open(dir, Config{})
	if err != nil {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name the file: %v", err)
		}
		return "", err
	}
	defer s.Close()
	has, err = dump(s)
	must(t, err)
	must(t, s.Create(context.Background(), &store.Tenant{Name: "new"}, store.Entry{}))
	return has, nil
}

// records returns what the check sees in a database, as dump does.
func records(data []byte) (string, error) {
	if err := checkDB(dbName, bytes.NewReader(data), int64(len(data))); err != nil {
		return "", err
	}
	all := map[string]*strings.Builder{}
	err := walk(bytes.NewReader(data), int64(len(data)), visitor{
		bucket: func(name string) { all[name] = new(strings.Builder) },
		record: func(bucket string, key, value []byte) { show(all[bucket], bucket, key, value) },
	})
	out := ""
	for _, name := range buckets() {
		out += all[name].String()
	}
	return out, err
}

// TestFlippedBits: whatever byte of the database is hit, it is refused, or the
// byte was not in use, or it was in the meta page of the last change, which is
// then as if it had not been.
func TestFlippedBits(t *testing.T) {
	dir, has := sample(t, 16)
	whole, err := os.ReadFile(filepath.Join(dir, dbName))
	must(t, err)
	meta := mustMeta(t, whole)
	whole = whole[:int(meta.pages)*pageSize]
	torn := bytes.Clone(whole)
	torn[int(meta.txid%2)*pageSize+pageHeader]++
	before, err := records(torn)
	must(t, err)
	if before == has {
		t.Fatal("the last change has changed nothing")
	}
	var refused, harmless, older int
	for at := range whole {
		if at > 2*pageSize && at%16 != at/pageSize%16 && at%pageSize >= pageHeader {
			continue // a sixteenth of what records' pages hold, all of the others and of the headers
		}
		if at%pageSize > 256 && at < 2*pageSize && at%64 != 0 {
			continue // nothing is in the rest of a meta page
		}
		whole[at] ^= 1 << (at % 8)
		got, err := records(whole)
		if at < 2*pageSize+256 && at%32 == 0 || err == nil && at%4000 == 0 {
			opened, openErr := tryOpen(t, dir, whole)
			if opened != got || (openErr == nil) != (err == nil) {
				t.Errorf("byte %d: the check says %v, and opening %v; the same records: %t", at, err, openErr, opened == got)
			}
		}
		switch {
		case err != nil:
			refused++
		case got == has:
			harmless++
		case got == before && at < 2*pageSize:
			older++
		default:
			t.Errorf("byte %d: the database passes with other records", at)
		}
		whole[at] ^= 1 << (at % 8)
	}
	t.Logf("%d bytes: %d flips refused, %d with the same records, %d as before the last change", len(whole), refused, harmless, older)
	if refused == 0 || harmless == 0 || older == 0 {
		t.Error("one of the outcomes has not been seen")
	}
}

func mustMeta(t testing.TB, data []byte) metaPage {
	t.Helper()
	m, err := readMeta(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	return m
}

// TestCheckSeesRecords: a record that is changed within its page is found.
func TestCheckSeesRecords(t *testing.T) {
	dir, _ := sample(t, 40)
	whole, err := os.ReadFile(filepath.Join(dir, dbName))
	must(t, err)
	for _, text := range []string{`"revision":`, `"action":"create"`, `"tenant":"t`, digestOf([]byte("module"))[:20]} {
		damaged := bytes.ReplaceAll(whole, []byte(text), []byte(strings.ToUpper(text)))
		if bytes.Equal(damaged, whole) {
			damaged = bytes.ReplaceAll(whole, []byte(text), bytes.Repeat([]byte("f"), len(text)))
		}
		if _, err := tryOpen(t, dir, damaged); err == nil {
			t.Errorf("%q was changed, and nobody minds", text)
		}
	}
}

func TestTruncated(t *testing.T) {
	dir, has := sample(t, 40)
	whole, err := os.ReadFile(filepath.Join(dir, dbName))
	must(t, err)
	end := int(mustMeta(t, whole).pages) * pageSize
	for _, size := range []int{0, 1, 15, 80, 100, 1024, pageSize - 1, pageSize, 2*pageSize - 1, 2 * pageSize, 3 * pageSize, end / 2, end - pageSize, end - 1} {
		if _, err := tryOpen(t, dir, whole[:size]); err == nil {
			t.Errorf("%d of %d bytes are opened", size, end)
		}
	}
	if got, err := tryOpen(t, dir, whole[:end]); err != nil || got != has {
		t.Errorf("all that is in use is not enough: %v", err)
	}
}

func TestGarbage(t *testing.T) {
	dir, _ := sample(t, 1)
	for _, data := range []string{strings.Repeat("\x00", 1<<16), strings.Repeat("\xff", 1<<16), strings.Repeat("garbage", 10_000), "text"} {
		if _, err := tryOpen(t, dir, []byte(data)); err == nil {
			t.Errorf("%.10q… is opened", data)
		}
	}
	must(t, os.Remove(filepath.Join(dir, dbName)))
	must(t, os.Mkdir(filepath.Join(dir, dbName), 0o700))
	if _, err := Open(dir, Config{}); err == nil {
		t.Error("a directory is opened")
	}
}

// TestDamagedWhileOpen: a database that is cut short under a running process
// costs an error, not the process.
func TestDamagedWhileOpen(t *testing.T) {
	dir, _ := sample(t, 100)
	s := reopen(t, dir)
	ctx := context.Background()
	must(t, os.Truncate(filepath.Join(dir, dbName), 2*pageSize))
	name := filepath.Join(dir, dbName)
	_, err := s.Tenants(ctx, "", 0)
	if err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("reading: %v", err)
	}
	for range 2 {
		err = s.Create(ctx, &store.Tenant{Name: "new"}, store.Entry{})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("writing: %v", err)
		}
	}
	_ = s.Close() // returns
	if _, err := Open(dir, Config{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("opening: %v", err)
	}
}

// FuzzCheck: what the check passes, bbolt opens, reads and writes.
func FuzzCheck(f *testing.F) {
	dir, _ := sample(f, 12)
	whole, err := os.ReadFile(filepath.Join(dir, dbName))
	must(f, err)
	pages := int(mustMeta(f, whole).pages)
	f.Add(uint32(0), []byte{})
	f.Add(uint32(3*pageSize), []byte{3, 0, 0, 0, 0, 0, 0, 0, 1})
	for i := range pages {
		f.Add(uint32(i*pageSize+8), []byte{16, 0, 255, 255, 1})
		f.Add(uint32(i*pageSize+pageHeader), bytes.Repeat([]byte{255}, 16))
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		data := bytes.Clone(whole[:pages*pageSize])
		copy(data[int(at)%len(data):], patch)
		if checkDB("host.db", bytes.NewReader(data), int64(len(data))) == nil {
			if _, err := tryOpen(t, dir, data); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzWalk: no bytes make the walk panic, or go on for ever.
func FuzzWalk(f *testing.F) {
	f.Add([]byte("text"))
	f.Add(bytes.Repeat([]byte{0xED}, 3*minPageSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = walk(bytes.NewReader(data), int64(len(data)), visitor{bucket: func(string) {}, record: func(string, []byte, []byte) {}})
		for id, flags := range map[uint64]uint16{0: branchPage, 1: leafPage, 2: freelistPage} {
			w := &walker{r: bytes.NewReader(data), meta: metaPage{pageSize: minPageSize, pages: uint64(len(data) / minPageSize)},
				visitor: visitor{bucket: func(string) {}, record: func(string, []byte, []byte) {}}, seen: make([]uint64, len(data)/minPageSize/64+1)}
			_ = w.tree(id, 0, bounds{}, w.root)
			w.meta.freelist = id
			_ = w.freelist()
			if p, err := parsePage(data); err == nil {
				p.flags = flags
				_ = w.branches(p, 0, bounds{}, w.root)
			}
		}
	})
}
