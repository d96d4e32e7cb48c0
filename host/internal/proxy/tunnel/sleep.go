package tunnel

import (
	"crypto/tls"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/leantls"
)

// quietResult is what sleep has done with a quiet direction.
type quietResult uint8

const (
	resultParked  quietResult = iota
	resultReading             // something is being written to its end: it reads on
	resultEnded               // the connection is closed or ending, and so is the tunnel
)

// sleep parks end i, whose bytes the caller has read.
func (t *tunnel) sleep(i int) quietResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
		return resultParked
	case t.ends[i].written:
		return resultReading
	case t.parkLocked(i):
		return resultParked
	}
	return resultEnded
}

// parkLocked parks end i. It returns false when that cannot be, because the
// connection is closed or ending.
func (t *tunnel) parkLocked(i int) bool {
	e := &t.ends[i]
	if tc, ok := e.stream.(*tls.Conn); ok {
		leantls.Release(tc)
	}
	e.state = asleep
	if !e.conn.Park(t) {
		e.state = flowing
		return false
	}
	return true
}

// claim reserves end i for a write of the other direction, until settle. A parked
// end is woken if wake is set; otherwise it is held, and settle parks it again. ok
// is false when the Group is closed.
func (t *tunnel) claim(i int, wake bool) (isHeld, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &t.ends[i]
	e.written = true
	if t.over || e.state != asleep || !e.conn.Unpark() {
		return false, true // it is awake, or Wake is on its way
	}
	e.state = held
	if wake {
		return false, t.wakeLocked(i)
	}
	return true, true
}

// settle ends a claim. It returns false when the end cannot be parked again.
func (t *tunnel) settle(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &t.ends[i]
	e.written = false
	return t.over || e.state != held || t.parkLocked(i)
}

// relieve wakes end i if it is still held: a peer that does not read may be waiting
// until what it has sent is read.
func (t *tunnel) relieve(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && t.ends[i].state == held {
		t.wakeLocked(i) // where this fails, the Group's owner closes both ends
	}
}

// wakeLocked starts the direction that end i's bytes take.
func (t *tunnel) wakeLocked(i int) bool {
	if !t.group.enter(1) {
		return false
	}
	t.ends[i].state = flowing
	go t.run(i, nil)
	return true
}

// Wake is called by the Governor when there is something to read.
func (t *tunnel) Wake(c *idle.Conn) {
	t.mu.Lock()
	ok := t.over || t.wakeLocked(t.index(c))
	t.over = t.over || !ok
	t.mu.Unlock()
	if !ok {
		t.sever()
	}
}

// Finish is called by the Governor when the host has decided to end the
// connection. Bytes that arrive at the other end are discarded.
func (t *tunnel) Finish(*idle.Conn, policy.Reason) {
	if !t.finish() {
		return
	}
	if !t.group.enter(1) {
		t.sever()
		return
	}
	go t.closeEnds()
}

// closeEnds is a goroutine because a close_notify over TLS may block.
func (t *tunnel) closeEnds() {
	defer t.group.running.Done()
	t.shut()
}

// index says which end a connection is.
func (t *tunnel) index(c *idle.Conn) int {
	if t.ends[1].conn == c {
		return 1
	}
	return 0
}

var _ idle.Sleeper = (*tunnel)(nil)
