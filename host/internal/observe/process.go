package observe

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	"idlehost/host/internal/idle"
)

// Process tells how full this process is: open files against the limit of
// descriptors, and memory against GOMEMLIMIT or the limit of the control
// group, whichever is nearer. Without a limit neither is ever full.
type Process struct {
	root      fs.FS // of the file system, for /proc and /sys
	fileLimit func() uint64
	memLimit  func() uint64 // GOMEMLIMIT; MaxInt64: none
	memory    func() uint64

	mu   sync.Mutex // guards the following fields
	last Usage
	at   time.Time
}

// Usage is what the process uses of what it may; a limit of 0: there is none.
type Usage struct {
	Files, FileLimit    uint64
	Memory, MemoryLimit uint64 // in bytes
}

// NewProcess returns the source for this process.
func NewProcess() *Process {
	return &Process{
		root:      os.DirFS("/"),
		fileLimit: FileLimit,
		memLimit:  func() uint64 { return uint64(debug.SetMemoryLimit(-1)) },
		memory:    memoryInUse,
	}
}

// Pressure returns how full the process is, at most a second old. Conns is
// left to those who know connections.
func (p *Process) Pressure() idle.Pressure {
	u := p.Usage()
	return idle.Pressure{Fds: share(u.Files, u.FileLimit), Memory: share(u.Memory, u.MemoryLimit)}
}

// Usage returns what the process uses, at most a second old.
func (p *Process) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.at.IsZero() || now.Sub(p.at) >= time.Second {
		p.at = now
		p.last = Usage{Files: p.openFiles(), FileLimit: p.fileLimit()}
		p.last.Memory, p.last.MemoryLimit = p.memoryNow()
	}
	return p.last
}

// Memory returns how much memory is used of how much, in bytes, as of now.
func (p *Process) Memory() (used, limit uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last.Memory, p.last.MemoryLimit = p.memoryNow()
	return p.last.Memory, p.last.MemoryLimit
}

// memoryNow returns what is nearer to its limit: what the Go runtime holds, of
// GOMEMLIMIT, or all private memory of the process, of the control group's limit.
// Guests' memory is part of the latter only.
func (p *Process) memoryNow() (used, limit uint64) {
	used, limit = p.memory(), p.memLimit()
	resident, group := max(used, p.resident()), p.groupLimit()
	if group < math.MaxInt64 && float64(resident)/float64(group) > float64(used)/float64(limit) {
		used, limit = resident, group
	}
	if limit >= math.MaxInt64 {
		limit = 0
	}
	return used, limit
}

// resident returns the memory of the process that is in no file, in bytes; 0:
// the system does not tell.
func (p *Process) resident() uint64 {
	data, _ := fs.ReadFile(p.root, "proc/self/statm")
	fields := strings.Fields(string(data))
	if len(fields) < 3 {
		return 0
	}
	all, _ := strconv.ParseUint(fields[1], 10, 63)
	shared, _ := strconv.ParseUint(fields[2], 10, 63)
	return (all - min(all, shared)) * uint64(os.Getpagesize())
}

func share(n, limit uint64) uint16 {
	if limit == 0 {
		return 0
	}
	return uint16(min(float64(n)/float64(limit)*1000, 1000))
}

// openFiles counts descriptors. Since Linux 6.2 the size of the directory is
// their number; before, its entries are counted, which takes a descriptor.
func (p *Process) openFiles() uint64 {
	const dir = "proc/self/fd"
	if info, err := fs.Stat(p.root, dir); err == nil && info.Size() > 0 {
		return uint64(info.Size())
	}
	entries, err := fs.ReadDir(p.root, dir)
	switch {
	case idle.Exhausted(err):
		return p.fileLimit()
	case err != nil:
		return 0
	}
	return uint64(len(entries))
}

// groupLimit returns the memory limit of the control group (version 2, else
// 1) or of one above it. In a container the group's own folder is often the
// root of what is mounted.
func (p *Process) groupLimit() uint64 {
	limit := uint64(math.MaxInt64)
	data, _ := fs.ReadFile(p.root, "proc/self/cgroup")
	for line := range bytes.Lines(data) {
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case fields[1] == "":
			limit = min(limit, p.upward("sys/fs/cgroup", fields[2], "memory.max"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			limit = min(limit, p.upward("sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

// upward returns the least number in a file of that name in the group's
// folder and those above it.
func (p *Process) upward(mount, group, file string) uint64 {
	limit := uint64(math.MaxInt64)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		data, err := fs.ReadFile(p.root, path.Join(mount, dir, file))
		if err == nil {
			// "max" and everything else that is no number is no limit.
			if n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63); err == nil {
				limit = min(limit, n)
			}
		}
		if dir == "/" {
			return limit
		}
	}
}

// memoryInUse returns what the Go runtime holds and has not given back, in
// bytes: what GOMEMLIMIT is measured against.
func memoryInUse() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
