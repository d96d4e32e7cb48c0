package h2

import "time"

// A session without streams goes to sleep in three steps, all of them the
// reader's. The idle layer says that nothing has come for a while. Then the
// server is sent a PING of the host's: once it has answered, whatever it owed
// the client for earlier frames is written, since it answers in order. Then its
// reader gets an end, and the server unwinds; what it writes now is nobody's.

// ask sends the server a PING, if the session could sleep.
func (h *Conn) ask() {
	if h.asked || !h.quiet() || !h.wmu.TryLock() {
		return
	}
	defer h.wmu.Unlock()
	if !h.edit.done() || !h.out.boundary() || !h.session.solvent(h.window(), h.lastStream()) {
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

// rest waits for the answer and puts the session to sleep, or returns false.
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

// wait waits until the server has written what it was brought to write.
func (h *Conn) wait() {
	late := time.NewTimer(farewell)
	defer late.Stop()
	select {
	case <-h.answered:
	case <-late.C: // a write is blocked, or the server has said its last word
	}
}

// quiet reports whether nothing is under way, nor coming to an end.
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
