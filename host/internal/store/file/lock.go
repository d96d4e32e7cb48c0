package file

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockWait is how long Open waits for another process to leave, and lockPoll
// how often it looks.
const (
	lockWait = time.Second
	lockPoll = 20 * time.Millisecond
)

// lockDir takes the directory for this process until the file is closed, by
// whatever end. The directory is locked beside the database, which bbolt locks,
// because the database is made, and looked through, before bbolt opens it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(lockPoll) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			err = fmt.Errorf("locking the directory: %w", err)
			break
		}
		if time.Since(began) >= lockWait-lockPoll {
			err = errors.New("another process has this directory open: stop it, or give this one a directory of its own")
			break
		}
	}
	return nil, errors.Join(err, f.Close())
}
