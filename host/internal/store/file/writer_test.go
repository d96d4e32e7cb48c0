package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
	"idlehost/host/internal/testnet"
)

// apart runs a test in a process of its own and reports true; in that process it
// reports false. limitFiles limits the whole process, and go test fails when a test
// binary cannot write its log of opened files.
func apart(t *testing.T) bool {
	t.Helper()
	const inside = "STORE_FILE_TEST_APART"
	if os.Getenv(inside) != "" {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s in a process of its own: %v\n%s", t.Name(), err, out)
	}
	return true
}

// limitFiles has writes beyond a size fail, as on a full disk, until lift is
// called.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	var was syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	signal.Ignore(syscall.SIGXFSZ)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}))
	var once sync.Once
	lift = func() {
		once.Do(func() {
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
				t.Error(err)
			}
			signal.Reset(syscall.SIGXFSZ)
		})
	}
	t.Cleanup(lift)
	return lift
}

// TestDiskFull: changes fail while the disk is full, and have not happened;
// reads go on, and so do changes when there is room again.
func TestDiskFull(t *testing.T) {
	if apart(t) {
		return
	}
	for _, c := range []struct {
		what  string
		limit uint64 // bytes of the database
		first int    // tenants made before
	}{
		{"growing", 64 << 10, 5}, {"writing", 256 << 10, 100},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			s := reopen(t, dir)
			ctx := context.Background()
			made := 0
			create := func() error {
				one := &store.Tenant{Name: fmt.Sprintf("t%d", made)}
				one.Rollout.Rollback = &spec.Rollback{Reason: strings.Repeat("r", 1500)}
				err := s.Create(ctx, one, store.Entry{Tenant: one.Name})
				if err == nil {
					made++
				}
				return err
			}
			for range c.first {
				must(t, create())
			}
			lift := limitFiles(t, c.limit)
			var err error
			for range 1000 {
				if err = create(); err != nil {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), dbName) {
				t.Fatalf("after %d tenants: %v", made, err)
			}
			check := func() {
				t.Helper()
				all, err := s.Tenants(ctx, "", 0)
				must(t, err)
				log, err := s.Audit(ctx, "", 0, 0)
				must(t, err)
				if len(all) != made || len(log) != made {
					t.Errorf("%d tenants and %d entries, want %d", len(all), len(log), made)
				}
			}
			check()
			if err := create(); err == nil {
				t.Error("there is room again")
			}
			wasm := make([]byte, c.limit+1)
			if err := s.PutPolicy(ctx, "", &store.Policy{Digest: digestOf(wasm)}, wasm); err == nil {
				t.Error("there is room for a module")
			}
			if left, err := os.ReadDir(s.path(tempDir)); err != nil || len(left) != 0 {
				t.Errorf("left on the way: %v, %v", left, err)
			}
			lift()
			for range 50 {
				must(t, create())
			}
			check()
			must(t, s.Close())
			s = reopen(t, dir)
			check()
			must(t, s.Close())
		})
	}
}

// TestBrokenWriter: after a change that failed when readers could see it, there
// are no others.
func TestBrokenWriter(t *testing.T) {
	s := reopen(t, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	must(t, s.Note(ctx, store.Entry{}))
	var id int
	must(t, s.view(func(tx *txn) error { id = tx.tx.ID(); return nil }))
	if !s.writer.reached(id) || s.writer.reached(id+1) {
		t.Error("the last transaction is not the last that was reached")
	}
	must(t, s.change(ctx, func(*txn) error { s.writer.broken = errors.New("broken"); return nil }))
	for range 2 {
		if err := s.Note(ctx, store.Entry{}); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("error %v", err)
		}
	}
	if log, err := s.Audit(ctx, "", 0, 0); err != nil || len(log) != 1 {
		t.Errorf("reading: %v, %v", log, err)
	}
}

// TestGivenUp: a change whose caller has left while it waited does not happen;
// those that wait together share a transaction.
func TestGivenUp(t *testing.T) {
	s := reopen(t, t.TempDir())
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	entered, hold := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		must(t, s.change(context.Background(), func(*txn) error {
			close(entered)
			<-hold
			return nil
		}))
	})
	<-entered
	wg.Go(func() {
		if err := s.Note(ctx, store.Entry{Action: "given up"}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		close(hold)
	})
	queued(s, 1)
	var mu sync.Mutex
	ids := map[int]bool{}
	for range 20 {
		wg.Go(func() {
			must(t, s.change(context.Background(), func(tx *txn) error {
				mu.Lock()
				defer mu.Unlock()
				ids[tx.tx.ID()] = true
				return nil
			}))
		})
	}
	queued(s, 21)
	cancel()
	wg.Wait()
	if log, err := s.Audit(context.Background(), "", 0, 0); err != nil || len(log) != 0 {
		t.Errorf("log %v, %v", log, err)
	}
	if len(ids) != 1 {
		t.Errorf("20 changes that waited took %d transactions", len(ids))
	}
}

// queued returns when so many changes wait.
func queued(s *Store, n int) {
	testnet.Holds(func() bool { return len(s.writer.queue) >= n })
}
