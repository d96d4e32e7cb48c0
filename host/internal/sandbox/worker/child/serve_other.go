//go:build !linux

package child

import "errors"

// Main fails where there are no workers.
func Main(string, func() (string, error)) error { return errors.ErrUnsupported }
