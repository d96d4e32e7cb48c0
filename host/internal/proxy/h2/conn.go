package h2

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// maxOpen bounds the streams that are followed. ServeConn allows 250 and
// resets what is above; a client that opens streams faster than the resets are
// written attacks.
const maxOpen = 4096

// lastStream is the id that a first GOAWAY names while streams are open: none
// has been refused so far (RFC 9113 section 6.8).
const lastStream = 1<<31 - 1

// goAwayTimeout bounds the writing of the last GOAWAY.
const goAwayTimeout = time.Second

var errTooManyStreams = errors.New("too many open streams")

// Conn is the frame layer between TLS and one run of the HTTP/2 server. Bytes
// pass unchanged, except for frames that parking concerns. It follows the frames
// in both directions: to tell requests from control frames, to write GOAWAY
// between two frames, and to keep the state that a later run needs.
//
// One goroutine reads, another writes; neither side allocates per frame.
type Conn struct {
	net.Conn // TLS, or the governed connection itself
	idle     *idle.Conn
	session  *session // owned by the reader
	parks    bool
	asleep   atomic.Bool   // the server is to go; set under wmu
	answered chan struct{} // holds one: all edits are made, or the server is gone

	// owned by the reader
	in       scanner
	ready    []byte // from the host to the server
	early    []byte // from the client, read before the server began
	greeted  bool   // the server has been sent a greeting of the host's
	asked    bool   // and now a PING
	received int64  // bytes of DATA
	granted  int64  // by WINDOW_UPDATEs of stream 0
	resets   resets // of streams that were open

	mu      sync.Mutex // guards the following; not held during I/O
	streams streams
	block   bool // a header block is unfinished
	ending  bool // the policy has ended the session
	quit    bool // a first GOAWAY was written, ours or the server's
	tooMany bool

	wmu   sync.Mutex // guards the following, and is held while writing; before mu
	out   scanner
	edit  rewriter
	sent  int64 // bytes of DATA
	given int64 // by WINDOW_UPDATEs of stream 0
}

// newConn returns the layer for the next run of the server. early is what has
// been read of the client already, from a frame's boundary on.
func newConn(s *session, early []byte) *Conn {
	h := &Conn{
		Conn: s.nc, idle: s.idle, session: s, parks: s.server.parks(),
		early: early, answered: make(chan struct{}, 1),
	}
	h.streams.last = s.last
	h.edit.last, h.edit.recvWin, h.edit.nonce = s.last, s.recvWin, s.server.nonce
	if h.parks {
		h.edit.want(editTable)
	}
	s.idle.SetEnder(h.end)
	if s.ended() { // before there was an ender: nothing was under way
		h.mu.Lock()
		h.ending = true
		h.mu.Unlock()
	}
	return h
}

// resume makes the server one that goes on with a session.
func (h *Conn) resume() {
	h.ready = h.session.greeting()
	h.edit.wants = dropTable | editWindow
	switch {
	case h.session.deficit() > 0:
		h.edit.wants |= dropAnswer
		h.greeted = true
	case h.session.last > 0:
		h.edit.wants |= dropReset
		h.greeted = true
	}
}

// Read is called by the server's reader. When the policy has ended the
// session, it writes GOAWAY and returns io.EOF, upon which the server closes. When
// the session is to be parked, it returns io.EOF without a GOAWAY.
func (h *Conn) Read(p []byte) (int, error) {
	for {
		if len(h.ready) > 0 {
			n := copy(p, h.ready)
			h.ready = h.ready[n:]
			return n, nil
		}
		switch {
		case h.greeted: // before a frame of the client's for the same stream comes
			h.greeted = false
			h.wait()
		case h.asked && h.rest():
			return 0, io.EOF
		}
		n, err := h.pull(p)
		if n > 0 {
			h.in.scan(p[:n], (*inbound)(h))
			h.midBlock()
			h.pace()
			if h.overrun() {
				return 0, errTooManyStreams
			}
			return n, nil
		}
		if errors.Is(err, idle.ErrPark) {
			h.ask()
			continue
		}
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		switch ours, done := h.leave(); {
		case done:
			return 0, io.EOF
		case !ours:
			return n, err
		}
	}
}

// pull reads from the client. Between two frames, once the client has
// acknowledged our SETTINGS, the session may be parked.
func (h *Conn) pull(p []byte) (int, error) {
	if len(h.early) > 0 {
		n := copy(p, h.early)
		if h.early = h.early[n:]; len(h.early) == 0 {
			h.early = nil
		}
		return n, nil
	}
	if !h.parks || !h.session.settled || !h.in.boundary() {
		return h.Conn.Read(p)
	}
	h.idle.Doze()
	n, err := h.Conn.Read(p)
	h.idle.Rouse()
	return n, err
}

// inbound watches what the client sends; the reader's.
type inbound Conn

func (w *inbound) begin(f header) {
	h := (*Conn)(w)
	switch f.kind {
	case frameData:
		h.received += int64(f.length) // padding counts (RFC 9113 section 6.9.1)
	case frameHeaders, frameContinuation:
		h.mu.Lock()
		h.block = true
		h.mu.Unlock()
	default: // PING, SETTINGS, WINDOW_UPDATE, ...: of no request
		h.idle.Control()
	}
}

func (w *inbound) unit(f header, b []byte) {
	switch f.kind {
	case frameSettings:
		w.session.merge(binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:]))
	case frameWindowUpdate:
		if f.stream == 0 {
			w.granted += int64(binary.BigEndian.Uint32(b) & maxWindow)
		}
	}
}

