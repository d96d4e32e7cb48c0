package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/config"
)

// adminConfig returns what the admin server goes by.
func (a *App) adminConfig(c *config.Config) (admin.Config, error) {
	list, err := tokens(c)
	if err != nil {
		return admin.Config{}, err
	}
	cfg := admin.Config{
		Address: c.Admin.Address, Tokens: list, Closed: !c.Admin.Open, Pprof: c.Admin.Pprof,
		Metrics: a.metrics.Handler(a.logger), Ready: a.ready, Degraded: a.degraded, About: a.about, Logger: a.logger,
		Bearers: a.control, API: a.api,
		Connections: a.descriptors.Admin, Relieve: func() { a.governor.Relieve() },
	}
	for _, who := range c.Admin.Clients {
		cfg.Clients = append(cfg.Clients, admin.Client{Name: who.Name, Tenant: who.Tenant})
	}
	if cfg.ClientCAs, err = authorities(c, "admin.client_ca", c.Admin.ClientCA); err != nil {
		return cfg, err
	}
	cfg.Certificate, err = a.adminCertificate(c)
	return cfg, err
}

// adminCertificate reads the certificate of the admin server; nil: it has none.
func (a *App) adminCertificate(c *config.Config) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if c.Admin.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Admin.TLSCert, c.Admin.TLSKey)
	if err != nil {
		return nil, c.Problem("admin.tls_cert", err.Error(), "")
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }, nil
}

// adminScheme is what the admin server speaks.
func (a *App) adminScheme() string {
	if a.tenants.configured().Admin.TLSCert != "" {
		return "https"
	}
	return "http"
}

// openAdmin binds the admin address, unless it is off.
func (a *App) openAdmin(ctx context.Context, c *config.Config) error {
	if c.Admin.Address == config.Off {
		return nil
	}
	cfg, err := a.adminConfig(c)
	if err != nil {
		return err
	}
	server, err := admin.Listen(ctx, cfg)
	if err != nil {
		return &bindFailure{err, "choose another address with --admin, or do without: --admin off"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.admin = server
	a.noteAdminLocked()
	return nil
}

// noteAdminLocked keeps the address for people, who may ask the server itself
// while a reload holds the lock.
func (a *App) noteAdminLocked() {
	if a.admin == nil {
		a.adminAddr.Store(nil)
		return
	}
	addr := a.admin.Addr()
	a.adminAddr.Store(&addr)
}

// serveAdmin starts to answer. Close ends the server and waits for it.
func (a *App) serveAdmin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serveAdminLocked()
}

func (a *App) serveAdminLocked() {
	server := a.admin
	if server == nil {
		return
	}
	a.served.Go(func() {
		if err := server.Serve(); err != nil {
			a.logger.Error("admin server ended", "error", err)
		}
	})
}

// nextAdmin prepares a reload of the admin server: what it returns makes the
// change, and cannot fail any more; drop undoes the preparation.
func (a *App) nextAdminLocked(ctx context.Context, c *config.Config) (commit, drop func(), err error) {
	old := a.admin
	if c.Admin.Address == config.Off {
		return func() { a.swapAdminLocked(nil) }, func() {}, nil
	}
	cfg, err := a.adminConfig(c)
	if err != nil {
		return nil, nil, err
	}
	if old != nil && old.Address() == cfg.Address {
		return func() {
			if err := old.Update(cfg); err != nil {
				a.logger.Error("admin server not updated", "error", err)
			}
		}, func() {}, nil
	}
	server, err := admin.Listen(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	return func() { a.swapAdminLocked(server) }, func() { server.Close() }, nil
}

// swapAdminLocked puts a server, or none, in the place of the one that runs.
func (a *App) swapAdminLocked(server *admin.Server) {
	old := a.admin
	a.admin = server
	a.noteAdminLocked()
	a.serveAdminLocked()
	if old == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := old.Shutdown(ctx); err != nil {
		a.logger.Warn("admin server not closed", "error", err)
	}
}

// about tells in lines what runs where.
func (a *App) about() []string {
	lines := []string{"host " + a.cfg.Version}
	lines = append(lines, a.listeners.lines()...)
	if n := a.tenants.roster.Len(); n > 1 {
		lines = append(lines, fmt.Sprintf("%d tenants", n))
	}
	if at := a.adminAddr.Load(); at != nil {
		lines = append(lines, "admin "+a.adminScheme()+"://"+reachable(*at))
	}
	return lines
}
