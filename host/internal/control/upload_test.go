package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
	"idlehost/host/internal/testnet"
)

func TestUpload(t *testing.T) {
	h := newHouse(t)
	h.create("a", spec.Spec{})
	h.create("b", spec.Spec{})
	ci := api.Actor{Tenant: "a", Name: "token x (ci)"}
	p, created, err := h.Upload(t.Context(), ci, "a", api.Upload{Name: "fixed", Wasm: []byte("module")})
	if err != nil || !created || p.Known || p.State != api.StateUploaded || p.By != ci.Name || p.Size != 6 || p.Name != "fixed" || p.Uploaded.IsZero() {
		t.Fatalf("%+v, created %t, %v", p, created, err)
	}
	// What a calls the module is not for b to see, who gets the same report.
	if string(p.Report) != `{"policy":"`+p.Digest[:12]+`"}` || p.Digest != policy.Digest([]byte("module")) {
		t.Errorf("report %s of %s", p.Report, p.Digest)
	}
	// Once more, and by somebody else: nobody checks again.
	again, created, err := h.Upload(t.Context(), ci, "a", api.Upload{Name: "other", Wasm: []byte("module")})
	if err != nil || created || !again.Known || again.Name != "fixed" {
		t.Errorf("%+v, created %t, %v", again, created, err)
	}
	other, created, err := h.Upload(t.Context(), operator, "b", api.Upload{Wasm: []byte("module")})
	if err != nil || !created || !other.Known || other.Name != p.Digest[:12] || !bytes.Equal(other.Report, p.Report) {
		t.Errorf("%+v, created %t, %v", other, created, err)
	}
	if n := h.runtime.checked(); n != 1 {
		t.Errorf("checked %d times", n)
	}
	if got := h.log("a"); !slices.Equal(got, []string{"token x (ci) policy.upload fixed", "olga tenant.create "}) {
		t.Errorf("log %q", got)
	}
	wasm, full, err := h.Module(t.Context(), "b", p.Digest[:8])
	if err != nil || string(wasm) != "module" || full != p.Digest {
		t.Errorf("%q %s %v", wasm, full, err)
	}
	_, err = h.Policy(t.Context(), "default", p.Digest)
	wantKind(t, "what another tenant has", err, api.KindNotFound)
}

func TestBadUploads(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	for _, c := range []struct {
		what string
		u    api.Upload
		want string
	}{
		{"empty", api.Upload{}, api.KindInvalid},
		{"too large", api.Upload{Wasm: make([]byte, 1<<20+1)}, api.KindTooLarge},
		{"long name", api.Upload{Wasm: []byte("x"), Name: strings.Repeat("n", 101)}, api.KindInvalid},
		{"name with an escape", api.Upload{Wasm: []byte("x"), Name: "a\x1b[2J"}, api.KindInvalid},
		{"name with a bidi override", api.Upload{Wasm: []byte("x"), Name: "a\u202eb"}, api.KindInvalid},
		{"name not UTF-8", api.Upload{Wasm: []byte("x"), Name: "\xff"}, api.KindInvalid},
		{"signature not base64", api.Upload{Wasm: []byte("x"), Signature: "%"}, api.KindSignature},
	} {
		_, _, err := h.Upload(t.Context(), operator, "shop", c.u)
		wantKind(t, c.what, err, c.want)
	}
	if list, err := h.Policies(t.Context(), "shop"); err != nil || len(list) != 0 || h.runtime.checked() != 0 {
		t.Errorf("%v, %v, checked %d", list, err, h.runtime.checked())
	}
}

func TestRefusedUpload(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	bad := []byte("bad")
	h.runtime.bad[policy.Digest(bad)] = &control.Refusal{Cause: "trap", Text: "unreachable\x1b", Report: []byte(`{"verdict":"faulty"}`)}
	upload := func() error {
		_, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: bad})
		return err
	}
	p := wantKind(t, "upload", upload(), api.KindRefused)
	if p.Cause != "trap" || string(p.Report) != `{"verdict":"faulty"}` {
		t.Errorf("problem %+v, want a trap and the report", p)
	}
	if _, err := h.store.Policy(t.Context(), policy.Digest(bad)); err == nil {
		t.Error("it is kept")
	}
	if got := h.log("shop")[0]; got != "olga policy.refused trap: unreachable?" {
		t.Errorf("log %q", got)
	}
	// A loop of them does not flush the log.
	for range 100 {
		wantKind(t, "again", upload(), api.KindRefused)
	}
	if n := len(h.log("shop")); n != 11 {
		t.Errorf("%d entries", n)
	}
	h.pass(time.Minute)
	_ = upload()
	if got := h.log("shop"); len(got) != 12 || !strings.HasSuffix(got[0], "(and 91 before it that are not noted)") {
		t.Errorf("%d entries, %q", len(got), got[0])
	}
	// What only has to wait is no refusal.
	h.runtime.bad[policy.Digest(bad)] = &control.Refusal{Cause: "rate", Text: "later", RetryAfter: 3 * time.Second}
	if p := wantKind(t, "too often", upload(), api.KindRate); p.RetryAfter != 3*time.Second || len(h.log("shop")) != 12 {
		t.Errorf("problem %+v and %d entries, want a retry after 3s and 12 entries", p, len(h.log("shop")))
	}
	h.runtime.bad[policy.Digest(bad)] = &control.Refusal{Cause: "busy", Text: "no processor", RetryAfter: 2 * time.Second}
	p = wantKind(t, "no means", upload(), api.KindBusy)
	if p.Status != 503 || p.RetryAfter != 2*time.Second || len(h.log("shop")) != 12 {
		t.Errorf("problem %+v and %d entries, want 503, a retry after 2s and 12 entries", p, len(h.log("shop")))
	}
	if _, err := h.store.Policy(t.Context(), policy.Digest(bad)); err == nil {
		t.Error("what was not decided is kept")
	}
}

