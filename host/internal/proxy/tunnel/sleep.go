package tunnel

import (
	"crypto/tls"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/leantls"
)

// sleep parks end i. It returns false when that cannot be, because the
// connection is closed or ending: then the tunnel is to be ended.
func (t *tunnel) sleep(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return true
	}
	e := &t.ends[i]
	if tc, ok := e.stream.(*tls.Conn); ok {
		leantls.Release(tc) // does nothing while the other direction writes
	}
	e.state = asleep
	if !e.conn.Park(t) {
		e.state = flowing
		return false
	}
	return true
}

// hold takes end i, if it sleeps, for one write by the other direction, which
// puts it to sleep again. It returns false where there is nothing to take: the
// end is awake, or is just being woken.
func (t *tunnel) hold(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &t.ends[i]
	if t.over || e.state != asleep || !e.conn.Unpark() {
		return false
	}
	e.state = held
	return true
}

// rouse wakes end i if it sleeps. It returns false when the Group is closed.
func (t *tunnel) rouse(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &t.ends[i]
	if t.over || e.state != asleep || !e.conn.Unpark() {
		return true
	}
	e.state = held // nobody's, should it not be woken
	return t.wakeLocked(i)
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
