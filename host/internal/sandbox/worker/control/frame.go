package control

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// A frame is its length (u32, little-endian) without these four bytes, its kind
// (u8), and fields of fixed width, or of a length (u32) and as many bytes.

// newFrame begins one.
func newFrame(k kind) []byte { return []byte{0, 0, 0, 0, byte(k)} }

// finish sets the length.
func finish(b []byte) []byte {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func put32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func put64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func putBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(put32(b, uint32(len(v))), v...)
}

func putBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// fields takes a frame apart. After the first field that is not there, all are
// zero, and bad is set.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n uint32) []byte {
	if uint64(n) > uint64(len(f.rest)) {
		f.bad, f.rest = true, nil
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) u8() uint8 {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) u32() uint32 {
	if b := f.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f *fields) u64() uint64 {
	if b := f.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// bool takes one byte, 0 or 1.
func (f *fields) bool() bool {
	v := f.u8()
	f.bad = f.bad || v > 1
	return v == 1
}

// bytes takes a length and as many bytes, which are the frame's.
func (f *fields) bytes() []byte { return f.take(f.u32()) }

// done reports whether the frame had what was taken, and nothing else.
func (f *fields) done() bool { return !f.bad && len(f.rest) == 0 }

// reader reads frames.
type reader struct {
	in    *bufio.Reader
	limit uint32
	buf   []byte // of frames to the host, which are small
}

func newReader(in io.Reader, limit uint32) *reader {
	return &reader{in: bufio.NewReaderSize(in, 4096), limit: limit}
}

// next returns a frame, whose bytes are valid until the next but those of fresh
// frames. The error is io.EOF where the stream ends between two of them.
func (r *reader) next(fresh bool) (kind, fields, error) {
	var head [5]byte
	if _, err := io.ReadFull(r.in, head[:4]); err != nil {
		return 0, fields{}, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 1 || n > r.limit {
		return 0, fields{}, fmt.Errorf("%w: frame of %d bytes", ErrNonsense, n)
	}
	if _, err := io.ReadFull(r.in, head[4:]); err != nil {
		return 0, fields{}, broken(err)
	}
	b := r.buf
	if fresh || int(n-1) > cap(b) {
		b = make([]byte, n-1)
	}
	b = b[:n-1]
	if !fresh {
		r.buf = b
	}
	if _, err := io.ReadFull(r.in, b); err != nil {
		return 0, fields{}, broken(err)
	}
	return kind(head[4]), fields{rest: b}, nil
}

// broken is the error of a frame that ends too early.
func broken(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
