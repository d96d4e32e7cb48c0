package storetest

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/store"
)

func testPolicy(t *testing.T, s store.Store) {
	wasm, digest := module(1)
	_, err := s.Policy(t.Context(), digest)
	wants(t, err, store.ErrNotFound)
	_, err = s.Module(t.Context(), digest)
	wants(t, err, store.ErrNotFound)

	p := &store.Policy{Digest: digest, Size: len(wasm), Added: time.Unix(1, 2).UTC(), Report: json.RawMessage(`{"a":["<&>",1]}`)}
	must(t, s.PutPolicy(t.Context(), "", p, wasm))
	check := func() {
		t.Helper()
		got, err := s.Policy(t.Context(), digest)
		must(t, err)
		same(t, "policy", got, p)
		back, err := s.Module(t.Context(), digest)
		must(t, err)
		if !bytes.Equal(back, wasm) {
			t.Errorf("module %q, want %q", back, wasm)
		}
	}
	check()
	must(t, s.PutPolicy(t.Context(), "", &store.Policy{Digest: digest, Size: len(wasm), Added: time.Unix(9, 9)}, wasm))
	check() // it stays as it is

	_, other := module(2)
	_, err = s.Policy(t.Context(), other)
	wants(t, err, store.ErrNotFound)

	none := []byte{}
	empty := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	must(t, s.PutPolicy(t.Context(), "", &store.Policy{Digest: empty}, none))
	back, err := s.Module(t.Context(), empty)
	must(t, err)
	got, err := s.Policy(t.Context(), empty)
	must(t, err)
	if len(back) != 0 || len(got.Report) != 0 {
		t.Errorf("a module of nothing: %q, report %q", back, got.Report)
	}
}

func testPolicyRefused(t *testing.T, s store.Store) {
	wasm, digest := module(1)
	_, other := module(2)
	for _, d := range []string{"", other, strings.ToUpper(digest), digest[1:], "../" + digest[3:], digest + "/"} {
		wants(t, s.PutPolicy(t.Context(), "", &store.Policy{Digest: d, Size: len(wasm)}, wasm), store.ErrInvalid)
		_, err := s.Policy(t.Context(), d)
		wants(t, err, store.ErrNotFound)
		_, err = s.Module(t.Context(), d)
		wants(t, err, store.ErrNotFound)
	}
	wants(t, s.PutPolicy(t.Context(), "", &store.Policy{Digest: digest, Report: json.RawMessage("{")}, wasm), store.ErrInvalid)
}

func testPolicyCopies(t *testing.T, s store.Store) {
	wasm, digest := module(1)
	given := bytes.Clone(wasm)
	p := &store.Policy{Digest: digest, Size: len(wasm), Report: json.RawMessage(`"report"`)}
	must(t, s.PutPolicy(t.Context(), "", p, given))
	given[0], p.Report[1] = 'x', 'x'
	got, err := s.Policy(t.Context(), digest)
	must(t, err)
	got.Report[1] = 'y'
	back, err := s.Module(t.Context(), digest)
	must(t, err)
	back[0] = 'y'
	got, err = s.Policy(t.Context(), digest)
	must(t, err)
	back, err = s.Module(t.Context(), digest)
	must(t, err)
	if string(got.Report) != `"report"` || !bytes.Equal(back, wasm) {
		t.Errorf("report %s, module %q", got.Report, back)
	}
}

// testGrace: what was put a moment ago is left alone.
func testGrace(t *testing.T, s store.Store) {
	digest := upload(t, s, 1)
	n, err := s.Sweep(t.Context())
	must(t, err)
	if _, err := s.Module(t.Context(), digest); n != 0 || err != nil {
		t.Errorf("swept %d within the grace: %v", n, err)
	}
}

func testSweep(t *testing.T, s store.Store) {
	create(t, s, "a")
	create(t, s, "b")
	named, shared, lost := upload(t, s, 1), upload(t, s, 2), upload(t, s, 3)
	name(t, s, "a", named)
	name(t, s, "a", shared)
	name(t, s, "b", shared)
	sweeps := func(want int) {
		t.Helper()
		n, err := s.Sweep(t.Context())
		must(t, err)
		if n != want {
			t.Errorf("swept %d, want %d", n, want)
		}
	}
	there := func(digest string, want bool) {
		t.Helper()
		_, perr := s.Policy(t.Context(), digest)
		_, merr := s.Module(t.Context(), digest)
		if want {
			must(t, perr)
			must(t, merr)
			return
		}
		wants(t, perr, store.ErrNotFound)
		wants(t, merr, store.ErrNotFound)
	}
	sweeps(1)
	there(named, true)
	there(shared, true)
	there(lost, false)
	sweeps(0)
	remove(t, s, "a")
	sweeps(1)
	there(named, false)
	there(shared, true)
	upload(t, s, 3) // what was swept can be put again
	there(lost, true)
}

func testSweepTokens(t *testing.T, s store.Store) {
	create(t, s, "a")
	now := time.Now()
	for id, expires := range map[string]time.Time{"gone": now.Add(-time.Second), "later": now.Add(time.Hour), "never": {}} {
		must(t, s.PutToken(t.Context(), &store.Token{ID: id, Tenant: "a", Expires: expires}, entry("a", "x")))
	}
	if _, err := s.Token(t.Context(), "gone"); err != nil {
		t.Errorf("an expired token before the sweep: %v", err)
	}
	n, err := s.Sweep(t.Context())
	must(t, err)
	if n != 0 {
		t.Errorf("swept %d policies of none", n)
	}
	_, err = s.Token(t.Context(), "gone")
	wants(t, err, store.ErrNotFound)
	left, err := s.Tokens(t.Context(), "a")
	must(t, err)
	if len(left) != 2 || left[0].ID != "later" || left[1].ID != "never" {
		t.Errorf("left: %v", left)
	}
}

// testSweepAndUpload: a policy that is being put while a sweep runs is there as
// a whole or not at all, and one that was named stays.
func testSweepAndUpload(t *testing.T, s store.Store) {
	create(t, s, "a")
	const rounds = 30
	var wg sync.WaitGroup
	quit := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
			}
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range rounds {
		wasm, digest := module(i % 3)
		must(t, s.PutPolicy(t.Context(), "", &store.Policy{Digest: digest, Size: len(wasm)}, wasm))
		if _, err := s.Policy(t.Context(), digest); err != nil {
			wants(t, err, store.ErrNotFound)
			continue
		}
		if _, err := s.Module(t.Context(), digest); err != nil {
			wants(t, err, store.ErrNotFound)
		}
	}
	close(quit)
	wg.Wait()
	digest := upload(t, s, 99)
	name(t, s, "a", digest)
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := s.Module(t.Context(), digest)
	must(t, err)
}
