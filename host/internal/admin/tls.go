package admin

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// listener wraps what it accepts in TLS, if there is a configuration at that
// time.
type listener struct {
	net.Listener
	tls atomic.Pointer[tls.Config] // nil: clear text
}

// Accept leaves the handshake to net/http, which bounds its time.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if cfg := l.tls.Load(); cfg != nil {
		return tls.Server(c, cfg), nil
	}
	return c, nil
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
