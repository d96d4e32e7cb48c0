package engine

import "golang.org/x/sys/unix"

// mapArena returns fresh memory, of which nothing is resident; nil if there is
// none. Huge pages would make 2 MiB of the few KiB that guests touch.
func mapArena(size int) []byte {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	// A kernel that knows no huge pages refuses, rightly.
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
	return mem
}

// populate makes memory resident. A kernel that does not know how leaves it to
// the first touch.
func populate(mem []byte) { _ = unix.Madvise(mem, unix.MADV_POPULATE_WRITE) }

func unmapArena(mem []byte) {
	if unix.Munmap(mem) != nil {
		wipe(mem) // the address space stays, empty
	}
}

// wipe makes memory zero again, and gives back what was resident.
func wipe(mem []byte) {
	if unix.Madvise(mem, unix.MADV_DONTNEED) != nil {
		clear(mem) // locked, or so: it stays resident
	}
}
