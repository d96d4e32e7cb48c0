//go:build !linux

package worker

import (
	"context"
	"errors"
)

// Supported reports whether there are workers on this system.
const Supported = false

// Start says that there are none.
func (p *Program) Start(context.Context, Says) (Process, error) { return nil, errors.ErrUnsupported }
