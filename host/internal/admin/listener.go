package admin

import (
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// maxConns is how many connections are open at a time where Config says nothing.
// Those of one peer are a quarter of all, or minPeerConns.
const (
	maxConns     = 1024
	minPeerConns = 8
)

// listener bounds what it accepts, and wraps it in TLS if there is a
// configuration at that time. Anybody can connect before authentication: where
// there are too many connections, one that waits for a request makes room for
// the next.
type listener struct {
	net.Listener
	tls           atomic.Pointer[tls.Config] // nil: clear text
	most, perPeer int
	relieve       func() // has somebody else give a descriptor up; nil: nobody does
	spares        spares

	mu      sync.Mutex     // guards the following fields
	peers   map[string]int // open connections, by peer; "" of all
	waiting list.List      // of *counted without a request, longest first
}

func newListener(l net.Listener, most int, relieve func()) *listener {
	if most <= 0 {
		most = maxConns
	}
	n := &listener{
		Listener: l, most: most, perPeer: min(max(most/4, minPeerConns), most), relieve: relieve, peers: map[string]int{},
	}
	n.spares.fill()
	return n
}

// Accept leaves the handshake to net/http, which bounds its time. Where every
// other connection is in use, it closes the new one.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.acceptOne()
		if err != nil {
			return nil, err
		}
		k := &counted{Conn: c, listener: l, from: peerOf(c.RemoteAddr().String())}
		if !l.enter(k) {
			c.Close()
			l.spares.fill()
			continue
		}
		if cfg := l.tls.Load(); cfg != nil {
			return tls.Server(k, cfg), nil
		}
		return k, nil
	}
}

// acceptOne accepts with a descriptor that was kept for it where the process has
// no other. net/http tries again, after a pause, what fails all the same.
func (l *listener) acceptOne() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for err != nil && exhausted(err) && l.spares.release() {
		c, err = l.Listener.Accept()
	}
	if err != nil && exhausted(err) && l.relieve != nil {
		l.relieve()
	}
	return c, err
}

// exhausted reports whether an error says that there is no descriptor left.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// enter gives a connection a place, if need be that of another.
func (l *listener) enter(k *counted) bool {
	l.mu.Lock()
	var gone *counted
	switch {
	case l.peers[k.from] >= l.perPeer:
		gone = l.longestLocked(k.from)
	case l.peers[""] >= l.most:
		gone = l.longestLocked(l.mostWaitingLocked())
	default:
		l.takePlaceLocked(k)
		l.mu.Unlock()
		return true
	}
	if gone == nil {
		l.mu.Unlock()
		return false
	}
	l.leaveLocked(gone)
	l.takePlaceLocked(k)
	l.mu.Unlock()
	gone.Conn.Close()
	return true
}

func (l *listener) takePlaceLocked(k *counted) {
	k.placed = true
	l.peers[""]++
	l.peers[k.from]++
	k.wait = l.waiting.PushBack(k)
}

func (l *listener) leaveLocked(k *counted) {
	if !k.placed {
		return
	}
	k.placed = false
	l.peers[""]--
	if l.peers[k.from]--; l.peers[k.from] == 0 {
		delete(l.peers, k.from)
	}
	l.begunLocked(k)
}

// begunLocked takes a connection off the list of those that wait.
func (l *listener) begunLocked(k *counted) {
	if k.wait != nil {
		l.waiting.Remove(k.wait)
		k.wait = nil
	}
}

// longestLocked returns the connection of a peer that waits longest.
func (l *listener) longestLocked(from string) *counted {
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*counted); k.from == from {
			return k
		}
	}
	return nil
}

// mostWaitingLocked returns the peer with most connections that wait.
func (l *listener) mostWaitingLocked() (from string) {
	n := map[string]int{}
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		k := e.Value.(*counted)
		if n[k.from]++; n[k.from] > n[from] {
			from = k.from
		}
	}
	return from
}

// noted is the server's ConnState: a connection is not closed for another while
// a request is served on it.
func (l *listener) noted(nc net.Conn, s http.ConnState) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	k, ok := nc.(*counted)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s == http.StateActive:
		l.begunLocked(k)
	case s == http.StateIdle && k.placed && k.wait == nil:
		k.wait = l.waiting.PushBack(k)
	}
}

// counted is a connection that has a place.
type counted struct {
	net.Conn
	listener *listener
	from     string

	placed bool          // this and the following are guarded by listener.mu
	wait   *list.Element // nil: a request is being served
}

func (c *counted) Close() error {
	c.listener.mu.Lock()
	c.listener.leaveLocked(c)
	c.listener.mu.Unlock()
	err := c.Conn.Close()
	c.listener.spares.fill()
	return err
}

// spares are descriptors that are kept for the moment when there is no other.
type spares struct {
	mu     sync.Mutex // guards the following
	files  [2]*os.File
	closed bool
}

// fill opens what is missing, as far as there are descriptors.
func (s *spares) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.files {
		if s.files[i] == nil && !s.closed {
			s.files[i], _ = os.Open(os.DevNull) // without one, the next attempt may have it
		}
	}
}

// release closes one, and reports whether there was any.
func (s *spares) release() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.files {
		if f != nil {
			s.files[i] = nil
			f.Close()
			return true
		}
	}
	return false
}

func (s *spares) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for s.release() {
	}
}

// Close stops accepting. Idempotent.
func (l *listener) Close() error {
	l.spares.close()
	return l.Listener.Close()
}

// tlsConfig returns what connections that come from now on are held to; nil:
// clear text. A client need not have a certificate, for it may have a token,
// but one that does not verify ends the handshake.
func tlsConfig(c Config) *tls.Config {
	if c.Certificate == nil {
		return nil
	}
	cfg := &tls.Config{
		GetCertificate: c.Certificate,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
	}
	if c.ClientCAs != nil {
		cfg.ClientCAs, cfg.ClientAuth = c.ClientCAs, tls.VerifyClientCertIfGiven
	}
	return cfg
}
