//go:build !linux

package file

import (
	"errors"
	"os"
)

// preallocate is not known elsewhere: small records then need what the reserve
// of the disk leaves them.
func preallocate(*os.File, int64) error { return errors.ErrUnsupported }
