package h2

import "encoding/binary"

// controlBuffers are what a parked session reads control frames into, and writes
// the answers from.
type controlBuffers struct {
	in  [4 << 10]byte
	out []byte
}

// maxSettings bounds the entries of a SETTINGS frame that is taken without a
// server. Clients send fewer.
const maxSettings = 16

// control takes control frames from the beginning of b and appends the answers to
// buf.out. rest begins with a frame that needs a server: one of a request, one
// that is wrong, which the server reports, or one that is not complete.
func (s *session) control(b []byte, buf *controlBuffers) (rest []byte, frames int) {
	for len(b) >= headerLen {
		f := parseHeader(b)
		if f.length > maxFrame || int(f.length) > len(b)-headerLen {
			break
		}
		payload := b[headerLen : headerLen+f.length]
		if !s.take(f, payload, buf) {
			break
		}
		s.idle.Control()
		frames++
		b = b[headerLen+f.length:]
	}
	return b, frames
}

// take answers one frame, or returns false and changes nothing.
func (s *session) take(f header, payload []byte, buf *controlBuffers) bool {
	switch f.kind {
	case framePing:
		if f.stream != 0 || f.length != 8 {
			return false
		}
		if !f.ack() {
			buf.out = appendFrame(buf.out, framePing, flagAck, 0, payload)
		}
		return true
	case frameSettings:
		if f.stream != 0 || f.ack() || !s.validSettings(payload) {
			return false
		}
		for ; len(payload) > 0; payload = payload[settingLen:] {
			s.merge(binary.BigEndian.Uint16(payload), binary.BigEndian.Uint32(payload[2:]))
		}
		buf.out = appendFrame(buf.out, frameSettings, flagAck, 0, nil)
		return true
	case frameWindowUpdate:
		return f.length == 4 && s.grant(f.stream, binary.BigEndian.Uint32(payload)&maxWindow)
	case frameRSTStream:
		return f.length == 4 && s.closedStream(f.stream)
	case framePriority:
		return f.length == 5 && f.stream != 0 && binary.BigEndian.Uint32(payload)&maxWindow != f.stream
	case frameData, frameHeaders, framePushPromise, frameGoAway, frameContinuation, framePriorityUpdate:
		return false
	}
	return true // RFC 9113 section 5.5: unknown types are ignored
}

// closedStream reports whether the client has opened a stream: all that it has
// opened are closed while the session is parked.
func (s *session) closedStream(stream uint32) bool { return stream&1 == 1 && stream <= s.last }

// grant takes a WINDOW_UPDATE.
func (s *session) grant(stream, more uint32) bool {
	switch {
	case more == 0:
		return false
	case stream != 0:
		return s.closedStream(stream)
	case int64(s.sendWin)+int64(more) > maxWindow:
		return false
	}
	s.sendWin += int32(more)
	return true
}

// validSettings reports whether a payload of SETTINGS is valid, with each setting
// once at most.
func (s *session) validSettings(p []byte) bool {
	if len(p)%settingLen != 0 || len(p) > maxSettings*settingLen {
		return false
	}
	for i := 0; i < len(p); i += settingLen {
		id, v := binary.BigEndian.Uint16(p[i:]), binary.BigEndian.Uint32(p[i+2:])
		for j := 0; j < i; j += settingLen {
			if binary.BigEndian.Uint16(p[j:]) == id {
				return false
			}
		}
		if !validSetting(id, v) {
			return false
		}
	}
	return true
}

// validSetting checks a value (RFC 9113 section 6.5.2).
func validSetting(id uint16, v uint32) bool {
	switch id {
	case settingPush, settingConnect, settingNoPriority:
		return v <= 1
	case settingWindow:
		return v <= maxWindow
	case settingFrame:
		return v >= maxFrame && v < 1<<24
	}
	return true
}
