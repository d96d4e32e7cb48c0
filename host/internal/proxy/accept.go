package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

	"idlehost/host/internal/idle"
)

// Listener is a socket that connections are accepted from.
type Listener struct {
	net.Listener
	// Name is what the Router and the log call it.
	Name string
	// TLS makes it speak TLS.
	TLS *Certificates
	// ProxyFrom are the networks of proxies in front. Connections from there
	// must begin with a header of the PROXY protocol, version 1 or 2, which
	// names the client. What others send is passed on as it is: a header from
	// anybody would prove nothing.
	ProxyFrom []netip.Prefix
	// TCP relays bytes instead of HTTP.
	TCP bool

	tlsConfig *tls.Config
}

// The pause after a failed accept doubles from pauseMin to pauseMax.
const (
	pauseMin = 5 * time.Millisecond
	pauseMax = time.Second
)

// accept accepts until the listener is closed. Running out of descriptors is
// no reason to stop: an idle connection is evicted, and the next attempt is made
// when a descriptor has been given back, or after a pause.
func (p *Proxy) accept(l *Listener) {
	pause := time.Duration(0)
	for {
		freed := p.gov.Freed()
		nc, err := l.Accept()
		if err == nil {
			if pause > 0 {
				p.log.Info("accepting again", "listener", l.Name)
				pause = 0
			}
			p.serveAccepted(l, nc)
			if p.gov.Crowded() {
				// Earlier connections run first: their requests may have
				// arrived, and then they are not evicted for the next one.
				runtime.Gosched()
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if pause == 0 { // once per burst
			p.log.Error("cannot accept", "listener", l.Name, "error", err.Error())
		}
		if idle.Exhausted(err) {
			p.gov.Relieve()
		}
		pause = min(max(2*pause, pauseMin), pauseMax)
		select {
		case <-p.stopped:
			return
		case <-freed:
		case <-time.After(pause):
		}
	}
}

// serveAccepted has a connection served, if there is room for it.
func (p *Proxy) serveAccepted(l *Listener, nc net.Conn) {
	s := p.newSetup(l, nc)
	if s != nil && !p.crew.begin(func() { p.serve(s) }) {
		s.conn.Close()
	}
}

// newListener prepares the TLS configuration, once: session tickets are only
// good for the configuration that issued them.
func newListener(l Listener) *Listener {
	if l.TLS != nil && l.tlsConfig == nil {
		if l.TCP {
			l.tlsConfig = l.TLS.config()
		} else {
			l.tlsConfig = l.TLS.config("h2", "http/1.1")
		}
		l.tlsConfig.GetConfigForClient = clientHello
	}
	return &l
}
