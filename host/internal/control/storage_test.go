package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// bounded is room on a disk, as package app has it.
type bounded struct {
	*space.Ledger
	full atomic.Pointer[space.DiskError]
}

func (b *bounded) Claim(tenant string, own, all int64) (func(), error) {
	if e := b.full.Load(); e != nil {
		return nil, e
	}
	return b.Ledger.Claim(tenant, own, all)
}

// counter is a store as a ledger counts it.
type counter struct{ store.Store }

func (c counter) Used(tenant string) int64 { return c.Usage(tenant).Policies }

// newBounded returns a house whose tenants may have so many blocks each, and
// all of them together.
func newBounded(t *testing.T, each, all int64, more func(store.Store) store.Store) (*house, *bounded) {
	t.Helper()
	b := &bounded{}
	h := newHouseWith(t, func(s store.Store) store.Store {
		if more != nil {
			s = more(s)
		}
		start := s.Size()
		b.Ledger = space.NewLedger(func(string) int64 { return each << 12 }, func() int64 {
			if all == 0 {
				return 0
			}
			return start + all<<12
		}, counter{s})
		return s
	}, func(c *control.Config) { c.Space = b })
	return h, b
}

// problem returns the problem that err is.
func problem(t *testing.T, err error) *api.Problem {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is no problem", err)
	}
	return p
}

// TestLimitOfBytes: a tenant that has as much as it may is told so with the
// figures before anything is checked, deleting helps only when it is swept, and
// nobody else is held up.
func TestLimitOfBytes(t *testing.T) {
	h, _ := newBounded(t, 4, 0, nil) // each module and each report takes a block
	h.create("a", spec.Spec{})
	h.create("b", spec.Spec{})
	one := h.upload("a", "one")
	h.upload("a", "two")
	checked := h.runtime.checked()
	_, _, err := h.Upload(t.Context(), operator, "a", api.Upload{Wasm: []byte("three")})
	if p := problem(t, err); p.Status != 507 || p.Type != api.TypePrefix+api.KindStorage || p.Used != 4<<12 || p.Limit != 4<<12 || p.Asked != 1<<12 {
		t.Errorf("problem %+v, want 507: 4 blocks of 4 are used, one more was asked for", p)
	}
	if h.runtime.checked() != checked {
		t.Error("what has no room was checked")
	}
	if _, _, err := h.Upload(t.Context(), operator, "a", api.Upload{Wasm: []byte("two")}); err != nil {
		t.Errorf("what it has already: %v", err)
	}
	h.upload("b", "two")
	if err := h.DeletePolicy(t.Context(), operator, "a", one); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.Upload(t.Context(), operator, "a", api.Upload{Wasm: []byte("three")})
	if p := problem(t, err); p.Status != 507 || !strings.Contains(p.Detail, "8 KiB of that belong to policies that the tenant has deleted") {
		t.Errorf("deleted a moment ago: %v", p)
	}
}

// TestReportHasNoRoom: what the check says counts too, and nothing is left of an
// upload that it is too much for.
func TestReportHasNoRoom(t *testing.T) {
	h, b := newBounded(t, 1, 0, nil)
	h.create("a", spec.Spec{})
	_, _, err := h.Upload(t.Context(), operator, "a", api.Upload{Wasm: []byte("one")})
	if p := problem(t, err); p.Status != 507 {
		t.Errorf("problem %+v, want status 507", p)
	}
	if used := b.Used("a"); used != 0 {
		t.Errorf("%d bytes are left of it", used)
	}
	release, err := b.Ledger.Claim("a", 1<<12, 1<<12)
	if err != nil {
		t.Fatalf("the claim was not given back: %v", err)
	}
	release()
}

