// Package tunnel passes bytes between two governed connections: those of an
// upgraded request (WebSocket or anything else) and those of a TCP relay.
//
// Each direction has a goroutine and a buffer while bytes flow. One that is
// quiet has neither: its connection is parked, and what is left of the tunnel
// is one small record.
package tunnel

import (
	"io"
	"sync"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Stream is what is read and written at one end of a tunnel: the governed
// connection itself, or what lies above it (TLS, or what HTTP left over).
type Stream interface {
	io.ReadWriteCloser
	// CloseWrite half closes: the other end has sent all its bytes.
	CloseWrite() error
}

// End is one end of a tunnel.
type End struct {
	// Conn is the governed connection.
	Conn *idle.Conn
	// Stream is what lies above Conn; Conn itself where nothing does.
	Stream Stream
	// Early has been read from Stream already, and goes before all else.
	Early []byte
}

// state says who reads the bytes that arrive at an end.
type state uint8

const (
	flowing state = iota // a goroutine reads them
	asleep               // the connection is parked: Unpark before it is touched
	held                 // neither, for as long as a write to the end takes
	ended                // no more will come
)

type end struct {
	conn   *idle.Conn
	stream Stream

	// guarded by the tunnel's mu
	state   state
	written bool // the other direction is writing to it: it must not be parked
}

// tunnel is all that is kept of two parked connections: keep it small.
// mu may be held while an idle.Conn's or the Group's is taken, never the other
// way round.
type tunnel struct {
	group *Group
	ends  [2]end

	mu   sync.Mutex // guards the following, and the states
	over bool       // both ends are closed, or are just being closed
}

// other is the end that an end's bytes go to.
func other(i int) int { return 1 - i }

// Open passes bytes between a and b from now on, in phase Tunnel, until both
// directions have ended, and closes both. An end of one direction is passed on
// as such; a failure of either end, or its end by policy, ends the other. It
// returns at once. A closed Group closes both at once.
func (g *Group) Open(a, b End) {
	t := &tunnel{group: g, ends: [2]end{{conn: a.Conn, stream: a.Stream}, {conn: b.Conn, stream: b.Stream}}}
	t.setPhase(abi.PhaseTunnel)
	if !g.enter(2) {
		t.sever()
		return
	}
	go t.run(0, a.Early)
	go t.run(1, b.Early)
}

func (t *tunnel) setPhase(p policy.Phase) {
	for i := range t.ends {
		t.ends[i].conn.SetPhase(p)
	}
}

// end closes both ends, once.
func (t *tunnel) end() {
	if t.finish() {
		t.shut()
	}
}

// finish lets no goroutine start any more. It reports whether it was the first call.
func (t *tunnel) finish() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.over = true
	for i := range t.ends {
		if t.ends[i].state == asleep {
			// Where this fails, Wake or Finish comes and finds it over.
			t.ends[i].conn.Unpark()
		}
	}
	return true
}

// shut closes both ends, over TLS with a close_notify, which may block.
func (t *tunnel) shut() {
	for i := range t.ends {
		t.ends[i].stream.Close()
	}
}

// sever closes both connections without a close_notify. It does not block.
func (t *tunnel) sever() {
	for i := range t.ends {
		t.ends[i].conn.Close()
	}
}
