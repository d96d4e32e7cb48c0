package space

import "syscall"

// readOnlyFlag is ST_RDONLY of statvfs(3).
const readOnlyFlag = 1

func statDisk(dir string) (Stat, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Stat{}, err
	}
	return Stat{
		Free: int64(min(s.Bavail, 1<<62/uint64(s.Bsize))) * s.Bsize,
		// Some file systems do not count inodes, and say 0 of 0.
		Inodes: s.Files == 0 || s.Ffree > 0, ReadOnly: s.Flags&readOnlyFlag != 0,
	}, nil
}
