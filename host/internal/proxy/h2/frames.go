package h2

import "encoding/binary"

// Frame types and flags (RFC 9113 section 6; RFC 9218 section 7.1).
const (
	frameData           = 0x0
	frameHeaders        = 0x1
	framePriority       = 0x2
	frameRSTStream      = 0x3
	frameSettings       = 0x4
	framePushPromise    = 0x5
	framePing           = 0x6
	frameGoAway         = 0x7
	frameWindowUpdate   = 0x8
	frameContinuation   = 0x9
	framePriorityUpdate = 0x10

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4

	headerLen  = 9
	settingLen = 6 // an entry of SETTINGS

	// maxFrame is the largest payload that we let a client send, which is what
	// every client is let (RFC 9113 section 4.2).
	maxFrame = 16 << 10
	// maxWindow bounds flow-control windows (RFC 9113 section 6.9.1).
	maxWindow = 1<<31 - 1
	// initialWindow is a connection's before any WINDOW_UPDATE (section 6.9.2).
	initialWindow = 1<<16 - 1
)

// header is a frame's header (RFC 9113 section 4.1).
type header struct {
	length uint32 // of the payload
	kind   uint8
	flags  uint8
	stream uint32
}

// parseHeader takes the first 9 bytes of b.
func parseHeader(b []byte) header {
	return header{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:headerLen]) & (1<<31 - 1),
	}
}

// ack reports whether a SETTINGS or PING answers one.
func (f header) ack() bool { return f.flags&flagAck != 0 }

// unit is how many bytes of payload a frameHandler gets at once; 0: none.
func (f header) unit() int {
	switch {
	case f.kind == frameSettings && !f.ack():
		return settingLen
	case f.kind == frameWindowUpdate && f.length == 4:
		return 4
	}
	return 0
}

// appendFrame appends a frame to b.
func appendFrame(b []byte, kind, flags uint8, stream uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// goAway is a GOAWAY frame without error (RFC 9113 section 6.8): streams
// above last were not, and will not be, looked at.
func goAway(last uint32) [headerLen + 8]byte {
	var b [headerLen + 8]byte
	b[2], b[3] = 8, frameGoAway
	binary.BigEndian.PutUint32(b[headerLen:], last)
	return b
}