// TestLimitOfAll: together tenants have no more than the host allows, also when
// they upload at once.
func TestLimitOfAll(t *testing.T) {
	h, _ := newBounded(t, 1000, 400, nil) // what the database takes for records is little
	const tenants = 8
	for i := range tenants {
		h.create(fmt.Sprint("t", i), spec.Spec{})
	}
	var full, kept atomic.Int64
	var wg sync.WaitGroup
	for i := range tenants {
		wg.Go(func() {
			for k := range 3 {
				wasm := append(bytes.Repeat([]byte{byte(k)}, 100<<10), byte(i))
				_, _, err := h.Upload(t.Context(), operator, fmt.Sprint("t", i), api.Upload{Wasm: wasm})
				var p *api.Problem
				switch {
				case err == nil:
					kept.Add(1)
				case errors.As(err, &p) && p.Status == 507 && strings.HasPrefix(p.Detail, "the host has "):
					full.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := kept.Load(); n > 400/25 || n == 0 || full.Load() == 0 {
		t.Errorf("%d uploads of 25 blocks were kept, %d refused", n, full.Load())
	}
}

// sweptStore is a store that counts sweeps, and takes what nobody names.
type sweptStore struct {
	store.Store
	sweeps atomic.Int64
	old    atomic.Bool // what is not named was put long ago
}

func (s *sweptStore) Usage(tenant string) store.Usage {
	u := s.Store.Usage(tenant)
	if s.old.Load() {
		u.Sweepable = u.Unnamed
	}
	return u
}

func (s *sweptStore) Sweep(ctx context.Context) (int, error) {
	s.sweeps.Add(1)
	return s.Store.Sweep(ctx)
}

// TestSweptForRoom: who has no room has the store swept, if that may help, and
// not more often than every ten seconds; a full disk, every minute.
func TestSweptForRoom(t *testing.T) {
	var s *sweptStore
	h, b := newBounded(t, 2, 0, func(st store.Store) store.Store { s = &sweptStore{Store: st}; return s })
	h.create("a", spec.Spec{})
	one := h.upload("a", "one")
	refused := func(wantSweeps int64) {
		t.Helper()
		if _, _, err := h.Upload(t.Context(), operator, "a", api.Upload{Wasm: []byte("two")}); err == nil {
			t.Error("there is room")
		}
		if n := s.sweeps.Load(); n != wantSweeps {
			t.Errorf("%d sweeps, want %d", n, wantSweeps)
		}
	}
	refused(0) // all of it is named
	if err := h.DeletePolicy(t.Context(), operator, "a", one); err != nil {
		t.Fatal(err)
	}
	refused(0) // it is too young
	s.old.Store(true)
	refused(1)
	refused(1)
	h.pass(9 * time.Second)
	refused(1)
	h.pass(time.Second)
	refused(2)
	b.full.Store(&space.DiskError{Why: "it is full"})
	h.pass(59 * time.Second)
	refused(2)
	h.pass(time.Second)
	refused(3)
}

// TestFullDiskIsSaid: the caller hears what is wrong with the disk, whatever it
// was about to write.
func TestFullDiskIsSaid(t *testing.T) {
	var s *brokenStore
	h, b := newBounded(t, 1000, 0, func(st store.Store) store.Store {
		s = &brokenStore{Store: st, err: fmt.Errorf("write x: %w", syscall.ENOSPC)}
		return s
	})
	tag := h.create("shop", spec.Spec{}).ETag
	b.full.Store(&space.DiskError{Why: "it is full", Free: 100, Reserve: 200, Asked: 4096})
	_, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("one")})
	if p := problem(t, err); p.Status != 507 || p.Free != 100 || p.Reserve != 200 || p.Asked != 4096 || p.Limit != 0 {
		t.Errorf("problem %+v, want 507 with the figures of the disk and no limit", p)
	}
	if _, _, err := h.PutTenant(t.Context(), operator, "shop", spec.Spec{RewriteHost: true}, api.Precondition{Match: tag}); err != nil {
		t.Errorf("a small record: %v", err)
	}
	b.full.Store(nil)
	s.broken.Store(true)
	_, _, err = h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("one")})
	if p := problem(t, err); p.Status != 507 || p.Detail != "the host's disk takes no more: it is full" {
		t.Errorf("problem %+v, want 507 since the disk is full", p)
	}
	s.broken.Store(false)
	h.upload("shop", "one")
}

// TestManyDeletedPolicies: the record of a tenant does not grow with what it
// deletes.
func TestManyDeletedPolicies(t *testing.T) {
	h, _ := newBounded(t, 0, 0, nil)
	h.create("a", spec.Spec{})
	for i := range control.MaxUnswept {
		digest := h.upload("a", fmt.Sprint("module ", i))
		if err := h.DeletePolicy(t.Context(), operator, "a", digest); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := h.Upload(t.Context(), operator, "a", api.Upload{Wasm: []byte("one more")})
	if p := problem(t, err); p.Status != 429 || p.RetryAfter <= 0 {
		t.Errorf("problem %+v, want 429 with a time to retry after", p)
	}
	h.create("b", spec.Spec{})
	h.upload("b", "one more")
}
