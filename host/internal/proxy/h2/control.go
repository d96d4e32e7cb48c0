package h2

import "encoding/binary"

// desk is what a parked session is attended to with.
type desk struct {
	in  [4 << 10]byte
	out []byte
}

// manySettings bounds the entries of a SETTINGS frame that is taken without a
// server: nobody sends as many.
const manySettings = 16

// control takes frames that say nothing of requests from the beginning of b,
// and appends the answers to d.out. What remains begins with a frame that takes
// a server: because it is none of these, because it is wrong, which the server
// knows how to say, or because it is not there whole.
func (s *session) control(b []byte, d *desk) (rest []byte, frames int) {
	for len(b) >= headerLen {
		f := parseHeader(b)
		if f.length > maxFrame || int(f.length) > len(b)-headerLen {
			break
		}
		payload := b[headerLen : headerLen+f.length]
		if !s.take(f, payload, d) {
			break
		}
		s.idle.Control()
		frames++
		b = b[headerLen+f.length:]
	}
	return b, frames
}

// take answers one frame, or returns false and changes nothing.
func (s *session) take(f header, payload []byte, d *desk) bool {
	switch f.kind {
	case framePing:
		if f.stream != 0 || f.length != 8 {
			return false
		}
		if !f.ack() {
			d.out = appendFrame(d.out, framePing, flagAck, 0, payload)
		}
		return true
	case frameSettings:
		if f.stream != 0 || f.ack() || !s.validSettings(payload) {
			return false
		}
		for ; len(payload) > 0; payload = payload[settingLen:] {
			s.merge(binary.BigEndian.Uint16(payload), binary.BigEndian.Uint32(payload[2:]))
		}
		d.out = appendFrame(d.out, frameSettings, flagAck, 0, nil)
		return true
	case frameWindowUpdate:
		return f.length == 4 && s.grant(f.stream, binary.BigEndian.Uint32(payload)&maxWindow)
	case frameRSTStream:
		return f.length == 4 && s.past(f.stream)
	case framePriority:
		return f.length == 5 && f.stream != 0 && binary.BigEndian.Uint32(payload)&maxWindow != f.stream
	case frameData, frameHeaders, framePushPromise, frameGoAway, frameContinuation, framePriorityUpdate:
		return false
	}
	return true // RFC 9113 section 5.5: unknown types are ignored
}

// past reports whether a stream is over, as all are that the client has opened.
func (s *session) past(stream uint32) bool { return stream&1 == 1 && stream <= s.last }

// grant takes a WINDOW_UPDATE.
func (s *session) grant(stream, more uint32) bool {
	switch {
	case more == 0:
		return false
	case stream != 0:
		return s.past(stream)
	case int64(s.sendWin)+int64(more) > maxWindow:
		return false
	}
	s.sendWin += int32(more)
	return true
}

// validSettings reports whether a payload of SETTINGS is beyond doubt.
func (s *session) validSettings(p []byte) bool {
	if len(p)%settingLen != 0 || len(p) > manySettings*settingLen {
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

// validSetting is RFC 9113 section 6.5.2.
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
