package h2

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// maxOpen bounds the streams that are followed. ServeConn allows 250 and
// resets what is above; a client that opens faster than the resets are
// written is not in earnest.
const maxOpen = 4096

// lastStream is the id that a first GOAWAY names while streams are open: none
// has been refused so far (RFC 9113 section 6.8).
const lastStream = 1<<31 - 1

// farewell bounds the writing of the last GOAWAY.
const farewell = time.Second

var errTooManyStreams = errors.New("too many open streams")

// Conn is the frame layer between TLS and the HTTP/2 server. Bytes pass
// unchanged; it follows the frames in both directions to tell use from signs
// of life, and to say good-bye at a frame's boundary.
//
// One goroutine reads, another writes; neither side allocates per frame.
type Conn struct {
	net.Conn // TLS, or the governed connection itself
	idle     *idle.Conn
	in       scanner // owned by the reader

	mu      sync.Mutex // guards the following; never held during I/O
	streams streams
	block   bool // a header block is unfinished
	ending  bool // the policy has ended the session
	quit    bool // a first GOAWAY was written, ours or the server's
	tooMany bool

	wmu sync.Mutex // guards out, and is held while writing; before mu
	out scanner

	// method values, so that scanning does not allocate
	read, readEnd, wrote, wroteEnd func(header)
}

// NewConn returns the layer above nc, whose governed connection is c. The
// client's connection preface must have been read.
func NewConn(nc net.Conn, c *idle.Conn) *Conn {
	h := &Conn{Conn: nc, idle: c}
	h.read, h.readEnd, h.wrote, h.wroteEnd = h.onRead, h.onReadEnd, h.onWrite, func(header) {}
	c.SetProtocol(abi.ProtocolHTTP2)
	c.SetPhase(abi.PhaseStreamIdle)
	c.SetEnder(h.end)
	return h
}

// Read is called by the server's reader. When the policy has ended the
// session, it writes GOAWAY and returns io.EOF, upon which the server closes.
func (h *Conn) Read(p []byte) (int, error) {
	for {
		n, err := h.Conn.Read(p)
		if n > 0 {
			h.in.scan(p[:n], h.read, h.readEnd)
			h.midBlock()
			if h.overrun() {
				return 0, errTooManyStreams
			}
			return n, nil
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

// onRead is called with every frame header from the client.
func (h *Conn) onRead(f header) {
	switch f.kind {
	case frameData:
	case frameHeaders, frameContinuation:
		h.mu.Lock()
		h.block = true
		h.mu.Unlock()
	default: // PING, SETTINGS, WINDOW_UPDATE, ...: alive, but nobody's use
		h.idle.Control()
	}
}

// onReadEnd is called when a frame from the client is complete.
func (h *Conn) onReadEnd(f header) {
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
		h.closed(f.stream)
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
// stream no handler ever saw ends here.
func (h *Conn) closed(id uint32) {
	h.mu.Lock()
	h.streams.remove(id)
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
}

// Write is called by the server.
func (h *Conn) Write(p []byte) (int, error) {
	h.wmu.Lock()
	defer h.wmu.Unlock()
	n, err := h.Conn.Write(p)
	h.out.scan(p[:n], h.wrote, h.wroteEnd)
	return n, err
}

// onWrite is called with every frame header that was written.
func (h *Conn) onWrite(f header) {
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

// end is the idle layer's: the session is to be ended. The reader does it.
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

// leave is called by the reader when its read was interrupted. It says
// good-bye if that was why (ours); done says that nothing is left to be read.
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
	h.Conn.SetWriteDeadline(time.Now().Add(farewell))
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

// SetDeadline and its like are for nobody: deadlines are the layers' below.
func (h *Conn) SetDeadline(time.Time) error      { return nil }
func (h *Conn) SetReadDeadline(time.Time) error  { return nil }
func (h *Conn) SetWriteDeadline(time.Time) error { return nil }

// NetConn returns the connection below, so that idle.From finds its way.
func (h *Conn) NetConn() net.Conn { return h.Conn }

var _ net.Conn = (*Conn)(nil)
