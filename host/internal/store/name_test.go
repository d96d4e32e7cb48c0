package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/host/internal/store"
)

func TestCheckName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, name := range []string{"a", "0", "a-b", "a--b", "default", "0-0", long} {
		if err := store.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-", "-a", "a-", "A", "a.b", "a/b", "..", "a b", "ä", "a\x00", long + "a"} {
		if err := store.CheckName(name); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", name, err)
		}
	}
}

func TestCheckDigest(t *testing.T) {
	good := strings.Repeat("0123456789abcdef", 4)
	if err := store.CheckDigest(good); err != nil {
		t.Error(err)
	}
	for _, digest := range []string{"", good[1:], good + "0", strings.ToUpper(good), "g" + good[1:], "/" + good[1:], "../" + good[3:]} {
		if err := store.CheckDigest(digest); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", digest, err)
		}
	}
}

// FuzzCheckName: what passes stays where it is put.
func FuzzCheckName(f *testing.F) {
	f.Add("a-b")
	f.Add("../a")
	f.Fuzz(func(t *testing.T, name string) {
		if store.CheckName(name) == nil && (filepath.Base(name) != name || name == "." || name == "..") {
			t.Errorf("%q is a path", name)
		}
	})
}
