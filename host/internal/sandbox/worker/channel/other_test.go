//go:build !linux

package channel

import (
	"errors"
	"testing"
)

func TestOpenIsUnsupported(t *testing.T) {
	if _, err := Open(1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, not %v", err, errors.ErrUnsupported)
	}
}
