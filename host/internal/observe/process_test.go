package observe

import (
	"math"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

func TestProcessPressure(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	fds := fstest.MapFS{"proc/self/fd/0": file(""), "proc/self/fd/1": file("")}
	with := func(more fstest.MapFS) fstest.MapFS {
		for k, v := range fds {
			more[k] = v
		}
		return more
	}
	for _, tt := range []struct {
		name     string
		root     fstest.MapFS
		goLimit  uint64
		fds, mem uint16
	}{
		{"no limits", with(fstest.MapFS{}), math.MaxInt64, 20, 0},
		{"GOMEMLIMIT", with(fstest.MapFS{}), 4000, 20, 250},
		{"cgroup v2", with(fstest.MapFS{
			"proc/self/cgroup":                   file("0::/a/b\n"),
			"sys/fs/cgroup/a/memory.max":         file("2000\n"),
			"sys/fs/cgroup/a/b/memory.max":       file("max\n"),
			"sys/fs/cgroup/elsewhere/memory.max": file("1\n"),
		}), 4000, 20, 500},
		{"cgroup v1", with(fstest.MapFS{
			"proc/self/cgroup":                           file("12:cpu,memory:/docker/x\n11:pids:/\nrubbish\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("1000"),
		}), math.MaxInt64, 20, 1000},
		{"over the limit", with(fstest.MapFS{}), 10, 20, 1000},
		{"no proc", fstest.MapFS{}, math.MaxInt64, 0, 0},
	} {
		p := &Process{
			root: tt.root, fileLimit: func() uint64 { return 100 },
			memLimit: func() uint64 { return tt.goLimit }, memory: func() uint64 { return 1000 },
		}
		if got := p.Pressure(); got.Fds != tt.fds || got.Memory != tt.mem {
			t.Errorf("%s: fds %d, memory %d, want %d and %d", tt.name, got.Fds, got.Memory, tt.fds, tt.mem)
		}
	}
}

func TestProcessIsLookedAtOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		p := &Process{
			root: fstest.MapFS{}, fileLimit: func() uint64 { return 0 },
			memLimit: func() uint64 { return 10 }, memory: func() uint64 { looks++; return 1 },
		}
		p.Pressure()
		time.Sleep(time.Second - 1)
		if p.Pressure(); looks != 1 {
			t.Errorf("%d looks within a second", looks)
		}
		time.Sleep(1)
		if p.Pressure(); looks != 2 {
			t.Errorf("%d looks after a second", looks)
		}
	})
}

func TestOwnProcessHasOpenFiles(t *testing.T) {
	p := NewProcess()
	if n := p.openFiles(); n < 3 || n > 1<<20 {
		t.Errorf("%d open files", n)
	}
	if n := p.memory(); n < 1<<20 {
		t.Errorf("%d bytes in use", n)
	}
}
