package h2

import (
	"context"
	"encoding/binary"
	"net"
	"time"

	"idlehost/host/internal/idle"
)

// session is what is kept of an HTTP/2 session while no server runs it. It has
// one owner at a time: the server's reader while one runs, then whoever the
// Governor wakes.
type session struct {
	server *Server
	nc     net.Conn // *tls.Conn, or idle
	idle   *idle.Conn
	ctx    context.Context // of requests

	settings [maxKnown]uint32 // the client's, by id - 1
	known    uint8            // which of them it has sent, by bit id - 1
	opened   bool             // it has sent its first
	settled  bool             // it has acknowledged ours
	moved    bool             // it has changed the header table after its first
	leastTab uint32           // the smallest header table it has allowed
	sendWin  int32            // what we may send on stream 0
	recvWin  int32            // what the client knows that it may send on stream 0
	last     uint32           // its highest stream
	rate     controlRate
}

// Identifiers of settings (RFC 9113 section 6.5.2).
const (
	settingHeaderTable = 1
	settingPush        = 2
	settingWindow      = 4
	settingFrame       = 5
	settingConnect     = 8 // RFC 8441 section 3
	settingNoPriority  = 9 // RFC 9218 section 2.1

	// maxKnown is the highest that matters to a server later on.
	maxKnown = 6

	initialHeaderTable = 4096
)

func newSession(s *Server, ctx context.Context, nc net.Conn, c *idle.Conn) *session {
	return &session{
		server: s, nc: nc, idle: c, ctx: ctx,
		leastTab: initialHeaderTable, sendWin: initialWindow, recvWin: initialWindow,
	}
}

// merge takes an entry of the client's SETTINGS.
func (s *session) merge(id uint16, v uint32) {
	if id < 1 || id > maxKnown {
		return
	}
	s.settings[id-1] = v
	s.known |= 1 << (id - 1)
	if id == settingHeaderTable {
		s.leastTab = min(s.leastTab, v)
		s.moved = s.moved || s.opened
	}
}

// payload is SETTINGS with what the client has sent, for a server that has not
// seen it. The header table comes twice where the client has ever made it
// smaller: our encoder has to say the smallest size since its last header
// block (RFC 7541 section 4.2), and a smaller one does no harm.
func (s *session) payload() []byte {
	b := make([]byte, 0, (maxKnown+1)*settingLen)
	if s.known&1 != 0 && s.leastTab < s.settings[0] {
		b = appendSetting(b, settingHeaderTable, s.leastTab)
	}
	for id := uint16(1); id <= maxKnown; id++ {
		if s.known&(1<<(id-1)) != 0 {
			b = appendSetting(b, id, s.settings[id-1])
		}
	}
	return b
}

func appendSetting(b []byte, id uint16, v uint32) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	return binary.BigEndian.AppendUint32(b, v)
}

// greeting is what a new server reads first, in place of what the client sent
// first: the acknowledgement of the server's SETTINGS, by how much the client's
// window is above the initial one, and a request on the last stream, from which
// the server knows which streams have been opened. The request is malformed, and reset without calling a handler, unless
// there is a deficit to use up.
func (s *session) greeting() []byte {
	b := appendFrame(make([]byte, 0, 6*headerLen), frameSettings, flagAck, 0, nil)
	if more := s.sendWin - initialWindow; more > 0 {
		b = appendFrame(b, frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(more)))
	}
	switch deficit := s.deficit(); {
	case deficit > 0:
		b = appendFrame(b, frameHeaders, flagEndStream|flagEndHeaders, s.last, s.server.hostBlock)
		if s.known&(1<<(settingWindow-1)) != 0 && s.settings[settingWindow-1] < uint32(deficit) {
			b = appendFrame(b, frameWindowUpdate, 0, s.last, binary.BigEndian.AppendUint32(nil, uint32(deficit)))
		}
	case s.last > 0:
		b = appendFrame(b, frameHeaders, flagEndStream|flagEndHeaders, s.last, nil)
	}
	return b
}

// maxControlRate is how many control frames a second a session may send while it
// is parked: more than any client's PINGs, and too few to cost much. A session
// that sends more gets a server, which has limits of its own.
const maxControlRate = 100

// controlRate counts the control frames of the current second.
type controlRate struct {
	second int64 // since 1970
	frames uint32
}

// add counts n frames and reports whether they are few enough.
func (r *controlRate) add(n int, now time.Time) bool {
	if s := now.Unix(); s != r.second {
		r.second, r.frames = s, 0
	}
	r.frames += uint32(n)
	return r.frames <= maxControlRate
}
