//go:build !linux

package main

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

func apart() *syscall.SysProcAttr { return nil }

func killGroup(int) error { return unsupported() }

func usage(int) (time.Duration, int64, error) { return 0, 0, unsupported() }

func lateBind(_, _ string, _ syscall.RawConn) error { return nil }

func descriptors() (int, error) { return 0, unsupported() }

func machine() string { return runtime.GOOS }

func unsupported() error {
	return fmt.Errorf("%w: what a process takes is read from Linux's /proc", errors.ErrUnsupported)
}
