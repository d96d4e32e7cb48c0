package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// unlimited stands where the transport wants a number: how many connections
// idle is for the policy to say.
const unlimited = 1 << 20

// newTransport returns a transport for t that speaks one of protocols, in the
// order of preference, where TLS lets it choose.
func (g *Group) newTransport(t *target, protocols ...string) *http.Transport {
	d := &dialling{group: g, target: t}
	tr := &http.Transport{
		DialContext:            d.plain,
		DialTLSContext:         d.secure,
		MaxIdleConnsPerHost:    unlimited,
		DisableCompression:     true, // what the client may decode is the client's affair
		ExpectContinueTimeout:  g.cfg.ContinueTimeout,
		MaxResponseHeaderBytes: g.cfg.MaxHeaderBytes,
		Protocols:              new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(!t.h2c)
	tr.Protocols.SetUnencryptedHTTP2(t.h2c)
	if t.url.Scheme == "https" {
		tr.Protocols.SetHTTP2(slices.Contains(protocols, "h2"))
		d.tls = g.clientTLS(t)
		d.tls.NextProtos = protocols
	}
	return tr
}

// clientTLS fills in what the operator's configuration leaves open.
func (g *Group) clientTLS(t *target) *tls.Config {
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
	return c
}

// dialling makes one target's connections for its transport.
type dialling struct {
	group  *Group
	target *target
	tls    *tls.Config
}

// plain connects in clear.
func (d *dialling) plain(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := d.group.connect(ctx, d.target)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: c, h2: d.target.h2c}
	if err := w.admit(); err != nil {
		return nil, err
	}
	if w.h2 {
		return w, nil
	}
	return &top{Conn: w, wire: w}, nil
}

// secure connects and shakes hands, so that the handshake is governed by the
// law of its own phase.
func (d *dialling) secure(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := d.group.connect(ctx, d.target)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: c}
	tc := tls.Client(w, d.tls)
	ctx, cancel := context.WithTimeout(ctx, d.group.cfg.DialTimeout)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, &dialError{fmt.Errorf("tls handshake: %w", err)}
	}
	state := tc.ConnectionState()
	c.SetHandshake(1)
	if state.DidResume {
		c.SetHandshake(2)
	}
	w.h2 = state.NegotiatedProtocol == "h2"
	if err := w.admit(); err != nil {
		return nil, err
	}
	if w.h2 {
		return tc, nil // the transport asks it what was negotiated
	}
	return &top{Conn: tc, wire: w}, nil
}

// connect opens a governed connection, in phase Handshake.
func (g *Group) connect(ctx context.Context, t *target) (*idle.Conn, error) {
	nc, err := g.dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, &dialError{err}
	}
	return g.cfg.Governor.Govern(nc, g.cfg.Account, abi.SideDialled), nil
}

// admit asks the policy; on refusal the connection is closed.
func (w *wire) admit() error {
	w.conn.SetProtocol(abi.ProtocolHTTP1)
	if w.h2 {
		w.conn.SetProtocol(abi.ProtocolHTTP2)
	}
	return admit(w.conn)
}

func admit(c *idle.Conn) error {
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
			if ctx.Err() != nil {
				return nil, target, err
			}
			continue
		}
		c.SetProtocol(policy.Protocol(abi.ProtocolTCP))
		if err = admit(c); err != nil {
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
