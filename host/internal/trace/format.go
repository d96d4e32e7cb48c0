package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is that of the format that is written, and the newest that is read.
// In version 1 a question has its answer in the same record.
const Version = 2

// Bounds of what is written and read; FORMAT.md has them all.
const (
	MaxText   = 255       // bytes of Header.Host and Header.Origin
	MaxName   = 1024      // bytes of Record.Name
	MaxParams = 128 << 10 // bytes of Record.Params
	MaxTime   = 1<<62 - 1 // nanoseconds either way, of any time or span
	MaxFrame  = 256 << 10 // bytes of a frame's records
	MaxCount  = 1<<48 - 1 // records of a file, those that a KindLost counts too
)

const (
	magic      = "\x89IDLE\r\n\x1a"
	headerFix  = 8 + 2 + 2          // magic, version, length
	maxHeader  = 4 << 10            // bytes of the header's fields
	mark       = "\xf1\x9a\xc3\x7e" // begins a frame
	frameHead  = 4 + 4 + 8 + 4      // mark, length, first, checksum
	frameCut   = 64 << 10           // bytes after which a frame is complete
	slots      = 1024               // connections whose byte counts a frame remembers
	maxWords   = 512 / 4            // words of an event, as the ABI reserves them
	kindExtend = 15                 // a record of a kind that this version does not have
	sampleAll  = 1 << 16            // Header.Sample: all
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFormat is wrapped by what NewReader returns for a file that is no trace.
var ErrFormat = errors.New("not a trace")

// check returns why a header cannot be written or was not written by us.
func (h *Header) check() error {
	switch {
	case len(h.Host) > MaxText:
		return fmt.Errorf("host has %d bytes, at most %d", len(h.Host), MaxText)
	case len(h.Origin) > MaxText:
		return fmt.Errorf("origin has %d bytes, at most %d", len(h.Origin), MaxText)
	case h.Granularity < 0 || h.Granularity > MaxTime:
		return fmt.Errorf("granularity %d is out of range", h.Granularity)
	case h.Sample > sampleAll:
		return fmt.Errorf("sample %d is more than %d", h.Sample, sampleAll)
	}
	return nil
}

// append writes the header as a file begins with it.
func (h *Header) append(b []byte) []byte {
	begin := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, Version)
	b = binary.LittleEndian.AppendUint16(b, uint16(8+8+4+1+len(h.Host)+1+len(h.Origin)))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Start))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Granularity))
	b = binary.LittleEndian.AppendUint32(b, h.Sample)
	b = append(append(b, byte(len(h.Host))), h.Host...)
	b = append(append(b, byte(len(h.Origin))), h.Origin...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[begin:], castagnoli))
}

// parse reads the header's fields; what follows those that it knows is a later
// version's.
func (h *Header) parse(b []byte) error {
	c := cursor{b: b}
	h.Start = int64(c.uint64())
	h.Granularity = int64(c.uint64())
	h.Sample = c.uint32()
	h.Host = string(c.take(int(c.byte())))
	h.Origin = string(c.take(int(c.byte())))
	if c.why != "" {
		return errors.New(c.why)
	}
	return h.check()
}

// sum is the checksum of a frame: the bytes of its head between mark and
// checksum, and its records, begun with that of the file's header, so that
// another file's frame does not pass.
func sum(seed uint32, head, records []byte) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, head), castagnoli, records)
}
