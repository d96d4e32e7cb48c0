package tunnel

import (
	"crypto/tls"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/leantls"
)

// What becomes of a direction that is quiet.
type rest uint8

const (
	slept rest = iota
	stays      // something is being written to its end: it reads on
	fails      // the connection is closed or ending, and so is the tunnel
)

// sleep parks end i, whose bytes the caller has read.
func (t *tunnel) sleep(i int) rest {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
		return slept
	case t.ends[i].written:
		return stays
	case t.parkLocked(i):
		return slept
	}
	return fails
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

// claim takes end i for something that the other direction writes to it; settle
// gives it back. An end that sleeps is woken, if wake says so; else it is held,
// and settle puts it to sleep again. ok is false when the Group is closed.
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

// settle returns false when the end cannot be parked again.
func (t *tunnel) settle(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &t.ends[i]
	e.written = false
	return t.over || e.state != held || t.parkLocked(i)
}

// relieve wakes end i if it is still held: a peer that does not take what is
// written may be waiting for what it has said to be read.
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
// connection. Bytes on their way at the other end have nobody to go to.
func (t *tunnel) Finish(*idle.Conn, policy.Reason) {
	if !t.finish() {
		return
	}
	if !t.group.enter(1) {
		t.sever()
		return
	}
	go t.bye()
}

// bye is a goroutine because a good-bye over TLS may block.
func (t *tunnel) bye() {
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
