package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"idlehost/host/internal/trace"
)

// series are the files of a recording, one after the other.
type series struct {
	name  string // of the first
	keep  int
	sync  bool
	n     int      // of files made
	names []string // of those that are there
	file  *os.File
	size  int64 // of files that are complete
}

// next opens another file, which nobody must have made before, and completes
// the one before. Where there are more than keep besides it, the oldest goes.
func (s *series) next() error {
	name := numbered(s.name, s.n+1)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("recording %s: the file is there already, and is not written over", name)
	}
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	err = s.close()
	s.file, s.n = f, s.n+1
	s.names = append(s.names, name)
	for len(s.names) > s.keep+1 {
		err = errors.Join(err, os.Remove(s.names[0]))
		s.names = s.names[1:]
	}
	return err
}

// numbered is the name of the n-th file: "a.trace", "a-2.trace".
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
}

// flushed has what was written survive the machine, if that is wanted.
func (s *series) flushed() error {
	if !s.sync {
		return nil
	}
	return s.file.Sync()
}

// abandon takes back a file that nothing could be written to.
func (s *series) abandon() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.names[0]))
}

func (s *series) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	if info, err := f.Stat(); err == nil {
		s.size += info.Size()
	}
	return f.Close()
}

// open begins the trace of the current file.
func (s *series) open(h trace.Header) (*trace.Writer, error) {
	return trace.NewWriter(s.file, h, trace.Config{})
}
