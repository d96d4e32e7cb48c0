package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/upstream/h1"
	"idlehost/sdk/abi"
)

// addClients gives t the clients that its scheme needs.
func (g *Group) addClients(t *target) {
	d := &dialling{group: g, target: t}
	switch {
	case t.h2c:
		t.h2 = g.newH2()
		t.h2.DialContext = d.h2c
	case t.url.Scheme == "http":
		t.h1 = g.newH1(d.plain)
	case t.url.Scheme == "https":
		d.any, d.http1 = g.clientTLS(t, "h2", "http/1.1"), g.clientTLS(t, "http/1.1")
		t.h1, t.upgrades = g.newH1(d.secure), g.newH1(d.secureH1)
		t.h2 = g.newH2()
		t.h2.DialTLSContext = d.secureH2
	}
}

func (g *Group) newH1(dial func(context.Context) (*h1.Conn, error)) *h1.Client {
	return h1.New(h1.Config{Dial: dial, ContinueTimeout: g.cfg.ContinueTimeout, MaxHeaderBytes: g.cfg.MaxHeaderBytes})
}

// newH2 returns a transport that speaks HTTP/2 only.
func (g *Group) newH2() *http.Transport {
	tr := &http.Transport{
		DisableCompression:     true, // what the client may decode is the client's affair
		ExpectContinueTimeout:  g.cfg.ContinueTimeout,
		MaxResponseHeaderBytes: g.cfg.MaxHeaderBytes,
		Protocols:              new(http.Protocols),
	}
	tr.Protocols.SetHTTP2(true)
	tr.Protocols.SetUnencryptedHTTP2(true)
	return tr
}

// clientTLS fills in what the operator's configuration leaves open.
func (g *Group) clientTLS(t *target, protocols ...string) *tls.Config {
	c := &tls.Config{}
	if g.cfg.TLS != nil {
		c = g.cfg.TLS.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = t.url.Hostname()
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	c.NextProtos = protocols
	return c
}

// errOtherProtocol says that a server has chosen another HTTP than it did
// before. The connection is kept for the request that comes again.
var errOtherProtocol = errors.New("the server has chosen another protocol")

// dialling makes one target's connections for its clients.
type dialling struct {
	group      *Group
	target     *target
	any, http1 *tls.Config // what may be negotiated
}

// plain connects in clear.
func (d *dialling) plain(ctx context.Context) (*h1.Conn, error) {
	c, err := d.group.connect(ctx, d.target)
	if err != nil {
		return nil, err
	}
	if err := admit(c, abi.ProtocolHTTP1); err != nil {
		return nil, err
	}
	return h1.NewConn(c), nil
}

func (d *dialling) h2c(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := d.group.connect(ctx, d.target)
	if err != nil {
		return nil, err
	}
	if err := admit(c, abi.ProtocolHTTP2); err != nil {
		return nil, err
	}
	return c, nil
}

// secureH1 connects for what HTTP/2 cannot do.
func (d *dialling) secureH1(ctx context.Context) (*h1.Conn, error) {
	k, _, err := d.handshake(ctx, d.http1)
	return k, err
}

// secure connects for HTTP/1. Where the server prefers HTTP/2, its transport
// gets the connection.
func (d *dialling) secure(ctx context.Context) (*h1.Conn, error) {
	k, tc, err := d.handshake(ctx, d.any)
	if err != nil || tc == nil {
		return k, err
	}
	d.target.speaksH2.Store(true)
	d.target.handover.put(tc)
	return nil, errOtherProtocol
}

// secureH2 connects for HTTP/2's transport, which asks the connection what was
// negotiated.
func (d *dialling) secureH2(ctx context.Context, _, _ string) (net.Conn, error) {
	if tc := d.target.handover.take(); tc != nil {
		return tc, nil
	}
	k, tc, err := d.handshake(ctx, d.any)
	if err != nil {
		return nil, err
	}
	if tc == nil {
		d.target.speaksH2.Store(false)
		d.target.h1.Keep(k)
		return nil, errOtherProtocol
	}
	return tc, nil
}

// handshake connects and shakes hands, so that the handshake is governed by
// the law of its own phase. It returns either an HTTP/1 connection or one that
// HTTP/2 was negotiated for.
func (d *dialling) handshake(ctx context.Context, config *tls.Config) (*h1.Conn, *tls.Conn, error) {
	c, err := d.group.connect(ctx, d.target)
	if err != nil {
		return nil, nil, err
	}
	k := h1.NewConn(c)
	tc := tls.Client(k.Wire(), config)
	ctx, cancel := context.WithTimeout(ctx, d.group.cfg.DialTimeout)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, nil, &dialError{fmt.Errorf("tls handshake: %w", err)}
	}
	state := tc.ConnectionState()
	c.SetHandshake(1)
	if state.DidResume {
		c.SetHandshake(2)
	}
	if state.NegotiatedProtocol == "h2" {
		return nil, tc, admit(c, abi.ProtocolHTTP2)
	}
	k.Secure(tc)
	return k, nil, admit(c, abi.ProtocolHTTP1)
}

// connect opens a governed connection, in phase Handshake. Its error is an
// idle.ErrFull where the host has no descriptor for it.
func (g *Group) connect(ctx context.Context, t *target) (*idle.Conn, error) {
	return g.cfg.Governor.Dial(ctx, g.cfg.Account, func() (net.Conn, error) {
		nc, err := g.dialer.DialContext(ctx, "tcp", t.address)
		if err != nil && !idle.Exhausted(err) {
			err = &dialError{err}
		}
		return nc, err
	})
}

// admit asks the policy; on refusal the connection is closed.
func admit(c *idle.Conn, p policy.Protocol) error {
	c.SetProtocol(p)
	if err := c.Admit(nil); err != nil {
		c.Close()
		return err
	}
	return nil
}

// Dial opens a connection for a relay to the next tcp target that can be
// reached, in phase Tunnel. The text names the target last tried.
func (g *Group) Dial(ctx context.Context) (c *idle.Conn, target string, err error) {
	first := g.first()
	err = ErrNoTarget
	for i := range g.targets {
		t := g.at(first, i)
		if t.url.Scheme != "tcp" {
			continue
		}
		target = t.String()
		if c, err = g.connect(ctx, t); err != nil {
			if ctx.Err() != nil || errors.Is(err, idle.ErrFull) {
				return nil, target, err
			}
			continue
		}
		if err = admit(c, abi.ProtocolTCP); err != nil {
			return nil, target, err
		}
		c.SetPhase(abi.PhaseTunnel)
		return c, target, nil
	}
	return nil, target, err
}

// dialError says that no connection came about, so that another target may be
// tried.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// NotConnected reports whether err says that no connection came about.
func NotConnected(err error) bool {
	var d *dialError
	return errors.As(err, &d)
}
