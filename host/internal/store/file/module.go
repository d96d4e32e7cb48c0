package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// moduleExt ends the name of a module's file.
const moduleExt = ".wasm"

// modulePath returns where a module lies, below the store: modules/ab/ab….wasm.
// The digest has been checked.
func modulePath(digest string) []string {
	return []string{modulesDir, digest[:2], digest + moduleExt}
}

func checkModule(digest string, wasm []byte) error {
	if err := store.CheckDigest(digest); err != nil {
		return err
	}
	if has := digestOf(wasm); has != digest {
		return fmt.Errorf("the module has the digest %s, not %s: %w", has, digest, store.ErrInvalid)
	}
	return nil
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// placeModule makes the file of a module, or makes it whole.
func (s *Store) placeModule(digest string, wasm []byte) error {
	known := false
	err := s.view(func(t *txn) error {
		record, err := t.get(bucketPolicies, []byte(digest))
		known = record != nil
		return err
	})
	if err != nil {
		return err
	}
	// A file without a record may be of a process that was killed before its
	// sync. One with a record was synced.
	if known {
		if there, err := readModule(s.path(modulePath(digest)...), len(wasm)); err == nil && bytes.Equal(there, wasm) {
			return nil
		}
	}
	if err := makeDir(s.path(modulesDir, digest[:2])); err != nil {
		return err
	}
	// Whoever made that directory may not have synced its name yet.
	if err := syncDir(s.path(modulesDir)); err != nil {
		return err
	}
	if err := s.writeFile(wasm, true, modulePath(digest)...); err != nil {
		return err
	}
	s.counts.putFile(digest, space.Blocks(int64(len(wasm))))
	return nil
}

// readModule returns a file of up to size bytes, and one more if it is longer.
func readModule(name string, size int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading
	wasm := make([]byte, size+1)
	n, err := io.ReadFull(f, wasm)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return wasm[:n], nil
}

// Module implements store.Store. A file that is not what its name says is an
// error that names it; putting the policy again makes it whole.
func (s *Store) Module(ctx context.Context, digest string) ([]byte, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	size, err := s.moduleSize(digest)
	if err != nil {
		return nil, err
	}
	name := s.path(modulePath(digest)...)
	wasm, err := readModule(name, size)
	if errors.Is(err, fs.ErrNotExist) {
		// Sweep may have taken it since its record was read.
		if _, err := s.moduleSize(digest); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", digest, err)
	}
	if len(wasm) != size {
		return nil, fmt.Errorf("module %s: %s is damaged: it does not have %d bytes", digest, name, size)
	}
	if has := digestOf(wasm); has != digest {
		return nil, fmt.Errorf("module %s: %s is damaged: it has the digest %s", digest, name, has)
	}
	return wasm, nil
}

// moduleSize returns the size in bytes that the record of a policy has.
func (s *Store) moduleSize(digest string) (size int, err error) {
	err = s.view(func(t *txn) error {
		kept, err := load[policyRecord](t, bucketPolicies, digest)
		if err == nil {
			size = kept.Size
		}
		return err
	})
	return size, err
}
