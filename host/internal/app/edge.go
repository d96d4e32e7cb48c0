package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy"
)

// edge is everything that connections come in by.
type edge struct {
	edgeConfig
	done chan struct{} // closed by stop
	once sync.Once     // for stop

	mu      sync.Mutex // guards the following fields
	started bool       // fronts accept
	stopped bool       // they do no longer, and new ones will not
	fronts  []*front
	retired []*front // replaced; they still serve connections
}

// edgeConfig is what listeners are made with.
type edgeConfig struct {
	members  *members
	governor *idle.Governor
	lobby    *idle.Account // of connections whose tenant is not known yet
	logger   *slog.Logger
}

func newEdge(cfg edgeConfig) *edge { return &edge{edgeConfig: cfg, done: make(chan struct{})} }

// plan is a set of fronts that is ready to take over.
type plan struct {
	fronts []planned
	fresh  []*socket // bound for the plan
}

// planned is a front with what it is to serve.
type planned struct {
	*front
	next *ground
}

// drop gives back what the plan had taken.
func (p *plan) drop() {
	for _, s := range p.fresh {
		s.inner.Close()
	}
}

// prepare does all that may fail: it reads certificates, and binds addresses
// that are new.
func (e *edge) prepare(ctx context.Context, c *config.Config) (*plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := trust(c); err != nil {
		return nil, err
	}
	p := &plan{}
	unused := append([]*front(nil), e.fronts...)
	for i, l := range c.Listeners {
		f, err := e.frontLocked(ctx, c, i, &unused, p)
		if err != nil {
			p.drop()
			return nil, err
		}
		p.fronts = append(p.fronts, planned{f, newGround(c, l)})
	}
	return p, nil
}

// frontLocked returns the front of listener i: the one there is, another on
// its socket, or one on a fresh socket.
func (e *edge) frontLocked(ctx context.Context, c *config.Config, i int, unused *[]*front, p *plan) (*front, error) {
	l := c.Listeners[i]
	f := &front{edgeConfig: e.edgeConfig, listener: l, ended: make(chan struct{})}
	f.unassigned = &lobby{f}
	for j, old := range *unused {
		if old.socket.address != l.Address {
			continue
		}
		*unused = append((*unused)[:j], (*unused)[j+1:]...)
		if old.like(l) {
			return old, nil
		}
		f.socket = old.socket
		break
	}
	if err := f.readCertificates(c, i); err != nil {
		return nil, err
	}
	if f.socket == nil {
		s, err := bind(ctx, l.Address)
		if err != nil {
			return nil, bindError(l, err)
		}
		f.socket, p.fresh = s, append(p.fresh, s)
	}
	return f, nil
}

func (f *front) readCertificates(c *config.Config, i int) error {
	if len(f.listener.TLS) == 0 {
		return nil
	}
	var pairs []proxy.KeyPair
	for _, t := range f.listener.TLS {
		pairs = append(pairs, proxy.KeyPair{Cert: t.Cert, Key: t.Key})
	}
	var err error
	if f.certs, err = proxy.NewCertificates(pairs, f.logger); err != nil {
		return c.Problem(config.Index("listener", i)+".tls", err.Error(), "")
	}
	return nil
}

// commit lets a plan take over. Connections stay with the front that accepted
// them. What fails is logged: there is no way back.
func (e *edge) commit(p *plan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.fronts
	e.fronts = nil
	kept, sockets := map[*front]bool{}, map[*socket]bool{}
	for _, f := range p.fronts {
		e.fronts = append(e.fronts, f.front)
		f.front.ground.Store(f.next)
		kept[f.front], sockets[f.socket] = true, true
	}
	for _, f := range old {
		if kept[f] {
			f.renew()
			continue
		}
		f.stopAccepting()
		e.retired = append(e.retired, f)
		if !sockets[f.socket] {
			f.socket.inner.Close()
		}
	}
	if e.started && !e.stopped {
		e.startLocked()
	}
}

// startLocked lets every front accept that does not yet.
func (e *edge) startLocked() {
	for _, f := range e.fronts {
		if f.proxy != nil {
			continue
		}
		if err := f.start(); err != nil {
			e.logger.Error("listener not started", "error", err)
		}
	}
}

// serve accepts connections until stop.
func (e *edge) serve() error {
	e.mu.Lock()
	e.started = true
	if !e.stopped {
		e.startLocked()
	}
	e.mu.Unlock()
	<-e.done
	return nil
}

// stop lets serve return.
func (e *edge) stop() {
	e.stopAccepting()
	e.once.Do(func() { close(e.done) })
}

// stopAccepting closes every address. Connections go on.
func (e *edge) stopAccepting() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	for _, f := range e.fronts {
		f.stopAccepting()
		f.socket.inner.Close()
	}
}

// close ends every connection and waits for all that runs.
func (e *edge) close() error {
	e.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, f := range append(e.fronts, e.retired...) {
		if f.proxy != nil {
			errs = append(errs, f.proxy.Close())
		}
	}
	return errors.Join(errs...)
}

// forget gives up the homes of a member that has been dismissed.
func (e *edge) forget(m *member) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range slices.Concat(e.fronts, e.retired) {
		f.homes.Delete(m)
	}
}

// lines tells a person what is listened on.
func (e *edge) lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var lines []string
	for _, f := range e.fronts {
		lines = append(lines, f.line())
	}
	return lines
}

// demoHint tells how to see something, when the built-in demo answers; empty
// otherwise.
func (e *edge) demoHint() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.fronts {
		if strings.HasSuffix(f.whither(), theDemo) {
			insecure := ""
			if f.certs != nil {
				insecure = "-k "
			}
			return fmt.Sprintf("no --upstream is given: the built-in demo answers. Try: curl %s-i %s/", insecure, f.url())
		}
	}
	return ""
}
