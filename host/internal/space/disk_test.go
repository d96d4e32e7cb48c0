package space

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fakeDisk is a file system that a test fills.
type fakeDisk struct {
	Stat
	err    error // of a write
	probes int
}

func (f *fakeDisk) disk(reserve int64) *Disk {
	d := NewDisk("", func() int64 { return reserve })
	d.stat = func(string) (Stat, error) { return f.Stat, nil }
	d.probe = func(string) error { f.probes++; return f.err }
	return d
}

func TestRoom(t *testing.T) {
	f := &fakeDisk{Stat: Stat{Free: 100, Inodes: true}}
	d := f.disk(40)
	if err := d.Room(60); err != nil {
		t.Errorf("down to the reserve: %v", err)
	}
	var full *DiskError
	if err := d.Room(61); !errors.As(err, &full) || *full != (DiskError{Why: "it is full", Free: 100, Reserve: 40, Asked: 61}) {
		t.Errorf("into the reserve: %v", err)
	}
	f.Free = 39
	if d.Room(0) == nil {
		t.Error("the reserve is touched, and nobody is told")
	}
	f.Free, f.Inodes = 100, false
	if err := d.Room(1); !errors.As(err, &full) || full.Why != "no more files can be made on it" {
		t.Errorf("without inodes: %v", err)
	}
	f.Inodes, f.ReadOnly = true, true
	if err := d.Room(1); !errors.As(err, &full) || full.Why != "the file system is read-only" {
		t.Errorf("read-only: %v", err)
	}
	f.ReadOnly = false
	if err := d.Room(1); err != nil || f.probes != 0 {
		t.Errorf("when all is well again: %v, %d probes", err, f.probes)
	}
}

// TestFailedWritesAreTriedAgain: what statfs does not know, such as a quota, is
// found by trying, at most once a second, and is over by itself.
func TestFailedWritesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDisk{Stat: Stat{Free: 1 << 40, Inodes: true}, err: syscall.EDQUOT}
		d := f.disk(1)
		d.Failed(errors.New("input/output error"))
		if err := d.Room(1); err != nil {
			t.Errorf("not for want of space: %v", err)
		}
		d.Failed(fmt.Errorf("write x: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}))
		var full *DiskError
		if err := d.Room(1); !errors.As(err, &full) || full.Why != "the disk quota of the host's user is used up" {
			t.Errorf("a quota: %v", err)
		}
		time.Sleep(probeEvery - 1)
		if d.Room(1) == nil || f.probes != 0 {
			t.Errorf("%d probes before their time", f.probes)
		}
		time.Sleep(1)
		for range 2 {
			if d.Room(1) == nil || f.probes != 1 {
				t.Errorf("%d probes of a disk that is full", f.probes)
			}
		}
		f.err = nil
		time.Sleep(probeEvery)
		if err := d.Room(1); err != nil || f.probes != 2 {
			t.Errorf("when there is room again: %v", err)
		}
	})
}

func TestRealDisk(t *testing.T) {
	dir := t.TempDir()
	d := NewDisk(dir, func() int64 { return 0 })
	if free, known := d.Free(); known && free <= 0 {
		t.Errorf("%d bytes free", free)
	}
	for range 2 {
		if err := writeProbe(dir); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if Reason(nil) != "" || Reason(syscall.EIO) != "" || Reason(fmt.Errorf("x: %w", syscall.EROFS)) == "" {
		t.Error("reasons")
	}
}
