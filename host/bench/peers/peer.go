package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// kind is what a client speaks.
type kind string

const (
	http1   kind = "h1"
	https1  kind = "tls"
	h2clear kind = "h2c"
	h2tls   kind = "tls-h2"
	wsClear kind = "ws"
)

// secure tells whether it goes over TLS.
func (k kind) secure() bool { return k == https1 || k == h2tls }

// patience bounds everything that a client waits for.
const patience = 60 * time.Second

// peer is one connection of a client.
type peer interface {
	// Ask sends a request, or a message, and reads the whole answer.
	Ask() error
	Close() error
}

// dialer opens connections from many addresses of the loopback network, since
// each has 28,000 ports towards one destination.
type dialer struct {
	kind    kind
	address string
	// Classic offers X25519 alone, so that all do the same handshake: OpenSSL
	// 3.0 knows no other that Go prefers. Else the hello is as browsers send it.
	classic bool

	next atomic.Uint32
}

const sources = 32 // 127.0.0.2 and on

// transport connects, and shakes hands if the kind asks for it.
func (d *dialer) transport() (net.Conn, error) {
	n := d.next.Add(1)
	nd := net.Dialer{
		Timeout:   patience,
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n%sources))},
		Control:   lateBind,
		KeepAlive: -1, // a timer of the kernel for each: not what is measured
	}
	nc, err := nd.Dial("tcp", d.address)
	if err != nil || !d.kind.secure() {
		return nc, err
	}
	// The certificate is the run's own.
	cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	if d.kind == h2tls {
		cfg.NextProtos = []string{"h2"}
	}
	if d.classic {
		cfg.CurvePreferences = []tls.CurveID{tls.X25519}
	}
	tc := tls.Client(nc, cfg)
	if err := handshake(tc, d.kind); err != nil {
		nc.Close()
		return nil, err
	}
	return tc, nil
}

func handshake(tc *tls.Conn, k kind) error {
	tc.SetDeadline(time.Now().Add(patience))
	if err := tc.Handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if p := tc.ConnectionState().NegotiatedProtocol; k == h2tls && p != "h2" {
		return fmt.Errorf("negotiated %q, want h2", p)
	}
	return tc.SetDeadline(time.Time{})
}

// open connects a peer.
func (d *dialer) open() (peer, error) {
	nc, err := d.transport()
	if err != nil {
		return nil, err
	}
	var p peer
	nc.SetDeadline(time.Now().Add(patience))
	switch d.kind {
	case http1, https1:
		p = &h1Peer{nc: nc}
	case h2clear, h2tls:
		p, err = openH2(nc, d.kind.secure())
	case wsClear:
		p, err = openWS(nc)
	default:
		err = fmt.Errorf("no kind of connection is called %q", d.kind)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return p, nil
}

// readers lends idle connections nothing: a reader is taken for an exchange,
// at whose end it must be empty.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

func borrow(nc net.Conn) *bufio.Reader {
	br := readers.Get().(*bufio.Reader)
	br.Reset(nc)
	return br
}

// giveBack reports bytes that nobody asked for.
func giveBack(br *bufio.Reader) error {
	n := br.Buffered()
	br.Reset(nil)
	readers.Put(br)
	if n > 0 {
		return fmt.Errorf("%d bytes after the answer", n)
	}
	return nil
}
