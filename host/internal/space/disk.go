package space

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Disk watches the file system of a directory. It looks when it is asked, so
// that space that comes back is noticed by itself. Safe for concurrent use.
type Disk struct {
	dir     string
	reserve func() int64
	stat    func(dir string) (Stat, error)
	probe   func(dir string) error
	now     func() time.Time

	mu     sync.Mutex // guards the following
	failed string     // why the last write failed; "": it did not
	tried  time.Time  // when a probe was written last
}

// Stat is how full a file system is.
type Stat struct {
	Free     int64 // bytes that this process may still write
	Inodes   bool  // another file can be made
	ReadOnly bool
}

// probeEvery is how often a disk that has failed is tried again, at most.
const probeEvery = time.Second

// NewDisk watches the file system of dir. reserve is how many bytes are left
// for small records, which must go on when nothing else may.
func NewDisk(dir string, reserve func() int64) *Disk {
	return &Disk{dir: dir, reserve: reserve, stat: statDisk, probe: writeProbe, now: time.Now}
}

// Failed is told of a write that has failed. If that was for want of space, no
// more is promised until a probe can be written.
func (d *Disk) Failed(err error) {
	why := Reason(err)
	if why == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed, d.tried = why, d.now()
}

// Free is how many bytes may still be written, the reserve included; false: that
// is not known.
func (d *Disk) Free() (int64, bool) {
	s, err := d.stat(d.dir)
	return s.Free, err == nil
}

// Room reports why there is no room for so many bytes; *DiskError. 0: whether
// there is for anything.
func (d *Disk) Room(n int64) error {
	s, err := d.stat(d.dir)
	e := &DiskError{Free: s.Free, Reserve: d.reserve(), Asked: n}
	switch {
	case err != nil: // the write will tell
	case s.ReadOnly:
		e.Why = Reason(syscall.EROFS)
		return e
	case !s.Inodes:
		e.Why = "no more files can be made on it"
		return e
	case s.Free-n < e.Reserve:
		e.Why = "it is full"
		return e
	}
	if e.Why = d.recover(); e.Why != "" {
		return e
	}
	return nil
}

// recover returns why the last write failed, unless one succeeds now.
func (d *Disk) recover() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == "" || d.now().Sub(d.tried) < probeEvery {
		return d.failed
	}
	d.tried = d.now()
	if err := d.probe(d.dir); err != nil {
		if why := Reason(err); why != "" {
			d.failed = why
		}
		return d.failed
	}
	d.failed = ""
	return ""
}

// probeBytes is more than a file system that is full to the last block takes.
const probeBytes = 64 << 10

// probeName is the file of a probe. One that a killed process has left gives
// way to the next.
const probeName = ".probe"

// writeProbe writes a file, syncs it, and removes it.
func writeProbe(dir string) error {
	name := filepath.Join(dir, probeName)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(name))
}

// DiskError says why nothing more is written to a disk.
type DiskError struct {
	Why                  string
	Free, Reserve, Asked int64 // bytes
}

// Error returns one line with the figures.
func (e *DiskError) Error() string {
	return fmt.Sprintf("the host's disk takes no more: %s (%s free, of which %s are kept in reserve)", e.Why, Text(e.Free), Text(e.Reserve))
}

// Reason says why a write has failed, if that was for want of space, or "".
func Reason(err error) string {
	for _, r := range []struct {
		cause syscall.Errno
		text  string
	}{
		{syscall.ENOSPC, "it is full"},
		{syscall.EDQUOT, "the disk quota of the host's user is used up"},
		{syscall.EROFS, "the file system is read-only"},
		{syscall.EFBIG, "a file is as large as it may get"},
	} {
		if errors.Is(err, r.cause) {
			return r.text
		}
	}
	return ""
}