func (w *inbound) end(f header) {
	h := (*Conn)(w)
	switch f.kind {
	case frameHeaders, frameContinuation:
		if f.flags&flagEndHeaders == 0 {
			return
		}
		h.mu.Lock()
		h.block = false
		h.streams.add(f.stream)
		h.tooMany = len(h.streams.open) > maxOpen
		h.mu.Unlock()
	case frameRSTStream:
		if h.closed(f.stream) {
			h.resets.note(time.Now())
		}
	case frameSettings:
		if f.ack() {
			h.session.settled = true
		} else {
			h.session.opened = true
		}
	}
}

// midBlock holds an idle session to the law of phase Header while a header
// block is unfinished; streams that are open hold the session anyway. The
// server reads a frame's header by itself: nothing is late before its payload
// comes in parts.
func (h *Conn) midBlock() {
	if h.in.left > 0 && h.in.left == h.in.cur.length && h.in.cur.kind == frameHeaders {
		return
	}
	h.mu.Lock()
	block := h.block
	h.mu.Unlock()
	if block && h.idle.Phase() == abi.PhaseStreamIdle {
		h.idle.SetPhase(abi.PhaseHeader)
	}
}

func (h *Conn) overrun() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tooMany
}

// closed notes that a stream is not open any more. A header block whose
// stream no handler ever saw ends here. It reports whether it was open.
func (h *Conn) closed(id uint32) (was bool) {
	h.mu.Lock()
	was = h.streams.remove(id)
	none := len(h.streams.open) == 0
	kick := none && h.ending
	unseen := none && !h.block
	h.mu.Unlock()
	if unseen && h.idle.Phase() == abi.PhaseHeader {
		h.idle.SetPhase(abi.PhaseStreamIdle)
	}
	if kick {
		h.interrupt()
	}
	return was
}

// Write is called by the server.
func (h *Conn) Write(p []byte) (int, error) {
	h.wmu.Lock()
	edits := !h.edit.done()
	n, err := h.writeLocked(p)
	answered := edits && h.edit.done()
	h.wmu.Unlock()
	if answered {
		h.wake()
	}
	return n, err
}

func (h *Conn) writeLocked(p []byte) (int, error) {
	q := p
	switch {
	case h.asleep.Load(): // the server is closing; the client must see none of it
		return len(p), nil
	case !h.edit.done():
		if q = h.edit.take(nil, p); len(q) == 0 {
			return len(p), nil
		}
	}
	n, err := h.Conn.Write(q)
	h.out.scan(q[:n], (*outbound)(h))
	if err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

// outbound watches what the client is sent; the writer's, under wmu.
type outbound Conn

func (w *outbound) begin(f header) {
	h := (*Conn)(w)
	if f.kind == frameData {
		h.sent += int64(f.length)
	}
	switch f.kind {
	case frameData, frameHeaders:
		if f.flags&flagEndStream != 0 {
			h.closed(f.stream)
		}
	case frameRSTStream:
		h.closed(f.stream)
	case frameGoAway:
		h.mu.Lock()
		h.quit = true
		h.mu.Unlock()
	}
}

func (w *outbound) unit(f header, b []byte) {
	if f.kind == frameWindowUpdate && f.stream == 0 {
		w.given += int64(binary.BigEndian.Uint32(b) & maxWindow)
	}
}

func (w *outbound) end(header) {}

// Close is called by the server: at its end, or when a write has failed.
func (h *Conn) Close() error {
	if h.asleep.Load() {
		return nil
	}
	h.wake()
	return h.Conn.Close()
}

// end is called by the idle layer to end the session. The reader ends it.
func (h *Conn) end(policy.Reason) {
	h.mu.Lock()
	h.ending = true
	h.mu.Unlock()
	h.interrupt()
}

// interrupt makes a blocked Read return. The governed connection keeps its
// owner's deadlines apart and ignores them once it is ending, so the deadline
// goes to the socket.
func (h *Conn) interrupt() { h.idle.NetConn().SetReadDeadline(time.Unix(1, 0)) }

// leave is called by the reader when its read was interrupted. It writes GOAWAY
// if the session is to end (ours); done says that nothing is left to be read.
func (h *Conn) leave() (ours, done bool) {
	h.mu.Lock()
	ending, busy, quit, last := h.ending, len(h.streams.open) > 0, h.quit, h.streams.last
	h.mu.Unlock()
	switch {
	case !ending:
		return false, false
	case busy:
		// A request was faster than the end. It is served; no new one shall
		// be sent.
		if !quit && h.wmu.TryLock() {
			h.goAwayLocked(lastStream)
			h.wmu.Unlock()
		}
		h.await()
		return true, false
	}
	h.Conn.SetWriteDeadline(time.Now().Add(goAwayTimeout))
	h.wmu.Lock()
	defer h.wmu.Unlock()
	h.goAwayLocked(last)
	return true, true
}

// await reads on until the open streams have ended.
func (h *Conn) await() {
	h.idle.NetConn().SetReadDeadline(time.Time{})
	h.mu.Lock()
	none := len(h.streams.open) == 0
	h.mu.Unlock()
	if none { // the last one ended meanwhile, and its interruption is lost
		h.interrupt()
	}
}

// goAwayLocked writes GOAWAY if the server is between two frames, which an
// idle one is unless its client takes nothing. wmu is held.
func (h *Conn) goAwayLocked(last uint32) {
	if !h.out.boundary() {
		return
	}
	f := goAway(last)
	h.Conn.Write(f[:])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quit = true
}

// SetDeadline and its like do nothing: the layers below have the deadlines.
func (h *Conn) SetDeadline(time.Time) error      { return nil }
func (h *Conn) SetReadDeadline(time.Time) error  { return nil }
func (h *Conn) SetWriteDeadline(time.Time) error { return nil }

// NetConn returns the connection below, so that idle.From finds its way.
func (h *Conn) NetConn() net.Conn { return h.Conn }

var _ net.Conn = (*Conn)(nil)
