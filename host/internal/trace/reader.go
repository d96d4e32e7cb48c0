package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// Reader reads a trace that may be damaged, or anything else: it takes 400 KiB,
// whatever it reads, and allocates nothing a record, but for names. Not safe
// for concurrent use.
type Reader struct {
	header Header
	src    *watched
	zipped bool
	frames frames
	dec    decoder
	number uint64 // of the record that is next
	begin  int64  // where the frame that is being read has its records
	end    error
}

// NewReader reads the header of a trace, which may be compressed with gzip. An
// error wraps ErrFormat if r yields no trace at all.
func NewReader(r io.Reader) (*Reader, error) {
	t := &Reader{src: &watched{r: r}}
	in := bufio.NewReader(t.src)
	begin, _ := in.Peek(2)
	if t.zipped = bytes.Equal(begin, []byte{0x1f, 0x8b}); !t.zipped {
		t.frames.in = bufio.NewReaderSize(in, MaxFrame+frameHead)
	} else if z, err := gzip.NewReader(in); err != nil {
		return nil, t.unreadable(fmt.Errorf("gzip: %w", err))
	} else {
		t.frames.in = bufio.NewReaderSize(z, MaxFrame+frameHead)
	}
	if err := t.readHeader(); err != nil {
		return nil, t.unreadable(err)
	}
	t.dec.state = newState(&t.header)
	return t, nil
}

// unreadable prefers what the source says to what became of it.
func (t *Reader) unreadable(err error) error {
	if t.src.err != nil {
		err = t.src.err
	} else if errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("trace: header: %w", err)
}

func (t *Reader) readHeader() error {
	in := t.frames.in
	b, err := in.Peek(headerFix)
	switch {
	case len(b) == 0:
		return fmt.Errorf("%w: empty", ErrFormat)
	case string(b[:min(len(b), len(magic))]) != magic[:min(len(b), len(magic))]:
		return fmt.Errorf("%w: begins with %q", ErrFormat, b[:min(len(b), len(magic))])
	case err != nil:
		return fmt.Errorf("cut off after %d bytes: %w", len(b), io.ErrUnexpectedEOF)
	}
	t.dec.version = binary.LittleEndian.Uint16(b[8:])
	if v := t.dec.version; v < 1 || v > Version {
		return fmt.Errorf("format version %d; this program reads versions 1 to %d", v, Version)
	}
	n := int(binary.LittleEndian.Uint16(b[10:]))
	if n > maxHeader {
		return fmt.Errorf("%d bytes, at most %d", n, maxHeader)
	}
	b, err = in.Peek(headerFix + n + 4)
	if err != nil {
		return fmt.Errorf("cut off after %d bytes: %w", len(b), io.ErrUnexpectedEOF)
	}
	want := binary.LittleEndian.Uint32(b[headerFix+n:])
	if crc32.Checksum(b[:headerFix+n], castagnoli) != want {
		return errors.New("checksum is wrong")
	}
	if err := t.header.parse(b[headerFix : headerFix+n]); err != nil {
		return err
	}
	t.frames.seed = crc32.Checksum(b, castagnoli)
	t.frames.skip(len(b))
	return nil
}

// Header is what the file says of itself.
func (t *Reader) Header() Header { return t.header }

// Next fills in r. Where the file is damaged and goes on behind it, a KindLost
// tells how many records are missing; where it does not go on, the trace ends
// with io.EOF, and Torn tells. Other errors are of reading, and final.
func (t *Reader) Next(r *Record) error {
	for t.end == nil {
		if t.dec.owed {
			t.dec.takeAnswer(r)
			return nil
		}
		if !t.dec.more() {
			t.end = t.frame(r)
			if r.Kind == KindLost && t.end == nil {
				return nil
			}
			continue
		}
		ok, err := t.dec.record(r)
		if err != nil {
			t.frames.damaged(t.begin, fmt.Errorf("record %d: %w", t.number, err))
			t.dec.begin(nil)
			continue
		}
		t.number++
		if ok {
			return nil
		}
	}
	*r = Record{}
	return t.end
}

// frame goes to the next one. If records are missing before it, r tells.
func (t *Reader) frame(r *Record) error {
	*r = Record{}
	last := t.dec.time
	got, err := t.frames.next(t.number)
	if err != nil {
		return t.ending(err)
	}
	t.begin = t.frames.at
	t.dec.begin(got.records)
	if got.first > t.number {
		*r = Record{Kind: KindLost, Time: last, Count: got.first - t.number}
		t.number = got.first
	}
	return nil
}

// ending is io.EOF unless the source could not be read.
func (t *Reader) ending(err error) error {
	switch {
	case errors.Is(err, io.EOF):
	case t.src.err != nil:
		return fmt.Errorf("trace: read at %d: %w", t.frames.at, t.src.err)
	default:
		t.frames.damaged(t.frames.at, err)
	}
	return io.EOF
}

// Torn tells where the file, uncompressed, stops making sense for good, and
// why; nil if it ends as it should. Meaningful after io.EOF.
func (t *Reader) Torn() (at int64, why error) { return t.frames.hurt.at, t.frames.hurt.why }

// Skipped tells how many damaged places there are that the trace goes on
// behind, and how many bytes they have.
func (t *Reader) Skipped() (places int, bytes int64) { return t.frames.places, t.frames.lost }

// watched remembers an error of its reader that is not the end.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// File is a Reader of a file.
type File struct {
	*Reader
	f *os.File
}

// Open opens a file as NewReader does. Close it.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	r, err := NewReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &File{r, f}, nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

var _ Source = (*Reader)(nil)
