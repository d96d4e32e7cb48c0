package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// outFile is a file that a command writes its result to: as a whole, or not at
// all.
type outFile struct {
	*os.File // beside where it will be
	path     string
	force    bool
}

// create begins a file. What is there already is replaced by force only, and
// not before keep.
func create(path string, force bool) (*outFile, error) {
	if err := vacant(path, force); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	return &outFile{f, path, force}, nil
}

// keep puts the file where it is to be.
func (f *outFile) keep() error {
	if err := errors.Join(f.Chmod(0o644), f.File.Close()); err != nil {
		return fmt.Errorf("out: %w", err)
	}
	if err := vacant(f.path, f.force); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return fmt.Errorf("out: %w", err)
	}
	return nil
}

// drop leaves nothing behind of a file that is not kept.
func (f *outFile) drop() {
	if f != nil {
		f.File.Close()
		os.Remove(f.Name())
	}
}

// vacant reports whether a file may be put at path.
func vacant(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return usagef("name a file in it", "--out: %s is a directory", path)
	case !force:
		return hintf("--force replaces it", "%s is there already", path)
	case !info.Mode().IsRegular():
		return hintf("name another", "%s is no regular file, and is not replaced", path)
	}
	return nil
}

// columns is how wide w is: 100 where it is no terminal.
func columns(w any) int {
	if f, ok := w.(*os.File); ok {
		if wide, _, err := term.GetSize(int(f.Fd())); err == nil && wide > 0 {
			return wide
		}
	}
	return 100
}
