package file

import (
	"fmt"
	"io"
)

// checkDB returns why a database must not be opened: it is damaged, or of another
// format. It checks every record.
func checkDB(name string, r io.ReaderAt, size int64) error {
	c := checker{missing: map[string]bool{}}
	for _, bucket := range buckets() {
		c.missing[bucket] = true
	}
	if err := walk(r, size, visitor{bucket: c.bucket, record: c.record}); err != nil {
		return fmt.Errorf("%s is damaged: %w; restore it from a backup", name, err)
	}
	// The format comes first: records of another format cannot be checked.
	switch {
	case c.format == "":
		return fmt.Errorf("%s is no store of this program", name)
	case c.format != format:
		return fmt.Errorf("%s has the format %q, this program knows %q: use the version that wrote it", name, c.format, format)
	}
	for _, bucket := range buckets() {
		if c.missing[bucket] {
			c.blame(fmt.Errorf("bucket %q is missing", bucket))
		}
	}
	if c.damage != nil {
		return fmt.Errorf("%s is damaged: %w; restore it from a backup", name, c.damage)
	}
	return nil
}

// checker is the visitor of checkDB.
type checker struct {
	format  string
	missing map[string]bool
	damage  error // the first found
}

func (c *checker) blame(err error) {
	if c.damage == nil {
		c.damage = err
	}
}

func (c *checker) bucket(name string) {
	if !c.missing[name] {
		c.blame(fmt.Errorf("bucket %q is not known", name))
	}
	delete(c.missing, name)
}

func (c *checker) record(bucket string, key, value []byte) {
	if bucket == bucketMeta && string(key) == metaFormat {
		c.format = string(value)
		return
	}
	if _, err := unseal(bucket, key, value); err != nil {
		c.blame(fmt.Errorf("%s %q: %w", bucket, key, err))
	}
}
