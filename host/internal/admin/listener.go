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
	relieve       func() // frees a descriptor elsewhere; nil: nothing does
	reserve       reserve

	mu      sync.Mutex     // guards the following fields
	peers   map[string]int // open connections, by peer; "" of all
	waiting list.List      // of *countedConn without a request, longest first
}

func newListener(l net.Listener, most int, relieve func()) *listener {
	if most <= 0 {
		most = maxConns
	}
	n := &listener{
		Listener: l, most: most, perPeer: min(max(most/4, minPeerConns), most), relieve: relieve, peers: map[string]int{},
	}
	n.reserve.fill()
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
		k := &countedConn{Conn: c, listener: l, from: peerOf(c.RemoteAddr().String())}
		if !l.add(k) {
			c.Close()
			l.reserve.fill()
			continue
		}
		if cfg := l.tls.Load(); cfg != nil {
			return tls.Server(k, cfg), nil
		}
		return k, nil
	}
}

// acceptOne accepts with a reserved descriptor where the process has no other. If
// that fails, too, net/http tries again after a pause.
func (l *listener) acceptOne() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for err != nil && exhausted(err) && l.reserve.release() {
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

// add counts a connection, if need be in place of another, which it closes.
func (l *listener) add(k *countedConn) bool {
	l.mu.Lock()
	var gone *countedConn
	switch {
	case l.peers[k.from] >= l.perPeer:
		gone = l.longestWaitLocked(k.from)
	case l.peers[""] >= l.most:
		gone = l.longestWaitLocked(l.mostWaitingLocked())
	default:
		l.countLocked(k)
		l.mu.Unlock()
		return true
	}
	if gone == nil {
		l.mu.Unlock()
		return false
	}
	l.uncountLocked(gone)
	l.countLocked(k)
	l.mu.Unlock()
	gone.Conn.Close()
	return true
}

func (l *listener) countLocked(k *countedConn) {
	k.counted = true
	l.peers[""]++
	l.peers[k.from]++
	k.wait = l.waiting.PushBack(k)
}

func (l *listener) uncountLocked(k *countedConn) {
	if !k.counted {
		return
	}
	k.counted = false
	l.peers[""]--
	if l.peers[k.from]--; l.peers[k.from] == 0 {
		delete(l.peers, k.from)
	}
	l.unwaitLocked(k)
}

// unwaitLocked takes a connection off the waiting list.
func (l *listener) unwaitLocked(k *countedConn) {
	if k.wait != nil {
		l.waiting.Remove(k.wait)
		k.wait = nil
	}
}

// longestWaitLocked returns the connection of a peer that waits longest.
func (l *listener) longestWaitLocked(from string) *countedConn {
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*countedConn); k.from == from {
			return k
		}
	}
	return nil
}

// mostWaitingLocked returns the peer with most connections that wait.
func (l *listener) mostWaitingLocked() (from string) {
	n := map[string]int{}
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		k := e.Value.(*countedConn)
		if n[k.from]++; n[k.from] > n[from] {
			from = k.from
		}
	}
	return from
}

// connState is called by the server: a connection does not make room for another
// while a request is served on it.
func (l *listener) connState(nc net.Conn, s http.ConnState) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	k, ok := nc.(*countedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s == http.StateActive:
		l.unwaitLocked(k)
	case s == http.StateIdle && k.counted && k.wait == nil:
		k.wait = l.waiting.PushBack(k)
	}
}

// countedConn is a connection that the listener counts.
type countedConn struct {
	net.Conn
	listener *listener
	from     string

	counted bool          // this and the following are guarded by listener.mu
	wait    *list.Element // nil: a request is being served
}

func (c *countedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.uncountLocked(c)
	c.listener.mu.Unlock()
	err := c.Conn.Close()
	c.listener.reserve.fill()
	return err
}

// reserve keeps descriptors to accept with when the process has no other.
type reserve struct {
	mu     sync.Mutex // guards the following
	files  [2]*os.File
	closed bool
}

// fill opens what is missing, as far as there are descriptors.
func (s *reserve) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.files {
		if s.files[i] == nil && !s.closed {
			s.files[i], _ = os.Open(os.DevNull) // without one, the next attempt may have it
		}
	}
}

// release closes one, and reports whether there was any.
func (s *reserve) release() bool {
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

func (s *reserve) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for s.release() {
	}
}

// Close stops accepting. Idempotent.
func (l *listener) Close() error {
	l.reserve.close()
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
