package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"idlehost/host/internal/store"
	"idlehost/host/internal/testnet"
)

func TestOpenMakesItsOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := reopen(t, dir)
	must(t, s.Close())
	for name, want := range map[string]os.FileMode{"": 0o700, modulesDir: 0o700, statesDir: 0o700, tempDir: 0o700, dbName: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%q has the mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
	if _, err := Open(filepath.Join(dir, dbName), Config{}); err == nil || !strings.Contains(err.Error(), dbName) {
		t.Errorf("a file as the directory: %v", err)
	}
}

// TestOneAtATime: who comes second waits for a while, and is told where.
func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir)
	began := time.Now()
	_, err := Open(dir, Config{})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error %v", err)
	}
	if waited := time.Since(began); waited < lockWait/2 {
		t.Errorf("waited %v", waited)
	}
	second := make(chan error)
	go func() {
		s, err := Open(dir, Config{})
		if err == nil {
			err = s.Close()
		}
		second <- err
	}()
	must(t, s.Close())
	must(t, <-second)
}

// TestOtherProgram: bbolt's own lock counts too.
func TestOtherProgram(t *testing.T) {
	dir, _ := sample(t, 1)
	db, err := bbolt.Open(filepath.Join(dir, dbName), 0o600, nil)
	must(t, err)
	if _, err := Open(dir, Config{}); err == nil || !strings.Contains(err.Error(), dbName) {
		t.Errorf("error %v", err)
	}
	must(t, db.Close())
	must(t, reopen(t, dir).Close())
}

// TestOtherFormats: what another version has written is left as it is.
func TestOtherFormats(t *testing.T) {
	for want, edit := range map[string]func(*bbolt.Tx) error{
		`format "2"`: func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketMeta))
			return errors.Join(b.Put([]byte(metaFormat), []byte("2")), tx.Bucket([]byte(bucketTenants)).Put([]byte("a"), []byte("?")))
		},
		"no store of this program": func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) },
		`"future" is not known`:    func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("future")); return err },
		"is missing":               func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketAudit)) },
		"another one in it": func(tx *bbolt.Tx) error {
			_, err := tx.Bucket([]byte(bucketTenants)).CreateBucket([]byte("nested"))
			return err
		},
	} {
		dir, _ := sample(t, 1)
		name := filepath.Join(dir, dbName)
		db, err := bbolt.Open(name, 0o600, nil)
		must(t, err)
		must(t, db.Update(edit))
		must(t, db.Close())
		before, err := os.ReadFile(name)
		must(t, err)
		if _, err := Open(dir, Config{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one with %s", err, want)
		}
		if after, err := os.ReadFile(name); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed (%v)", want, err)
		}
	}
}

// TestLostDatabase: modules without a database are not swept away.
func TestLostDatabase(t *testing.T) {
	dir, _ := sample(t, 1)
	must(t, os.Remove(filepath.Join(dir, dbName)))
	if _, err := Open(dir, Config{}); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("error %v", err)
	}
	must(t, os.RemoveAll(filepath.Join(dir, modulesDir)))
	must(t, reopen(t, dir).Close())
}

// TestCutShort: what a killed process has left on its way is no obstacle.
func TestCutShort(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, tempDir), 0o700))
	for _, name := range []string{dbName, "new-1"} {
		must(t, os.WriteFile(filepath.Join(dir, tempDir, name), []byte("half"), 0o600))
	}
	s := reopen(t, dir)
	defer s.Close()
	if left, err := os.ReadDir(filepath.Join(dir, tempDir)); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestLeavesNothing: no goroutine and no descriptor outlives a store.
func TestLeavesNothing(t *testing.T) {
	dir, _ := sample(t, 1)
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for range 20 {
		s := reopen(t, dir)
		s.Watch(func(string) {})
		must(t, s.Create(context.Background(), &store.Tenant{Name: "x"}, store.Entry{}))
		must(t, s.Delete(context.Background(), "x", func(*store.Tenant) (store.Entry, error) { return store.Entry{}, nil }))
		must(t, s.Close())
	}
	// What has said that it is done may not be gone yet.
	testnet.Eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := descriptors(t); n > files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not on this system
	}
	return len(all)
}