func TestUploadQuota(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	h.runtime.do(func() { h.runtime.retry["shop"] = 1500 * time.Millisecond })
	_, err := h.MayUpload(t.Context(), "shop")
	if p := wantKind(t, "may upload", err, api.KindRate); p.RetryAfter != 1500*time.Millisecond {
		t.Errorf("problem %+v, want a retry after 1.5s", p)
	}
	l, err := h.Limits(t.Context(), "shop")
	if err != nil || l.RetryAfterSec != 2 || l.Open != 3 || l.UploadBytes != 1<<20 || l.Effective.Connections != 50 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestUploadsWaitInLine(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	h.create("other", spec.Spec{})
	first, err := h.MayUpload(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gave := make(chan error, 2)
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() {
			release, err := h.MayUpload(ctx, "shop")
			if err == nil {
				release()
			}
			gave <- err
		})
	}
	testnet.Eventually(t, "both wait", func() bool { return h.InLine("shop") == 3 })
	_, err = h.MayUpload(t.Context(), "shop")
	if p := wantKind(t, "the fourth", err, api.KindBusy); p.RetryAfter <= 0 {
		t.Error("it does not say when to try again")
	}
	release, err := h.MayUpload(t.Context(), "other")
	if err != nil {
		t.Errorf("another tenant: %v", err)
	} else {
		release()
	}
	first()
	first() // does no harm
	waiting.Wait()
	for range 2 {
		if err := <-gave; err != nil {
			t.Error(err)
		}
	}
	if n := h.left(); n != 0 {
		t.Errorf("%d are left in line", n)
	}
}

