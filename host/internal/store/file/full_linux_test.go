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
	"idlehost/host/internal/testnet"
)

// TestFullDisk: on a disk without a free byte, modules are refused with the
// reason, and small records go on; when there is room again, so do modules.
func TestFullDisk(t *testing.T) {
	disk := testnet.SmallDisk(t, 8<<20)
	dir := filepath.Join(disk, "store")
	s := reopen(t, dir)
	defer func() { must(t, s.Close()) }()
	ctx := context.Background()
	must(t, s.Create(ctx, &store.Tenant{Name: "a"}, store.Entry{}))
	wasm := bytes.Repeat([]byte("module"), 1000)
	p := &store.Policy{Digest: digestOf(wasm)}
	must(t, s.PutPolicy(ctx, "a", p, wasm))
	ballast := testnet.FillDisk(t, disk)

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
