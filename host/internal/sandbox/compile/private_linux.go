package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openPrivate opens the folder at path, which it makes if need be, and returns
// it with its real path. It refuses what others could have put there.
func openPrivate(path string) (*os.Root, string, error) {
	path, err := realPath(path)
	if err != nil {
		return nil, "", err
	}
	if err := checkAncestors(filepath.Dir(path)); err != nil {
		return nil, "", err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, "", err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return nil, "", err
	}
	if !named.IsDir() {
		return nil, "", fmt.Errorf("is not a folder: %v", named.Mode().Type())
	}
	if err := checkOwn(named); err != nil {
		return nil, "", err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, "", err
	}
	opened, err := root.Stat(".")
	if err != nil || !os.SameFile(named, opened) {
		return nil, "", errors.Join(errors.New("was exchanged while it was opened"), err, root.Close())
	}
	return root, path, nil
}

// realPath resolves links in all of path but its last element, and makes what
// leads there.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(path)), nil
}

// checkAncestors refuses a path that somebody else can bend: each folder
// belongs to root or to this user, and others may write to it only if the
// sticky bit keeps them from renaming what is not theirs.
func checkAncestors(dir string) error {
	for {
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if uid := owner(info); uid != 0 && uid != os.Geteuid() {
			return fmt.Errorf("%s belongs to user %d", dir, uid)
		}
		if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("others may write to %s (mode %v)", dir, info.Mode().Perm())
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

// checkOwn refuses what others own or have access to.
func checkOwn(info fs.FileInfo) error {
	if uid := owner(info); uid != os.Geteuid() {
		return fmt.Errorf("belongs to user %d, not to %d", uid, os.Geteuid())
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("others have access (mode %v, must be %v)", perm, perm&^0o077)
	}
	return nil
}

// owner returns the user that a file belongs to, -1 if that is not known.
func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// openOwn opens a regular file in root that belongs to this user alone and has
// no second name.
func openOwn(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	named, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%w: %v", errSeal, named.Mode().Type())
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(named, info) {
		err = errSeal
	}
	if err == nil {
		err = checkOwn(info)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); err == nil && ok && st.Nlink > 1 {
		err = fmt.Errorf("%w: %d names", errSeal, st.Nlink)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}
