package confine

import (
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Spec says which child to start, and with what.
type Spec struct {
	// Argv starts this program in such a way that it calls Passed and Enter,
	// its own name first.
	Argv []string
	// Marker names the variable of the environment that carries Limits.
	Marker string
	Limits Limits
	// Dir is the working directory. "": the host's.
	Dir string
	// Stdin, Stdout and Stderr are as in exec.Cmd: nil is the null device.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Files are the child's descriptors 3, 4, and so on. They stay the caller's.
	Files []*os.File
	// Processors is the child's GOMAXPROCS. 0: 1.
	Processors int
	// GCPercent is the child's GOGC. 0: off. GCMemory is its GOMEMLIMIT, in
	// bytes; 0: none.
	GCPercent int
	GCMemory  int64
}

// environ is all of the child's environment: nothing of the host's.
func (s Spec) environ(parent int) []string {
	s.Limits.Inherited = len(s.Files)
	env := []string{
		s.Marker + "=" + s.Limits.pass(parent),
		"GOMAXPROCS=" + strconv.Itoa(max(s.Processors, 1)),
		"GOGC=off",
		"GOTRACEBACK=none",
	}
	if s.GCPercent > 0 {
		env[2] = "GOGC=" + strconv.Itoa(s.GCPercent)
	}
	if s.GCMemory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(s.GCMemory, 10))
	}
	return append(env, raceEnviron[:]...)
}

// Exit says how a child ended, and what it took.
type Exit struct {
	// Err is nil if the child exited with 0 and its output could be read.
	Err error
	// Code is what it exited with; -1: it did not, or was not waited for.
	Code int
	// Signal is what it died of; 0: of none. SIGSYS says that it made a system
	// call which only an attacker has a use for.
	Signal syscall.Signal
	Wall   time.Duration
	CPU    time.Duration
	System time.Duration // that of it which the kernel took
	// Memory is the most resident memory, in bytes, read when the child was
	// killed; 0: it ended by itself. (The kernel's own account of the dead
	// counts what the host had when it forked.)
	Memory int64
}
