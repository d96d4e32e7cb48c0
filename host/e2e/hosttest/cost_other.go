//go:build !linux

package hosttest

import (
	"errors"
	"time"
)

// CPU is the processor time that the process has used.
func (p *Process) CPU() (time.Duration, error) { return 0, errors.ErrUnsupported }
