package file

import (
	"os"
	"syscall"
)

// keepSize is FALLOC_FL_KEEP_SIZE of fallocate(2).
const keepSize = 1

// preallocate gives a file blocks up to a size, which it does not get: bbolt
// knows how large its file is.
func preallocate(f *os.File, size int64) error {
	return syscall.Fallocate(int(f.Fd()), keepSize, 0, size)
}
