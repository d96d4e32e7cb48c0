package h2

import "encoding/binary"

// The frames that a rewriter waits for.
const (
	editTable  uint8 = 1 << iota // SETTINGS: to say that the header table is empty
	dropTable                    // SETTINGS: the client has them
	editWindow                   // the first WINDOW_UPDATE of stream 0: to say what is missing
	dropReset                    // RST_STREAM of the last stream, which the greeting began
	dropPong                     // the ACK of the host's own PING
	dropAnswer                   // everything on the last stream until it ends
)

// rewriter changes or drops frames that a server writes and the client must not
// see as they are. While it waits for none it costs one comparison.
type rewriter struct {
	wants   uint8
	recvWin int32   // what the client knows that it may send
	last    uint32  // its highest stream
	nonce   [8]byte // of the host's own PING

	head [headerLen]byte
	have int    // bytes of head that are filled
	left uint32 // payload bytes of the current frame that are still to come
	drop bool   // the current frame is not written
	hold bool   // it is kept, in held
	held []byte
}

// done reports whether bytes may pass the rewriter by.
func (e *rewriter) done() bool { return e.wants == 0 && e.have == 0 && !e.hold && !e.drop }

// want begins an edit, at a frame's boundary.
func (e *rewriter) want(edit uint8) { e.wants, e.left = e.wants|edit, 0 }

// take appends to out what is to be written of p.
func (e *rewriter) take(out, p []byte) []byte {
	for len(p) > 0 && !e.done() {
		if e.left > 0 {
			n := min(uint32(len(p)), e.left)
			switch {
			case e.hold:
				e.held = append(e.held, p[:n]...)
			case !e.drop:
				out = append(out, p[:n]...)
			}
			p, e.left = p[n:], e.left-n
			if e.left == 0 {
				out = e.end(out)
			}
			continue
		}
		n := copy(e.head[e.have:], p)
		e.have += n
		p = p[n:]
		if e.have < headerLen {
			return out
		}
		e.have = 0
		f := parseHeader(e.head[:])
		out = e.begin(out, f)
		if e.left == 0 {
			out = e.end(out)
		}
	}
	return append(out, p...)
}

// begin decides what becomes of a frame.
func (e *rewriter) begin(out []byte, f header) []byte {
	e.left = f.length
	e.drop = e.wants&dropAnswer != 0 && f.stream == e.last
	e.hold = !e.drop && e.holds(f)
	switch {
	case e.drop:
		ended := (f.kind == frameData || f.kind == frameHeaders) && f.flags&flagEndStream != 0
		if ended || f.kind == frameRSTStream {
			e.wants &^= dropAnswer
		}
	case e.hold:
		e.held = append(e.held[:0], e.head[:]...)
	default:
		out = append(out, e.head[:]...)
	}
	return out
}

// end is called when a frame is complete.
func (e *rewriter) end(out []byte) []byte {
	if e.hold {
		out = e.release(out)
	}
	e.drop = false
	return out
}

// holds reports whether a frame may be one that the rewriter waits for. Those are
// short.
func (e *rewriter) holds(f header) bool {
	if f.length > 128 {
		return false
	}
	switch f.kind {
	case frameSettings:
		return e.wants&(editTable|dropTable) != 0 && !f.ack()
	case frameWindowUpdate:
		return e.wants&editWindow != 0 && f.stream == 0 && f.length == 4
	case frameRSTStream:
		return e.wants&dropReset != 0 && f.stream == e.last
	case framePing:
		return e.wants&dropPong != 0 && f.ack() && f.length == 8
	}
	return false
}

// release appends the held frame as the client is to see it, if at all.
func (e *rewriter) release(out []byte) []byte {
	e.hold = false
	payload := e.held[headerLen:]
	switch e.held[3] {
	case frameSettings:
		if e.wants&dropTable != 0 {
			e.wants &^= dropTable
			return out
		}
		e.wants &^= editTable
		for ; len(payload) >= settingLen; payload = payload[settingLen:] {
			if binary.BigEndian.Uint16(payload) == settingHeaderTable {
				binary.BigEndian.PutUint32(payload[2:], 0)
			}
		}
	case frameWindowUpdate:
		e.wants &^= editWindow
		more := int64(binary.BigEndian.Uint32(payload)) + initialWindow - int64(e.recvWin)
		if more <= 0 {
			return out
		}
		binary.BigEndian.PutUint32(payload, uint32(min(more, maxWindow)))
	case frameRSTStream:
		e.wants &^= dropReset
		return out
	case framePing:
		if [8]byte(payload) == e.nonce {
			e.wants &^= dropPong
			return out
		}
	}
	return append(out, e.held...)
}
