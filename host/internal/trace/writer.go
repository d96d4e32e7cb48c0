package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Config configures a Writer. The zero value works.
type Config struct {
	// Frame is after how many bytes of records a frame is written by itself, at
	// most 65536, which 0 stands for. What a crash costs is what Flush has not
	// been called for, and at most this.
	Frame int
}

// Writer writes a trace. Not safe for concurrent use.
type Writer struct {
	w       io.Writer
	enc     encoder
	cut     int
	seed    uint32
	written int64
	records uint64 // of frames that are written, and of this one
	first   uint64 // number of this frame's first
	err     error  // that of w, after which nothing is written any more
}

// NewWriter writes the header to w. The caller owns w, and closes it after the
// last Flush.
func NewWriter(w io.Writer, h Header, cfg Config) (*Writer, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("trace: header: %w", err)
	}
	if cfg.Frame < 0 || cfg.Frame > frameCut {
		return nil, fmt.Errorf("trace: a frame of %d bytes: want 1 to %d", cfg.Frame, frameCut)
	}
	if cfg.Frame == 0 {
		cfg.Frame = frameCut
	}
	t := &Writer{w: w, cut: cfg.Frame}
	head := h.append(nil)
	t.seed = crc32.Checksum(head, castagnoli)
	t.enc.state = newState(&h)
	t.enc.b = make([]byte, frameHead, frameHead+cfg.Frame+4<<10)
	if err := t.send(head); err != nil {
		return nil, err
	}
	return t, nil
}

// Write takes down one record, of which it keeps nothing. It allocates nothing,
// and calls w only when a frame is full. An error that is not w's leaves the
// Writer as it was, without the record; after one of w's it has ended.
func (t *Writer) Write(r *Record) error {
	if t.err != nil {
		return t.err
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("trace: record %d: %w", t.records, err)
	}
	if t.records >= MaxCount {
		return errors.New("trace: too many records for one file")
	}
	t.enc.record(r)
	t.records++
	if len(t.enc.b)-frameHead < t.cut {
		return nil
	}
	return t.Flush()
}

// Flush writes the records that were not yet, as a frame, with one call of
// w.Write.
func (t *Writer) Flush() error {
	b := t.enc.b
	if t.err != nil || len(b) == frameHead {
		return t.err
	}
	copy(b, mark)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHead))
	binary.LittleEndian.PutUint64(b[8:], t.first)
	binary.LittleEndian.PutUint32(b[16:], sum(t.seed, b[4:16], b[frameHead:]))
	t.enc.b, t.first = b[:frameHead], t.records
	t.enc.reset()
	return t.send(b)
}

// Size is how many bytes the file has, what Flush would write among them.
func (t *Writer) Size() int64 {
	if len(t.enc.b) == frameHead {
		return t.written
	}
	return t.written + int64(len(t.enc.b))
}

// Records is how many were taken down.
func (t *Writer) Records() uint64 { return t.records }

func (t *Writer) send(b []byte) error {
	n, err := t.w.Write(b)
	t.written += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		t.err = fmt.Errorf("trace: write at %d: %w", t.written, err)
	}
	return t.err
}
