package compile

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// store keeps sealed code across restarts. Several processes may share it: entries
// are created and removed atomically.
type store struct {
	root   *os.Root // the cache folder
	secret []byte
	limit  int64 // bytes of all entries
	entry  int64 // bytes of the code of one

	trimming sync.Mutex // held while entries are counted and removed
}

const (
	entries    = "entries"
	secretName = "secret"
	secretSize = 32
)

func openStore(root *os.Root, cfg Config) (*store, error) {
	s := &store{root: root, limit: cfg.cacheBytes(), entry: cfg.codeBytes()}
	if err := ownDir(root, entries); err != nil {
		return nil, err
	}
	var err error
	s.secret, err = openSecret(root)
	return s, err
}

// ownDir makes a folder in root, or checks the one that is there.
func ownDir(root *os.Root, name string) error {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", name)
	}
	if err := checkOwn(info); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// openSecret reads the key of the seals. A key that others could have read or
// written is replaced, which invalidates every entry.
func openSecret(root *os.Root) ([]byte, error) {
	secret, err := readSecret(root)
	if err == nil {
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if err := root.RemoveAll(secretName); err != nil {
			return nil, err
		}
	}
	temp := secretName + "-" + rand.Text()
	fresh := make([]byte, secretSize)
	rand.Read(fresh)
	if err := root.WriteFile(temp, fresh, 0o600); err != nil {
		return nil, err
	}
	// Of several processes that get here, one links first, and all read its.
	if err := root.Link(temp, secretName); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(err, root.Remove(temp))
	}
	if err := root.Remove(temp); err != nil {
		return nil, err
	}
	return readSecret(root)
}

func readSecret(root *os.Root) ([]byte, error) {
	f, info, err := openOwn(root, secretName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() != secretSize {
		return nil, fmt.Errorf("secret has %d bytes, not %d", info.Size(), secretSize)
	}
	secret := make([]byte, secretSize)
	_, err = f.ReadAt(secret, 0)
	return secret, err
}

// get copies the code under key to w. An entry that is not authentic is removed.
// The error says that there is no entry, or none that can be used.
func (s *store) get(key string, w *os.File) (name string, size int64, err error) {
	path := filepath.Join(entries, key)
	f, info, err := openOwn(s.root, path)
	if err == nil {
		defer f.Close()
		if n := info.Size(); n > s.entry+headerSize+macSize {
			err = fmt.Errorf("%w: %d bytes", errSeal, n)
		} else {
			name, size, err = unseal(w, s.secret, key, f, n)
		}
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			err = errors.Join(err, s.root.RemoveAll(path))
		}
		return "", 0, err
	}
	now := time.Now()
	return name, size, s.root.Chtimes(path, now, now) // trim removes entries in the order of their last use
}

// put stores the code under key. temp is the path in root of the file while it is
// written; if the process dies, the next one removes it. Nothing is flushed to
// disk: an entry that a loss of power damages is not authentic any more.
func (s *store) put(key, name string, code *os.File, size int64, temp string) error {
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(seal(f, s.secret, key, name, code, size), f.Close())
	if err == nil {
		err = s.root.Rename(temp, filepath.Join(entries, key))
	}
	if err != nil {
		return errors.Join(err, s.root.RemoveAll(temp))
	}
	return s.trim()
}

// trim removes entries until they are within the limit.
func (s *store) trim() error {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	list, err := fs.ReadDir(s.root.FS(), entries)
	if err != nil {
		return err
	}
	var total int64
	infos := make([]fs.FileInfo, 0, len(list))
	for _, e := range list {
		if info, err := e.Info(); err == nil { // else another process was faster
			infos = append(infos, info)
			total += info.Size()
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, info := range infos {
		if total <= s.limit {
			break
		}
		if err := s.root.RemoveAll(filepath.Join(entries, info.Name())); err != nil {
			return err
		}
		total -= info.Size()
	}
	return nil
}
