package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// processDir is the part of the cache folder that belongs to one Compiler: code on
// loan, and what children write. Close removes it; that of a process which died is
// removed by the next one.
type processDir struct {
	root *os.Root // the cache folder
	name string   // within root
	lock *os.File // flock held until close
	next atomic.Uint64
}

const (
	sessions = "sessions"
	lockName = "lock"
	// A folder is made under a name with this prefix and renamed once it is locked:
	// one that still has the prefix after unfinishedGrace was never finished.
	unfinished      = "new-"
	unfinishedGrace = time.Minute
)

// openProcessDir makes a folder whose name is 26 letters and digits.
func openProcessDir(root *os.Root, id string) (*processDir, error) {
	if err := ownDir(root, sessions); err != nil {
		return nil, err
	}
	temp := filepath.Join(sessions, unfinished+id)
	s := &processDir{root: root, name: filepath.Join(sessions, id)}
	if err := root.Mkdir(temp, 0o700); err != nil {
		return nil, err
	}
	err := root.Mkdir(filepath.Join(temp, "code"), 0o700)
	if err == nil {
		s.lock, err = root.OpenFile(filepath.Join(temp, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err == nil {
		err = flock(s.lock)
	}
	if err == nil {
		err = root.Rename(temp, s.name)
	}
	if err != nil {
		return nil, errors.Join(err, s.unlock(), root.RemoveAll(temp))
	}
	return s, nil
}

// flock takes the lock, or fails at once.
func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	err = conn.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	return errors.Join(err, locked)
}

func (s *processDir) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// path returns the path in root of a file in the folder.
func (s *processDir) path(elem ...string) string {
	return filepath.Join(append([]string{s.name}, elem...)...)
}

// newName returns a path in root that no file has.
func (s *processDir) newName(kind string) string {
	return s.path(fmt.Sprintf("%s-%d", kind, s.next.Add(1)))
}

func (s *processDir) close() error { return errors.Join(s.root.RemoveAll(s.name), s.unlock()) }

// removeStale removes the folders of dead processes. now decides which were never
// finished.
func removeStale(root *os.Root, now time.Time) error {
	list, err := fs.ReadDir(root.FS(), sessions)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range list {
		name := filepath.Join(sessions, e.Name())
		if isStale(root, name, e, now) {
			errs = append(errs, root.RemoveAll(name))
		}
	}
	return errors.Join(errs...)
}

// isStale reports whether no process holds the lock of a folder.
func isStale(root *os.Root, name string, e fs.DirEntry, now time.Time) bool {
	info, err := e.Info()
	if err != nil {
		return false // gone already
	}
	if strings.HasPrefix(e.Name(), unfinished) {
		return now.Sub(info.ModTime()) > unfinishedGrace
	}
	f, err := root.OpenFile(filepath.Join(name, lockName), os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return true // nothing that openSession left
	}
	defer f.Close()
	return flock(f) == nil
}
