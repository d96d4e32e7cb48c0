package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// TestRecount: who opens a store counts what its last process has counted, and
// what a killed one has left.
func TestRecount(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir)
	ctx := context.Background()
	for _, name := range []string{"a", "b", "gone"} {
		must(t, s.Create(ctx, &store.Tenant{Name: name}, store.Entry{}))
	}
	put := func(tenant, text string) string {
		t.Helper()
		wasm := []byte(text)
		must(t, s.PutPolicy(ctx, tenant, &store.Policy{Digest: digestOf(wasm)}, wasm))
		return digestOf(wasm)
	}
	shared := put("a", "shared")
	put("b", "shared")
	put("a", string(make([]byte, 50_000)))
	put("gone", "left")
	must(t, s.PutState(ctx, "a", shared, policy.State{Bytes: make([]byte, 9000)}))
	must(t, s.PutState(ctx, "default", shared, policy.State{Bytes: make([]byte, 90)}))
	must(t, s.Delete(ctx, "gone", func(*store.Tenant) (store.Entry, error) { return store.Entry{}, nil }))
	names := []string{"a", "b", "gone", "default"}
	figures := func() (all string) {
		for _, name := range names {
			all += fmt.Sprintf("%s %+v; ", name, s.Usage(name))
		}
		return all + fmt.Sprint(s.Size())
	}
	was, size := figures(), s.Size()
	must(t, s.Close())
	s = reopen(t, dir)
	if now := figures(); now != was {
		t.Errorf("counted anew:\n%s, want\n%s", now, was)
	}
	must(t, s.Close())

	orphan := digestOf([]byte("orphan"))
	must(t, os.MkdirAll(filepath.Join(dir, modulesDir, orphan[:2]), 0o700))
	must(t, os.WriteFile(filepath.Join(append([]string{dir}, modulePath(orphan)...)...), []byte("orphan"), 0o600))
	s, err := Open(dir, Config{Grace: 1})
	must(t, err)
	defer s.Close()
	if more := s.Size() - size; more != space.Blocks(6) {
		t.Errorf("what a killed process has left takes %d", more)
	}
	if _, err := s.Sweep(ctx); err != nil {
		t.Error(err)
	}
	if u := s.Usage("a"); u.Policies != 0 || s.counts.modules != 0 || len(s.counts.files) != 0 {
		t.Errorf("all swept: %+v, %d bytes of modules", u, s.counts.modules)
	}
}

// TestGraceOfEachTenant: a tenant is free of what it does not name a grace after
// it has put it, whoever has put it since.
func TestGraceOfEachTenant(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Config{Grace: time.Hour})
		must(t, err)
		defer s.Close()
		ctx := context.Background()
		for _, name := range []string{"a", "b"} {
			must(t, s.Create(ctx, &store.Tenant{Name: name}, store.Entry{}))
		}
		wasm := []byte("module")
		p := &store.Policy{Digest: digestOf(wasm)}
		must(t, s.PutPolicy(ctx, "a", p, wasm))
		time.Sleep(30 * time.Minute)
		must(t, s.PutPolicy(ctx, "b", p, wasm))
		for _, c := range []struct {
			after time.Duration
			a, b  bool // pay
		}{{30 * time.Minute, true, true}, {1, false, true}, {30*time.Minute - 1, false, true}, {1, false, false}} {
			time.Sleep(c.after)
			if _, err := s.Sweep(ctx); err != nil {
				t.Error(err)
			}
			if a, b := s.Usage("a").Policies > 0, s.Usage("b").Policies > 0; a != c.a || b != c.b {
				t.Errorf("%v later: a pays: %t, b pays: %t", c.after, a, b)
			}
		}
		if _, err := s.Module(ctx, p.Digest); err == nil {
			t.Error("the module is still there")
		}
	})
}

// TestFailedWritesAreTold, with what the disk said.
func TestFailedWritesAreTold(t *testing.T) {
	if apart(t) {
		return
	}
	var mu sync.Mutex
	var told []string
	s, err := Open(t.TempDir(), Config{Failed: func(err error) { mu.Lock(); defer mu.Unlock(); told = append(told, space.Reason(err)) }})
	must(t, err)
	defer s.Close()
	ctx := context.Background()
	must(t, s.Create(ctx, &store.Tenant{Name: "a"}, store.Entry{}))
	wasm := make([]byte, 100_000)
	lift := limitFiles(t, 50_000)
	size := s.Size()
	if err := s.PutPolicy(ctx, "a", &store.Policy{Digest: digestOf(wasm)}, wasm); space.Reason(err) != space.Reason(syscall.EFBIG) {
		t.Errorf("a module that does not fit: %v", err)
	}
	if err := s.PutState(ctx, "a", digestOf(wasm), policy.State{Bytes: wasm}); space.Reason(err) == "" {
		t.Errorf("a state that does not fit: %v", err)
	}
	lift()
	if len(told) != 2 || told[0] == "" || told[1] == "" {
		t.Errorf("told %q", told)
	}
	if u := s.Usage("a"); u != (store.Usage{}) || s.Size() != size {
		t.Errorf("counted what is not there: %+v, %d of %d", u, s.Size(), size)
	}
	if left, err := os.ReadDir(s.path(tempDir)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
