package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// pageSize of new databases, in bytes; the kernel's does not matter.
	pageSize = 4096
	// mapSize is how much address space is mapped at first, in bytes: until
	// the file is larger, no change waits for readers to map it anew.
	mapSize = 64 << 20
	// growSize is by how much the file grows, in bytes, once it is large.
	growSize = 1 << 20
	// fill is how full a page is made when it is split: records grow little.
	fill = 0.8
)

// refuseOrphans refuses a directory whose database is gone while modules are
// there: a new database would have them swept.
func (s *Store) refuseOrphans() error {
	if _, err := os.Stat(s.path(dbName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	modules, err := filepath.Glob(s.path(modulesDir, "*", "*"+moduleExt))
	if err != nil || len(modules) == 0 {
		return err
	}
	return fmt.Errorf("%s is missing but modules are there: restore it from a backup, or remove %s to start with nothing",
		dbName, s.path(modulesDir))
}

// createDB makes an empty database where there is none. It has its name only
// when it is whole.
func (s *Store) createDB() (err error) {
	name := s.path(dbName)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temp := s.path(tempDir, dbName)
	db, err := bbolt.Open(temp, 0o600, &bbolt.Options{PageSize: pageSize, NoStatistics: true})
	if err != nil {
		return fmt.Errorf("creating %s: %w", dbName, err)
	}
	err = db.Update(createBuckets)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("creating %s: %w", dbName, err)
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(metaFormat), []byte(format))
}

// openDB checks and opens a database, and returns its file as well. The directory
// is locked; bbolt's own lock keeps other programs out.
func openDB(name string) (db *bbolt.DB, raw *os.File, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("%s is damaged: %v", name, r)
		}
		if err != nil && raw != nil {
			_ = raw.Close() // bbolt has closed it unless it has panicked
		}
	}()
	if err := checkFile(name); err != nil {
		return nil, nil, err
	}
	db, err = bbolt.Open(name, 0o600, &bbolt.Options{
		Timeout:         100 * time.Millisecond,
		InitialMmapSize: mapSize,
		FreelistType:    bbolt.FreelistMapType,
		NoStatistics:    true,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			raw, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return raw, err
		},
	})
	if err != nil {
		return nil, raw, fmt.Errorf("%s: %w", name, err)
	}
	db.AllocSize = growSize
	return db, raw, nil
}

// checkFile checks a database before bbolt maps it. bbolt trusts what it reads: a
// page with a wrong count or child makes it read beyond the page, allocate or
// recurse without bounds, which Go cannot recover from.
func checkFile(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading
	return checkDB(name, f, info.Size())
}
