package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// WorkerArg is the argument with which a host starts itself as a worker.
const WorkerArg = "worker-apart"

// Workers returns the worker processes of a host, those included that are ready
// and serve nobody yet.
func Workers(host int) (pids []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// After the name, which may hold anything: state, parent.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(host) || string(fields[0]) == "Z" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			return nil, err
		}
		if args, err := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline")); err == nil && bytes.Contains(args, []byte(WorkerArg)) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// CPU is the processor time that the process has used, without its workers.
func (p *Process) CPU() (time.Duration, error) { return CPU(p.Pid()) }

// Times is processor time in user and kernel, by process.
type Times map[int]time.Duration

// Times returns what the process and its workers have used.
func (p *Process) Times() (Times, error) {
	workers, err := Workers(p.Pid())
	if err != nil {
		return nil, err
	}
	own, err := CPU(p.Pid())
	if err != nil {
		return nil, err
	}
	t := Times{p.Pid(): own}
	for _, pid := range workers {
		if used, err := CPU(pid); err == nil { // or it has ended
			t[pid] = used
		}
	}
	return t, nil
}

// Since returns what was used since an earlier look, but for what a worker has
// used that has ended meanwhile.
func (t Times) Since(before Times) (sum time.Duration) {
	for pid, used := range t {
		sum += used - before[pid]
	}
	return sum
}

// PSS is the memory of a process in bytes: what it shares with others counts in
// part.
func PSS(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == "Pss:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d: no proportional memory is told", pid)
}
