// Package tcpproxy relays bytes between a client and an upstream without
// looking at them.
package tcpproxy

import (
	"context"
	"errors"
	"log/slog"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/tunnel"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/sdk/abi"
)

// Relay passes bytes between a client, whose governed connection is down, and a
// target of the group. Over TLS nc is the *tls.Conn, else down itself. It
// returns when the target is connected to, or cannot be; from then on tunnels
// owns both connections, and closes them in the end.
func Relay(ctx context.Context, nc tunnel.Stream, down *idle.Conn, group *upstream.Group, tunnels *tunnel.Group, log *slog.Logger) {
	up, target, err := dial(ctx, group)
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, idle.ErrFull) { // the host says so, once for all of them
			level = slog.LevelDebug
		}
		log.Log(ctx, level, "upstream failed", "protocol", "tcp", "conn", down.ID(), "peer", down.RemoteAddr().String(),
			"upstream", target, "error", err.Error())
		nc.Close()
		return
	}
	down.SetProtocol(abi.ProtocolTCP)
	tunnels.Open(tunnel.End{Conn: down, Stream: nc}, tunnel.End{Conn: up, Stream: up})
}

func dial(ctx context.Context, g *upstream.Group) (*idle.Conn, string, error) {
	if g == nil {
		return nil, "", upstream.ErrNoTarget
	}
	return g.Dial(ctx)
}