// TestChecksOfTenantsWaitForNoOthers: how many run at once is for the Runtime to
// say. Those of one tenant wait for one another.
func TestChecksOfTenantsWaitForNoOthers(t *testing.T) {
	h := newHouse(t)
	const tenants = 9
	begun, leave := make(chan struct{}), make(chan struct{})
	for i := range tenants {
		h.create(fmt.Sprintf("t%d", i), spec.Spec{})
	}
	h.runtime.do(func() { h.runtime.onCheck = func(context.Context) { begun <- struct{}{}; <-leave } })
	var all sync.WaitGroup
	for i := range tenants {
		all.Go(func() {
			_, _, err := h.Upload(t.Context(), operator, fmt.Sprintf("t%d", i), api.Upload{Wasm: fmt.Append(nil, "module ", i)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range tenants {
		<-begun // or the test hangs
	}
	close(leave)
	all.Wait()
}

// TestWhoHangsUpIsNotCheckedFor: the check ends with its request, and leaves
// nothing in the store.
func TestWhoHangsUpIsNotCheckedFor(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.runtime.do(func() { h.runtime.onCheck = func(ctx context.Context) { cancel(); <-ctx.Done() } })
	wasm := []byte("nobody waits for it")
	if _, _, err := h.Upload(ctx, operator, "default", api.Upload{Wasm: wasm}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := h.store.Policy(t.Context(), policy.Digest(wasm)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the store has it: %v", err)
	}
	h.runtime.do(func() { h.runtime.onCheck = func(context.Context) { t.Error("checked again") } })
	if _, err := h.MayUpload(ctx, "default"); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone may upload: %v", err)
	}
	if n := h.left(); n != 0 {
		t.Errorf("%d are left in line", n)
	}
}

func TestOldestVersionMakesRoom(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	var digests []string
	for i := range 100 {
		digests = append(digests, h.upload("shop", fmt.Sprint("module ", i)))
	}
	for _, d := range digests[:2] { // 1 is active, 0 what a rollback needs
		if _, err := h.Step(t.Context(), operator, "shop", api.Step{Kind: api.StepPromote, Digest: d}, api.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	last := h.upload("shop", "one more")
	list, err := h.Policies(t.Context(), "shop")
	if err != nil || len(list) != 100 || list[0].Digest != last {
		t.Fatalf("%d policies, %v", len(list), err)
	}
	_, err = h.Policy(t.Context(), "shop", digests[2])
	wantKind(t, "the oldest that nothing needs", err, api.KindNotFound)
	want := []string{"olga policy.upload one more", "olga policy.delete module 2, the oldest of 100, made room"}
	if got := h.log("shop")[:2]; !slices.Equal(got, want) {
		t.Errorf("log %q", got)
	}
}

func TestUploadOfADeletedTenant(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	h.runtime.do(func() {
		h.runtime.onCheck = func(context.Context) {
			if err := h.DeleteTenant(context.Background(), operator, "shop", api.Precondition{Match: "*"}); err != nil {
				t.Error(err)
			}
		}
	})
	_, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("x")})
	wantKind(t, "upload", err, api.KindNotFound)
}

// TestRefusalsAreBounded: tenants that come and go do not use up memory.
func TestRefusalsAreBounded(t *testing.T) {
	h := newHouse(t)
	now := h.clock()
	for i := range 10_000 {
		if _, ok := h.NoteRefusal(fmt.Sprint(i), now); !ok {
			t.Fatalf("the first of tenant %d is not noted", i)
		}
		if n := h.Remembered(); n > 4096 {
			t.Fatalf("%d tenants are remembered", n)
		}
	}
	// The tenant that was refused longest ago is forgotten first.
	for range 30 {
		h.NoteRefusal("loud", now)
	}
	for i := range 4095 {
		h.NoteRefusal(fmt.Sprint("more ", i), now)
	}
	if _, ok := h.NoteRefusal("loud", now); ok {
		t.Error("a refusal beyond the burst is noted after 4095 other tenants")
	}
}

// TestSignaturesRequiredDuringTheCheck: what counts is when the version is kept.
func TestSignaturesRequiredDuringTheCheck(t *testing.T) {
	h := newHouse(t)
	tag := h.create("shop", spec.Spec{}).ETag
	h.runtime.do(func() {
		h.runtime.onCheck = func(context.Context) {
			_, _, err := h.PutTenant(context.Background(), operator, "shop", spec.Spec{RequireSignature: true}, api.Precondition{Match: tag})
			if err != nil {
				t.Error(err)
			}
		}
	})
	_, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("x")})
	wantKind(t, "upload", err, api.KindSignature)
}

// brokenStore cannot be written to.
type brokenStore struct {
	store.Store
	broken atomic.Bool
	err    error
}

var errDisk = errors.New("no space left on device")

func (s *brokenStore) Update(ctx context.Context, name string, edit func(*store.Tenant) (store.Entry, error)) (*store.Tenant, error) {
	if s.broken.Load() {
		return nil, s.err
	}
	return s.Store.Update(ctx, name, edit)
}

func (s *brokenStore) PutPolicy(ctx context.Context, tenant string, p *store.Policy, wasm []byte) error {
	if s.broken.Load() {
		return s.err
	}
	return s.Store.PutPolicy(ctx, tenant, p, wasm)
}

// TestBrokenMedium: the caller hears what it is, and nothing is in force that
// is not kept.
func TestBrokenMedium(t *testing.T) {
	var s *brokenStore
	h := newHouseWith(t, func(st store.Store) store.Store { s = &brokenStore{Store: st, err: errDisk}; return s })
	tag := h.create("shop", spec.Spec{}).ETag
	one := h.upload("shop", "one")
	s.broken.Store(true)
	for what, do := range map[string]func() error{
		"put": func() error {
			_, _, err := h.PutTenant(t.Context(), operator, "shop", spec.Spec{RewriteHost: true}, api.Precondition{Match: tag})
			return err
		},
		"promote": func() error {
			_, err := h.Step(t.Context(), operator, "shop", api.Step{Kind: api.StepPromote, Digest: one}, api.Precondition{})
			return err
		},
		"delete": func() error { return h.DeletePolicy(t.Context(), operator, "shop", one) },
		"upload": func() error {
			_, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("two")})
			return err
		},
		"upload what is known": func() error {
			_, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("one")})
			return err
		},
		"keys": func() error {
			_, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{Keys: []api.Key{{Public: publicKey(t, "alice.pub")}}, RequireSignature: true}, api.Precondition{})
			return err
		},
	} {
		if err := do(); !errors.Is(err, errDisk) || err.Error() == errDisk.Error() {
			t.Errorf("%s: %v, want what was being done, and what went wrong", what, err)
		}
	}
	if r := h.runtime.record("shop"); r.Rollout.Active != nil || r.Spec.RewriteHost {
		t.Errorf("in force: %+v", r)
	}
}
