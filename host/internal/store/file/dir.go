package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDir makes a directory for its owner only, parents included, and syncs its
// name.
func makeDir(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is not a directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// refuseOpen refuses a directory that everybody may write to: anybody could replace
// policies and tokens. Whether a group may is the operator's choice.
func refuseOpen(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("everybody may write to the directory (mode %#o): chmod it to 0700", info.Mode().Perm())
	}
	return nil
}

// syncDir syncs the names in a directory.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

// emptyDir removes the files that a killed process has left unfinished.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file atomically: a reader finds all of it, or what was there
// before. durable: it is synced when writeFile returns.
func (s *Store) writeFile(data []byte, durable bool, elem ...string) (err error) {
	f, err := os.CreateTemp(s.path(tempDir), "new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // or the next Open does it
		}
	}()
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	name := s.path(elem...)
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	if durable {
		return syncDir(filepath.Dir(name))
	}
	return nil
}
