package h2

import "time"

// A session without streams is parked in three steps, all on the reader's
// goroutine. The idle layer reports that nothing has come for a while. Then the
// server gets a PING of the host's own: once it has answered, all its answers to
// earlier frames are written, since it answers in order. Then its reader gets
// io.EOF, and the server closes; what it writes from then on is discarded.

// ask sends the server a PING, if the session may be parked.
func (h *Conn) ask() {
	if h.asked || !h.quiet() || !h.wmu.TryLock() {
		return
	}
	defer h.wmu.Unlock()
	if !h.edit.done() || !h.out.boundary() || !h.session.resumable(h.window(), h.lastStream()) {
		return
	}
	select {
	case <-h.answered: // of an earlier edit
	default:
	}
	h.edit.want(dropPong)
	h.asked = true
	h.ready = appendFrame(nil, framePing, 0, 0, h.edit.nonce[:])
}

// rest waits for the answer and marks the session as parked, or returns false.
func (h *Conn) rest() bool {
	h.asked = false
	h.wait()
	if !h.quiet() || !h.wmu.TryLock() {
		return false
	}
	defer h.wmu.Unlock()
	if !h.edit.done() || !h.out.boundary() {
		return false
	}
	h.asleep.Store(true)
	return true
}

// wait waits until the server has written the frames that the rewriter waits for.
func (h *Conn) wait() {
	late := time.NewTimer(goAwayTimeout)
	defer late.Stop()
	select {
	case <-h.answered:
	case <-late.C: // a write is blocked, or the server has closed
	}
}

// quiet reports whether no stream is open and the session is not ending.
func (h *Conn) quiet() bool {
	if !h.in.boundary() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams.open) == 0 && !h.block && !h.ending && !h.quit
}

func (h *Conn) lastStream() uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams.last
}

// window is what may be sent on stream 0. wmu is held.
func (h *Conn) window() int64 { return int64(h.session.sendWin) + h.granted - h.sent }

// wake lets wait go on.
func (h *Conn) wake() {
	select {
	case h.answered <- struct{}{}:
	default:
	}
}

// keep brings the session up to date when the server has gone.
func (h *Conn) keep() {
	h.wmu.Lock()
	defer h.wmu.Unlock()
	s := h.session
	s.sendWin = int32(h.window())
	s.recvWin = int32(int64(s.recvWin) + h.given - h.received)
	s.last = h.streams.last
}
