//go:build linux && !amd64 && !arm64

package confine

import (
	"errors"
	"fmt"
)

func (l Limits) filterCalls() error {
	return fmt.Errorf("no list of system calls for this processor: %w", errors.ErrUnsupported)
}
