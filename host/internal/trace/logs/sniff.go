package logs

import (
	"bytes"
	"fmt"
)

// format reads the lines of one kind of log.
type format interface {
	name() string
	// parse reads a line; what is wrong with it is said without its place.
	parse(line []byte, r *row) error
	// unitless reports whether there was a duration without a known unit.
	unitless() bool
	// dated reports whether times are dates.
	dated() bool
}

// sniffed bounds how many lines are looked at to tell what a log is.
const sniffed = 50

// sniff tells by its first lines what a log is. A table's first line is its
// head: it is no row. ErrFormat says that it is none.
func sniff(lines [][]byte, cfg *Config) (f format, head bool, err error) {
	lines = worthReading(lines)
	if len(lines) == 0 {
		return nil, false, ErrEmpty
	}
	if bytes.IndexByte(lines[0], 0) >= 0 {
		return nil, false, fmt.Errorf("%w: it is not text", ErrFormat)
	}
	for i, line := range lines {
		if line[0] == '{' {
			j, err := newJSON(lines, cfg)
			return j, false, err
		}
		for _, combined := range []bool{true, false} {
			if f, err := try(line, combined, cfg); f != nil || err != nil {
				return f, false, err
			}
		}
		if i == 0 && bytes.IndexByte(line, '\t') >= 0 {
			t, err := newTSV(line, cfg)
			return t, true, err
		}
	}
	return nil, false, fmt.Errorf("%w: the first line is %q; what is read is Common, Combined, JSON lines and TSV", ErrFormat, excerpt(lines[0]))
}

// worthReading returns the first lines that are not empty or comments.
func worthReading(lines [][]byte) (some [][]byte) {
	for _, line := range lines {
		if !skipped(line) && len(some) < sniffed {
			some = append(some, line)
		}
	}
	return some
}

// skipped reports whether a line is empty or a comment.
func skipped(line []byte) bool {
	return len(line) == 0 || line[0] == '#' || len(bytes.TrimSpace(line)) == 0
}

// try returns the reader of the Combined or the Common Log Format, if a line
// is of it but for its time and numbers.
func try(line []byte, combined bool, cfg *Config) (format, error) {
	anything := clf{schema: schema{agents: combined}}
	if _, err := anything.split(line); err != nil {
		return nil, nil
	}
	return newCLF(combined, cfg)
}
