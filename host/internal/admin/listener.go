package admin

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

// How many connections are open at a time, from all peers and from one. The
// host needs descriptors for its own traffic, and strangers reach this address
// before anybody has asked who they are.
const (
	maxConns     = 1024
	maxPeerConns = 256
)

// listener bounds what it accepts, and wraps it in TLS if there is a
// configuration at that time.
type listener struct {
	net.Listener
	tls atomic.Pointer[tls.Config] // nil: clear text

	mu    sync.Mutex     // guards the following field
	peers map[string]int // open connections, by peer; "" of all
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, peers: map[string]int{}}
}

// Accept leaves the handshake to net/http, which bounds its time. Who is one
// too many is hung up on.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := peerOf(c.RemoteAddr().String())
		if !l.enter(from) {
			c.Close()
			continue
		}
		c = &counted{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}
		if cfg := l.tls.Load(); cfg != nil {
			c = tls.Server(c, cfg)
		}
		return c, nil
	}
}

func (l *listener) enter(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers[""] >= maxConns || l.peers[from] >= maxPeerConns {
		return false
	}
	l.peers[""]++
	l.peers[from]++
	return true
}

func (l *listener) leave(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers[""]--
	if l.peers[from]--; l.peers[from] == 0 {
		delete(l.peers, from)
	}
}

// counted is a connection that has a place.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
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
