package idle

import (
	"errors"
	"syscall"
)

// Exhausted reports whether an error says that the process, or the system, has
// no descriptor or no memory for another socket or file.
func Exhausted(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
