// Package tcpproxy relays bytes between a client and an upstream without
// looking at them.
package tcpproxy

import (
	"context"
	"io"
	"log/slog"
	"net"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/sdk/abi"
)

// Relay passes bytes between nc, which the client is connected to (over TLS
// the *tls.Conn) and whose governed connection is down, and a target of the
// group. It returns when both directions have ended, and closes both
// connections. An end of one direction is passed on as such; the end of either
// connection ends the other.
func Relay(ctx context.Context, nc net.Conn, down *idle.Conn, group *upstream.Group, log *slog.Logger) {
	defer nc.Close()
	up, target, err := dial(ctx, group)
	if err != nil {
		log.Warn("upstream failed", "protocol", "tcp", "conn", down.ID(), "peer", nc.RemoteAddr().String(),
			"upstream", target, "error", err.Error())
		return
	}
	defer up.Close()
	down.SetProtocol(abi.ProtocolTCP)
	down.SetPhase(abi.PhaseTunnel)
	t := &tunnel{down: down, up: up, results: make(chan error, 2)}
	go t.fromClient(nc)
	go t.fromUpstream(nc)
	if err := <-t.results; err == nil {
		t.half()
		<-t.results
		return
	}
	// What the other direction still carries has nobody to go to.
	nc.Close()
	up.Close()
	<-t.results
}

func dial(ctx context.Context, g *upstream.Group) (*idle.Conn, string, error) {
	if g == nil {
		return nil, "", upstream.ErrNoTarget
	}
	return g.Dial(ctx)
}

// tunnel is a relay that runs. Its methods are named goroutines, for whoever
// reads stacks.
type tunnel struct {
	down, up *idle.Conn
	results  chan error // one of each direction
}

func (t *tunnel) fromClient(nc net.Conn)   { t.results <- pass(t.up, nc) }
func (t *tunnel) fromUpstream(nc net.Conn) { t.results <- pass(nc, t.up) }

// half says that one direction has ended.
func (t *tunnel) half() {
	t.down.SetPhase(abi.PhaseHalfClosed)
	t.up.SetPhase(abi.PhaseHalfClosed)
}

// pass copies until src ends, and passes the end on. Between two governed
// connections in clear, the kernel does the copying (idle.Conn.ReadFrom).
func pass(dst, src net.Conn) error {
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	if h, ok := dst.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return io.ErrClosedPipe
}
