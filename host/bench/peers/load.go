package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// mode is how a load uses connections.
type mode string

const (
	keepAlive   mode = "keep-alive"   // requests one after the other
	perRequest  mode = "per-request"  // a connection for each request
	connectOnly mode = "connect-only" // a connection without a request, ended by the client
)

// run sends n requests, or opens n connections, conns at a time.
func run(d *dialer, m mode, conns, n int) (report, error) {
	begun := time.Now()
	t := newTally(n)
	var err error
	switch m {
	case keepAlive:
		err = d.keepBusy(t, conns, n)
	case perRequest:
		spread(n, conns, func(i int) { t.time(i, d.askOnce) })
	case connectOnly:
		spread(n, conns, func(i int) { t.time(i, d.comeAndGo) })
	default:
		err = fmt.Errorf("no load is called %q", m)
	}
	if err != nil {
		return report{}, err
	}
	r, err := t.report()
	r.Took = time.Since(begun)
	return r, err
}

func (t *tally) time(i int, f func() error) {
	begun := time.Now()
	err := f()
	t.add(i, time.Since(begun), err)
}

// keepBusy opens the connections before it counts. A connection that fails
// fails all requests it had left.
func (d *dialer) keepBusy(t *tally, conns, n int) error {
	peers := make([]peer, min(conns, n))
	for i := range peers {
		p, err := d.open()
		if err != nil {
			return err
		}
		defer p.Close()
		peers[i] = p
	}
	spread(len(peers), len(peers), func(w int) {
		for i := w; i < n; i += len(peers) {
			t.time(i, peers[w].Ask)
		}
	})
	return nil
}

func (d *dialer) askOnce() error {
	nc, err := d.transport()
	if err != nil {
		return err
	}
	defer nc.Close()
	p := h1Peer{nc}
	return p.askLast()
}

// comeAndGo opens a connection, ends it, and waits until the proxy has too: so
// what it costs the proxy is over when the call returns.
func (d *dialer) comeAndGo() error {
	nc, err := d.transport()
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	if err := endWrites(nc); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, nc)
	return err
}

// endWrites says that nothing more will come, in TLS and in TCP.
func endWrites(nc net.Conn) error {
	if tc, ok := nc.(*tls.Conn); ok {
		if err := tc.CloseWrite(); err != nil {
			return err
		}
		nc = tc.NetConn()
	}
	return nc.(*net.TCPConn).CloseWrite()
}
