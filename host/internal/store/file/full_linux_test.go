package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// smallDisk returns the root of a file system of so many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk takes what is left of a file system until the file it returns is
// removed.
func fillDisk(t *testing.T, dir string) (name string) {
	t.Helper()
	name = filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(bytes.Repeat([]byte{1}, size)); err != nil {
				break
			}
		}
	}
	return name
}

// TestFullDisk: on a disk without a free byte, modules are refused with the
// reason, and small records go on; when there is room again, so do modules.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 8<<20)
	dir := filepath.Join(disk, "store")
	s := reopen(t, dir)
	defer func() { must(t, s.Close()) }()
	ctx := context.Background()
	must(t, s.Create(ctx, &store.Tenant{Name: "a"}, store.Entry{}))
	wasm := bytes.Repeat([]byte("module"), 1000)
	p := &store.Policy{Digest: digestOf(wasm)}
	must(t, s.PutPolicy(ctx, "a", p, wasm))
	ballast := fillDisk(t, disk)

	other := bytes.Repeat([]byte("other"), 1000)
	err := s.PutPolicy(ctx, "a", &store.Policy{Digest: digestOf(other)}, other)
	if space.Reason(err) != space.Reason(syscall.ENOSPC) {
		t.Fatalf("a module on a full disk: %v", err)
	}
	const changes = 300
	for i := range changes {
		_, err := s.Update(ctx, "a", func(t *store.Tenant) (store.Entry, error) {
			t.Rollout.Percent = float64(i)
			return store.Entry{Tenant: "a", Action: "rollout.canary", Detail: fmt.Sprintf("%600d", i)}, nil
		})
		if err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	must(t, s.PutToken(ctx, &store.Token{ID: "t", Tenant: "a"}, store.Entry{}))
	must(t, s.DeleteToken(ctx, "t", store.Entry{}))
	must(t, s.Close())
	s = reopen(t, dir) // a host starts again on the full disk
	if log, err := s.Audit(ctx, "a", 0, 0); err != nil || len(log) != changes {
		t.Errorf("%d entries of %d: %v", len(log), changes, err)
	}
	must(t, os.Remove(ballast))
	must(t, s.PutPolicy(ctx, "a", &store.Policy{Digest: digestOf(other)}, other))
}
