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

// listeners are everything that connections come in by.
type listeners struct {
	listenersConfig
	done chan struct{} // closed by stop
	once sync.Once     // for stop

	mu      sync.Mutex // guards the following fields
	started bool       // listeners accept
	stopped bool       // they do no longer, and new ones will not
	active  []*listener
	retired []*listener // replaced; they still serve connections
}

// listenersConfig is what listeners are made with.
type listenersConfig struct {
	tenants    *tenants
	governor   *idle.Governor
	unassigned *idle.Account // of connections whose tenant is not known yet
	logger     *slog.Logger
}

func newListeners(cfg listenersConfig) *listeners {
	return &listeners{listenersConfig: cfg, done: make(chan struct{})}
}

// plan is a set of listeners that is ready to take over.
type plan struct {
	active []planned
	fresh  []*socket // bound for the plan
}

// planned is a listener with what it is to serve.
type planned struct {
	*listener
	next *listenerSnapshot
}

// drop gives back what the plan had taken.
func (p *plan) drop() {
	for _, s := range p.fresh {
		s.inner.Close()
	}
}

// prepare does all that may fail: it reads certificates, and binds addresses
// that are new.
func (e *listeners) prepare(ctx context.Context, c *config.Config) (*plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := trust(c); err != nil {
		return nil, err
	}
	p := &plan{}
	unused := append([]*listener(nil), e.active...)
	for i, l := range c.Listeners {
		f, err := e.listenerLocked(ctx, c, i, &unused, p)
		if err != nil {
			p.drop()
			return nil, err
		}
		p.active = append(p.active, planned{f, newListenerSnapshot(c, l)})
	}
	return p, nil
}

// listenerLocked returns the listener of entry i of the configuration: the one there is, another on
// its socket, or one on a fresh socket.
func (e *listeners) listenerLocked(ctx context.Context, c *config.Config, i int, unused *[]*listener, p *plan) (*listener, error) {
	l := c.Listeners[i]
	f := &listener{listenersConfig: e.listenersConfig, config: l, ended: make(chan struct{})}
	f.assigner = &unassigned{f}
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

func (f *listener) readCertificates(c *config.Config, i int) error {
	if len(f.config.TLS) == 0 {
		return nil
	}
	var pairs []proxy.KeyPair
	for _, t := range f.config.TLS {
		pairs = append(pairs, proxy.KeyPair{Cert: t.Cert, Key: t.Key})
	}
	var err error
	if f.certs, err = proxy.NewCertificates(pairs, f.logger); err != nil {
		return c.Problem(config.Index("listener", i)+".tls", err.Error(), "")
	}
	return nil
}

// commit lets a plan take over. Connections stay with the listener that accepted
// them. What fails is logged: there is no way back.
func (e *listeners) commit(p *plan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.active
	e.active = nil
	kept, sockets := map[*listener]bool{}, map[*socket]bool{}
	for _, f := range p.active {
		e.active = append(e.active, f.listener)
		f.listener.snapshot.Store(f.next)
		kept[f.listener], sockets[f.socket] = true, true
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

// startLocked lets every listener accept that does not yet.
func (e *listeners) startLocked() {
	for _, f := range e.active {
		if f.proxy != nil {
			continue
		}
		if err := f.start(); err != nil {
			e.logger.Error("listener not started", "error", err)
		}
	}
}

// serve accepts connections until stop.
func (e *listeners) serve() error {
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
func (e *listeners) stop() {
	e.stopAccepting()
	e.once.Do(func() { close(e.done) })
}

// stopAccepting closes every address. Connections go on.
func (e *listeners) stopAccepting() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	for _, f := range e.active {
		f.stopAccepting()
		f.socket.inner.Close()
	}
}

// close ends every connection and waits for all that runs.
func (e *listeners) close() error {
	e.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, f := range append(e.active, e.retired...) {
		if f.proxy != nil {
			errs = append(errs, f.proxy.Close())
		}
	}
	return errors.Join(errs...)
}

// forget gives up the targets of a tenant that has been dismissed.
func (e *listeners) forget(m *tenantRuntime) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range slices.Concat(e.active, e.retired) {
		f.targets.Delete(m)
	}
}

// lines tells a person what is listened on.
func (e *listeners) lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var lines []string
	for _, f := range e.active {
		lines = append(lines, f.line())
	}
	return lines
}

// demoHint tells how to see something, when the built-in demo answers; empty
// otherwise.
func (e *listeners) demoHint() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.active {
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
