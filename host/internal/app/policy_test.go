package app

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"idlehost/host/internal/config"
	. "idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/tenant"
)

// learner is a policy that counts accepts in its learned state; version makes
// two of them differ.
func learner(t *testing.T, version int64) string {
	t.Helper()
	const at = 8192
	file := filepath.Join(t.TempDir(), "learner.wasm")
	m := Guest(
		Returns("state_region", 8<<32|at),
		Returns("state_format", 7),
		Hook("on_accept", Store64(at, Code(Load64(at), Const64(1), Add64())), Const64(Extend60s)),
		Returns("on_timeout", Extend60s+version),
	)
	if err := os.WriteFile(file, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// learned returns the count in the state of the policy in charge.
func (r *running) learned() (n uint64) { return r.learnedBy("default") }

// learnedBy is learned of any tenant: what another policy would begin with.
func (r *running) learnedBy(name string) (n uint64) {
	r.t.Helper()
	if b := r.tenantRuntime(name).tenant.Heritage(tenant.Version{Digest: "another"}).Bytes; len(b) == 8 {
		n = binary.LittleEndian.Uint64(b)
	}
	return n
}

func TestReloadHandsOnWhatThePolicyHasLearned(t *testing.T) {
	first, second := learner(t, 1), learner(t, 2)
	r := start(t, func(c *config.Config) { c.Plugin.Path = first })
	for range 3 {
		again(t, client(t), r.url(0))
	}
	if n := r.learned(); n != 3 {
		t.Fatalf("learned %d, want 3", n)
	}
	digest := r.tenantRuntime("default").tenant.Digest()
	if err := r.reload(configOf(func(c *config.Config) { c.Plugin.Path = second })); err != nil {
		t.Fatal(err)
	}
	if r.tenantRuntime("default").tenant.Digest() == digest {
		t.Fatal("the policy was not replaced")
	}
	again(t, client(t), r.url(0))
	if n := r.learned(); n != 4 {
		t.Errorf("the successor has learned %d, want 3 and 1 more", n)
	}
}

func TestFileComesBeforeBundledPolicy(t *testing.T) {
	file := learner(t, 1)
	dir := filepath.Dir(file)
	if err := os.Rename(file, dir+"/adaptive.wasm"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir, path string
		bundled   bool
	}{
		{dir, "adaptive.wasm", false},
		{dir, dir + "/adaptive.wasm", false},
		{dir, "adaptive", true},
		{dir, "fixed.wasm", true},
		{t.TempDir(), "adaptive.wasm", true},
	} {
		m, err := findModule(config.Default(), "", config.Plugin{Dir: tt.dir, Path: tt.path})
		if err != nil {
			t.Fatal(err)
		}
		if m.bundled != tt.bundled || len(m.digest) != 64 {
			t.Errorf("%s: bundled %v", tt.path, m.bundled)
		}
	}
	if m, err := findModule(config.Default(), "", config.Plugin{}); m != nil || err != nil {
		t.Errorf("without a path: %v, %v", m, err)
	}
}
