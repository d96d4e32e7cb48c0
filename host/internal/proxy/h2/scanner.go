package h2

// frameHandler is called with what a scanner finds.
type frameHandler interface {
	// begin is called when a frame's header is complete, end when the frame is.
	begin(header)
	end(header)
	// unit is called with every entry of SETTINGS, id and value, and with a
	// WINDOW_UPDATE's increment. b is valid until it returns.
	unit(f header, b []byte)
}

// scanner follows the frames in a stream of bytes without keeping them.
type scanner struct {
	buf  [headerLen]byte // of a header; then of a unit
	have int             // bytes of buf that are filled
	left uint32          // payload bytes of the current frame that are still to come
	cur  header          // the current frame; meaningful while left > 0
}

// boundary reports whether the stream is between two frames.
func (s *scanner) boundary() bool { return s.have == 0 && s.left == 0 }

// scan takes the next bytes of the stream.
func (s *scanner) scan(p []byte, h frameHandler) {
	for len(p) > 0 {
		if s.left > 0 {
			n := min(uint32(len(p)), s.left)
			if size := s.cur.unit(); size > 0 {
				s.units(p[:n], size, h)
			}
			p = p[n:]
			if s.left -= n; s.left == 0 {
				s.have = 0
				h.end(s.cur)
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
		s.cur = parseHeader(s.buf[:])
		s.left = s.cur.length
		h.begin(s.cur)
		if s.left == 0 {
			h.end(s.cur)
		}
	}
}

func (s *scanner) units(p []byte, size int, h frameHandler) {
	for len(p) > 0 {
		n := copy(s.buf[s.have:size], p)
		s.have += n
		p = p[n:]
		if s.have == size {
			s.have = 0
			h.unit(s.cur, s.buf[:size])
		}
	}
}
