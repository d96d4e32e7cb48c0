package confine

import (
	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

const (
	readFiles  = ll.AccessFSReadFile | ll.AccessFSReadDir
	writeFiles = readFiles | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSMakeDir |
		ll.AccessFSRemoveFile | ll.AccessFSRemoveDir
)

// restrictFiles leaves the process the files in its directories, and whatever
// else the kernel's Landlock can take away it takes away.
func (l Limits) restrictFiles() error {
	if landlockABI() < 1 {
		return unix.ENOSYS
	}
	return landlock.V11.BestEffort().Restrict(
		landlock.PathAccess(readFiles, l.Read...),
		landlock.PathAccess(writeFiles, l.Write...),
	)
}

// landlockABI returns the version of the kernel's Landlock, 0 if there is none.
// The first kernels with version 6 refuse signals between threads of a process:
// go-landlock does without scopes there, as if the version was 5.
func landlockABI() int {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	const threadsMaySignal = 1 << 1
	if errata, err := ll.LandlockGetErrata(); abi >= 6 && (err != nil || errata&threadsMaySignal == 0) {
		return 5
	}
	return abi
}

// available reports whether a measure came along with its step.
func (m Measure) available() bool {
	switch m {
	case LandlockTCP:
		return landlockABI() >= 4
	case LandlockIPC:
		return landlockABI() >= 6
	}
	return true
}
