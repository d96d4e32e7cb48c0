// Package upstream reaches the servers behind the proxy. A Group is a set of
// equal targets and the connections to them, each governed by the idle layer
// like a client's: the policy decides how long one stays in the pool.
package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/upstream/h1"
)

// ErrNoTarget is returned when a Group has no target that serves the protocol
// in question.
var ErrNoTarget = errors.New("no upstream target")

// Config configures a Group.
type Config struct {
	Governor *idle.Governor
	// Account is the tenant that dialled connections belong to.
	Account *idle.Account
	// Targets are URLs: http, https, h2c (HTTP/2 with prior knowledge) or tcp.
	// A path is put before that of every request.
	Targets []string
	// TLS is used for https targets; nil: the system's authorities. Server
	// name and session cache are filled in where empty, protocols always.
	TLS *tls.Config
	// DialTimeout bounds one connect, and one TLS handshake after it. 0: 10 s.
	DialTimeout time.Duration
	// ContinueTimeout is how long a request with Expect: 100-continue waits
	// for an answer before its content follows. 0: 1 s.
	ContinueTimeout time.Duration
	// MaxHeaderBytes bounds the header section of an answer. 0: 1 MiB.
	MaxHeaderBytes int64
}

// Group is a set of equal targets. It serves in turn; a target that cannot be
// connected to is passed over.
type Group struct {
	cfg     Config
	dialer  net.Dialer
	targets []*target
	next    atomic.Uint32
}

// New returns a Group. The error names the target that is wrong.
func New(cfg Config) (*Group, error) {
	if cfg.Governor == nil || cfg.Account == nil {
		return nil, errors.New("upstream: governor and account are required")
	}
	if len(cfg.Targets) == 0 {
		return nil, ErrNoTarget
	}
	if cfg.DialTimeout <= 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	if cfg.ContinueTimeout <= 0 {
		cfg.ContinueTimeout = time.Second
	}
	if cfg.MaxHeaderBytes <= 0 {
		cfg.MaxHeaderBytes = 1 << 20
	}
	g := &Group{cfg: cfg, dialer: net.Dialer{Timeout: cfg.DialTimeout}}
	for _, s := range cfg.Targets {
		t, err := parseTarget(s)
		if err != nil {
			return nil, fmt.Errorf("upstream target %q: %w", s, err)
		}
		g.targets = append(g.targets, t)
		g.addClients(t)
	}
	return g, nil
}

// Close closes the connections that nobody uses. Requests under way go on.
func (g *Group) Close() {
	for _, t := range g.targets {
		for _, c := range []*h1.Client{t.h1, t.upgrades} {
			if c != nil {
				c.Close()
			}
		}
		if t.h2 != nil {
			t.h2.CloseIdleConnections()
		}
		t.handover.close()
	}
}

// first starts a round: the index of the target whose turn it is.
func (g *Group) first() uint32 {
	if len(g.targets) == 1 {
		return 0
	}
	return g.next.Add(1) - 1
}

// at returns the target for an attempt of the round.
func (g *Group) at(first uint32, attempt int) *target {
	return g.targets[(uint64(first)+uint64(attempt))%uint64(len(g.targets))]
}
