package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"idlehost/host/internal/trace"
)

// series are the files of a recording, one after the other.
type series struct {
	name  string // of the first
	keep  int
	sync  bool
	claim func(n int64) (done func(), err error) // nil: there is room
	n     int                                    // number of the last file
	made  int                                    // files, by this process
	names []string                               // of those that are there and may go, the oldest first
	file  *os.File
	size  int64 // of files that are complete
}

// mostFiles bounds the numbers of files.
const mostFiles = 1 << 30

// resume goes on behind the files of an earlier process, which are left as they
// are: a host that starts again must not fail for what it has recorded. Those
// beyond keep go in time; where there is none to keep, none of them does.
func (s *series) resume() error {
	list, err := os.ReadDir(filepath.Dir(s.name))
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	var there []int
	for _, e := range list {
		n := s.number(e.Name())
		switch {
		case n == 0:
			continue
		case e.Type().IsRegular():
			there = append(there, n)
		case n == 1: // /dev/stdout, say: not to be gone on with
			return fmt.Errorf("recording %s: it is there, and no regular file", s.name)
		}
		s.n = max(s.n, n)
	}
	if s.keep > 0 {
		slices.Sort(there)
		for _, n := range there {
			s.names = append(s.names, numbered(s.name, n))
		}
	}
	return nil
}

// number is which file of the series goes by a name in its directory; 0: none.
func (s *series) number(name string) int {
	first := filepath.Base(s.name)
	if name == first {
		return 1
	}
	ext := filepath.Ext(first)
	digits, ok := strings.CutPrefix(strings.TrimSuffix(name, ext), strings.TrimSuffix(first, ext)+"-")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 2 || n >= mostFiles || numbered(first, n) != name {
		return 0
	}
	return n
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
	s.file, s.n, s.made = f, s.n+1, s.made+1
	s.names = append(s.names, name)
	for len(s.names) > s.keep+1 {
		if gone := os.Remove(s.names[0]); !errors.Is(gone, os.ErrNotExist) { // people put files away
			err = errors.Join(err, gone)
		}
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
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
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
	return trace.NewWriter(claiming{s.file, s.claim}, h, trace.Config{})
}

// claiming has room claimed for what is written to a file.
type claiming struct {
	file  *os.File
	claim func(n int64) (done func(), err error)
}

func (f claiming) Write(p []byte) (int, error) {
	if f.claim == nil {
		return f.file.Write(p)
	}
	done, err := f.claim(int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer done()
	return f.file.Write(p)
}
