// Package file is the store of one host: a directory with a database for what
// is small and must be searched, and plain files for modules and learned
// states. One process has it at a time.
//
// A change that has been acknowledged survives the end of the process at any
// moment: it was written by fsync before. Whether the disk keeps it when the power
// fails depends on the disk; the tests kill processes, they cannot cut the power.
package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"idlehost/host/internal/store"
)

// Config is how a Store behaves. The zero value is ready to use.
type Config struct {
	// AuditKept is how many entries of the audit log are kept. 0: 100,000.
	AuditKept int
	// Grace is how long a policy that no tenant names is left alone. An upload
	// names it within seconds. 0: ten minutes.
	Grace time.Duration
	// StateKept is how long a learned state that nobody puts again is kept.
	// 0: 30 days.
	StateKept time.Duration
	// Failed is called with the error of every write that fails; it must be
	// quick. nil: nothing is called.
	Failed func(error)
}

func (c Config) withDefaults() Config {
	if c.AuditKept <= 0 {
		c.AuditKept = 100_000
	}
	if c.Grace <= 0 {
		c.Grace = 10 * time.Minute
	}
	if c.StateKept <= 0 {
		c.StateKept = 30 * 24 * time.Hour
	}
	return c
}

// The parts of the directory.
const (
	dbName     = "host.db"
	modulesDir = "modules"
	statesDir  = "states"
	tempDir    = "tmp" // files on their way to their names
)

// Store is a directory. Safe for concurrent use.
type Store struct {
	// Immutable.
	dir  string
	cfg  Config
	lock *os.File // the directory, locked
	db   *bbolt.DB
	raw  *os.File // of db; closed by hand where db cannot be closed any more

	writer  writer
	watches watches
	counts  counts

	// modules keeps Sweep (Lock) from taking a file that an upload (RLock) has
	// found or written and not yet recorded.
	modules sync.RWMutex
	// states keeps Delete and Sweep (Lock) from files being put (RLock).
	states sync.RWMutex

	mu     sync.Mutex
	closed bool
	users  sync.WaitGroup // calls under way; Add only while not closed
	closes sync.Once
	ended  error // what Close returns
}

// Open opens the store in dir, which is made, for its owner only, if it is not
// there. An error names the file it is about: one of a directory that another
// process has, of a database that is damaged, or that a newer version of this
// program wrote. Open waits at most a second for another process to leave, and
// changes nothing that it does not understand.
func Open(dir string, cfg Config) (*Store, error) {
	dir = filepath.Clean(dir)
	s := &Store{dir: dir, cfg: cfg.withDefaults()}
	if err := s.open(); err != nil {
		if s.lock != nil {
			_ = s.lock.Close() // gives the lock back; nothing was written through it
		}
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	s.writer.start(s)
	return s, nil
}

func (s *Store) open() (err error) {
	if err := makeDir(s.dir); err != nil {
		return err
	}
	if err := refuseOpen(s.dir); err != nil {
		return err
	}
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	if err := s.refuseOrphans(); err != nil {
		return err
	}
	for _, sub := range []string{modulesDir, statesDir, tempDir} {
		if err := makeDir(s.path(sub)); err != nil {
			return err
		}
	}
	if err := emptyDir(s.path(tempDir)); err != nil {
		return err
	}
	if err := s.createDB(); err != nil {
		return err
	}
	if s.db, s.raw, err = openDB(s.path(dbName)); err != nil {
		return err
	}
	if err := s.recount(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// failed reports the error of a write, and returns it.
func (s *Store) failed(err error) error {
	if s.cfg.Failed != nil {
		s.cfg.Failed(err)
	}
	return err
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// begin counts a call until end. Close waits for all of them.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.users.Add(1)
	return nil
}

func (s *Store) end() { s.users.Done() }

// Close implements store.Store. It must be called neither by a watch's function
// nor by an edit, since it waits for them.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.closes.Do(func() {
		s.users.Wait()
		locked := s.writer.stop()
		s.watches.close()
		// A database whose writer was torn down by damage keeps its own locks
		// for ever: only the descriptor can be given back.
		var err error
		if locked {
			err = s.raw.Close()
		} else {
			err = s.db.Close()
		}
		if err = errors.Join(err, s.lock.Close()); err != nil {
			s.ended = fmt.Errorf("store %s: closing: %w", s.dir, err)
		}
	})
	return s.ended
}

var _ store.HostStore = (*Store)(nil)
