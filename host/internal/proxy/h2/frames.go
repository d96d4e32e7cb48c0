package h2

import "encoding/binary"

// Frame types and flags (RFC 9113 section 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameRSTStream    = 0x3
	frameGoAway       = 0x7
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagEndHeaders = 0x4

	headerLen = 9
)

// header is a frame's header (RFC 9113 section 4.1).
type header struct {
	length uint32 // of the payload
	kind   uint8
	flags  uint8
	stream uint32
}

func parseHeader(b *[headerLen]byte) header {
	return header{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

// scanner follows the frames in a stream of bytes without keeping them.
type scanner struct {
	buf  [headerLen]byte
	have int    // bytes of buf that are filled
	left uint32 // payload bytes of the current frame that are still to come
	cur  header // the current frame; meaningful while left > 0
}

// boundary reports whether the stream is between two frames.
func (s *scanner) boundary() bool { return s.have == 0 && s.left == 0 }

// scan takes the next bytes of the stream. It calls begin when a frame's
// header is complete and end when the frame is.
func (s *scanner) scan(p []byte, begin, end func(header)) {
	for len(p) > 0 {
		if s.left > 0 {
			n := min(uint32(len(p)), s.left)
			p = p[n:]
			if s.left -= n; s.left == 0 {
				end(s.cur)
			}
			continue
		}
		n := copy(s.buf[s.have:], p)
		s.have += n
		p = p[n:]
		if s.have < headerLen {
			return
		}
		s.have = 0
		s.cur = parseHeader(&s.buf)
		s.left = s.cur.length
		begin(s.cur)
		if s.left == 0 {
			end(s.cur)
		}
	}
}

// goAway is a GOAWAY frame without error (RFC 9113 section 6.8): streams
// above last were not, and will not be, looked at.
func goAway(last uint32) [headerLen + 8]byte {
	var b [headerLen + 8]byte
	b[2], b[3] = 8, frameGoAway
	binary.BigEndian.PutUint32(b[headerLen:], last)
	return b
}
