//go:build !linux

package confine

import (
	"context"
	"errors"
	"fmt"
)

// Process is a child; there is none on this platform.
type Process struct{}

// Start says that only Linux has what a confined child needs.
func Start(context.Context, Spec) (*Process, error) {
	return nil, fmt.Errorf("confine: only Linux has the means to confine a child process: %w", errors.ErrUnsupported)
}

func (p *Process) Pid() int              { return 0 }
func (p *Process) Kill()                 {}
func (p *Process) Done() <-chan struct{} { return nil }
func (p *Process) Wait() Exit            { return Exit{Code: -1, Err: errors.ErrUnsupported} }

// PeakMemory is not known on this platform.
func PeakMemory() int64 { return 0 }
