package file

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/store"
)

// TestDamagedModule: it is found when it is read, named, and made whole by
// putting it again.
func TestDamagedModule(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir)
	defer s.Close()
	ctx := context.Background()
	wasm := []byte("\x00asm a module")
	p := &store.Policy{Digest: digestOf(wasm)}
	must(t, s.PutPolicy(ctx, "", p, wasm))
	name := s.path(modulePath(p.Digest)...)
	for what, damage := range map[string]func() error{
		"missing": func() error { return os.Remove(name) },
		"flipped": func() error { return os.WriteFile(name, []byte("\x00asm b module"), 0o600) },
		"shorter": func() error { return os.Truncate(name, 3) },
		"longer": func() error {
			return os.WriteFile(name, append(wasm[:len(wasm):len(wasm)], make([]byte, 1<<20)...), 0o600)
		},
		"empty":     func() error { return os.Truncate(name, 0) },
		"directory": func() error { return os.Remove(name) },
	} {
		must(t, damage())
		if what == "directory" {
			must(t, os.Mkdir(name, 0o700))
		}
		_, err := s.Module(ctx, p.Digest)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v, want one with %s", what, err, name)
		}
		if what == "directory" {
			must(t, os.Remove(name))
		}
		must(t, s.PutPolicy(ctx, "", p, wasm))
		if back, err := s.Module(ctx, p.Digest); err != nil || string(back) != string(wasm) {
			t.Errorf("%s, put again: %q, %v", what, back, err)
		}
	}
}

// TestOrphans: files without a record are swept when they are old, others are
// not touched.
func TestOrphans(t *testing.T) {
	s := reopen(t, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	wasm := []byte("recorded")
	p := &store.Policy{Digest: digestOf(wasm)}
	must(t, s.PutPolicy(ctx, "", p, wasm))
	orphan := func(content string, age time.Duration) string {
		digest := digestOf([]byte(content))
		name := s.path(modulePath(digest)...)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, []byte(content), 0o600))
		at := time.Now().Add(-age)
		must(t, os.Chtimes(name, at, at))
		return name
	}
	old, young := orphan("old", 2*time.Hour), orphan("young", 0)
	strange := s.path(modulesDir, "README")
	must(t, os.WriteFile(strange, nil, 0o600))
	stranger := filepath.Join(filepath.Dir(old), "notes.wasm")
	must(t, os.WriteFile(stranger, nil, 0o600))
	at := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{strange, stranger, s.path(modulePath(p.Digest)...)} {
		must(t, os.Chtimes(name, at, at))
	}
	if n, err := s.Sweep(ctx); err != nil || n != 0 {
		t.Errorf("swept %d, %v", n, err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an old orphan is left")
	}
	for _, name := range []string{young, strange, stranger} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Module(ctx, p.Digest); err != nil {
		t.Error(err)
	}
}
