package logs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// longestLine is how long a line may be, bytes; it is also how much of a file
// is looked at to tell what it is.
const longestLine = 256 << 10

var errLong = fmt.Errorf("longer than %d KiB", longestLine>>10)

// place is where a line is.
type place struct {
	file int
	line int64
}

// input is the lines of files, one after the other.
type input struct {
	paths []string
	stdin io.Reader
	total int64 // bytes of all files, as they lie there; 0: not known

	file   io.Closer // what is open; nil: nothing
	raw    counted
	lines  *bufio.Reader
	at     place
	opened int // files, so far
}

// counted counts what was read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// openInput opens the first file, having looked whether the others are there.
func openInput(paths []string, cfg Config) (*input, error) {
	in := &input{paths: paths, stdin: cfg.Stdin, lines: bufio.NewReaderSize(nil, longestLine)}
	known := true
	for i, p := range paths {
		if p == "-" {
			known = false
			if cfg.Stdin == nil || i > 0 && len(paths) > 1 {
				return nil, fmt.Errorf("%w: standard input, %q, cannot be read beside files", ErrConfig, p)
			}
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%s: %w: it is a directory", p, ErrFormat)
		}
		known = known && info.Mode().IsRegular()
		in.total += info.Size()
	}
	if !known {
		in.total = 0
	}
	return in, in.open()
}

// name is how people call a file.
func (in *input) name(file int) string {
	if in.paths[file] == "-" {
		return "standard input"
	}
	return filepath.Base(in.paths[file])
}

func (in *input) String(p place) string { return fmt.Sprintf("%s:%d", in.name(p.file), p.line) }

// open opens the next file; io.EOF after the last.
func (in *input) open() error {
	if in.opened == len(in.paths) {
		return io.EOF
	}
	path := in.paths[in.opened]
	in.at = place{file: in.opened}
	in.opened++
	if path == "-" {
		in.raw.Reader, in.file = in.stdin, nil
	} else {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		in.raw.Reader, in.file = f, f
	}
	if err := in.unpack(); err != nil {
		in.Close()
		return in.located(err)
	}
	return nil
}

// packings are formats that are not unpacked here.
var packings = [...]struct{ magic, name, with string }{
	{"\x28\xb5\x2f\xfd", "Zstandard", "zstd"}, {"BZh", "bzip2", "bzip2"}, {"\xfd7zXZ", "xz", "xz"}, {"PK\x03\x04", "a ZIP archive", "unzip -p"},
}

// unpack looks whether the file is compressed.
func (in *input) unpack() error {
	packed := bufio.NewReaderSize(&in.raw, 64<<10)
	head, err := packed.Peek(6)
	if err != nil && err != io.EOF {
		return err
	}
	for _, p := range packings {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			return fmt.Errorf("%w: it is %s: unpack it first (%s)", ErrFormat, p.name, p.with)
		}
	}
	var plain io.Reader = packed
	if bytes.HasPrefix(head, []byte("\x1f\x8b")) {
		if plain, err = gzip.NewReader(packed); err != nil {
			return err
		}
	}
	in.lines.Reset(plain)
	return nil
}

// peek returns the first lines of the file.
func (in *input) peek() ([][]byte, error) {
	head, err := in.lines.Peek(longestLine)
	if err != nil && err != io.EOF && len(head) == 0 {
		return nil, in.located(err)
	}
	lines := bytes.Split(head, []byte{'\n'})
	if err == nil && len(lines) > 1 { // the last is cut off
		lines = lines[:len(lines)-1]
	}
	for i := range lines {
		lines[i] = bytes.TrimSuffix(lines[i], []byte{'\r'})
	}
	return lines, nil
}

// line returns the next line of the file, without its end; io.EOF after the
// last. One that is too long is errLong, and the next is another.
func (in *input) line() ([]byte, error) {
	in.at.line++
	b, err := in.lines.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		for err == bufio.ErrBufferFull {
			_, err = in.lines.ReadSlice('\n')
		}
		if err == nil || err == io.EOF {
			return nil, errLong
		}
	}
	if err == io.EOF && len(b) > 0 {
		err = nil
	}
	if err != nil {
		if err != io.EOF {
			err = in.located(err)
		}
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{'\n'}), []byte{'\r'}), nil
}

// located says where something went wrong.
func (in *input) located(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		err = fmt.Errorf("the compressed data is damaged or cut off: %w", err)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return err
	}
	if in.at.line == 0 {
		return fmt.Errorf("%s: %w", in.name(in.at.file), err)
	}
	return fmt.Errorf("%s: %w", in.String(in.at), err)
}

// Close closes what is open.
func (in *input) Close() error {
	if in.file == nil {
		return nil
	}
	f := in.file
	in.file = nil
	return f.Close()
}
