package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"idlehost/host/internal/books"
	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
	front "idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/route"
	backend "idlehost/host/internal/proxy/upstream"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/tenant"
	"idlehost/plugins"
)

// Names of the two tenants, and of their listeners.
const (
	quiet   = "quiet"
	hostile = "hostile"
)

// shared is a host of two tenants, wired as package app wires one of one: each
// has accounts, books and a policy of its own; engine, compiler, governor, proxy
// and observers are everybody's.
type shared struct {
	compiler *compile.Compiler
	engine   *engine.Engine
	governor *idle.Governor
	metrics  *observe.Metrics
	logger   *slog.Logger
	tenants  map[string]*tenant.Tenant
	routes   routes
	proxy    *front.Proxy
	address  string // of the quiet tenant's listener
	loads    atomic.Int64
}

// target is the tenant of a listener.
type target struct {
	account *idle.Account
	site    *route.Site
}

func (t target) Account() *idle.Account          { return t.account }
func (target) Warm(context.Context)              {}
func (t target) Site(string) (*route.Site, bool) { return t.site, true }

// routes leads each listener to its tenant.
type routes map[string]target

// Route implements proxy.Router.
func (r routes) Route(c *route.ConnInfo) (route.Target, error) { return r[c.Listener], nil }

// serveShared runs a host in front of an upstream, with its cache in dir. It
// prints its address, then obeys one line of standard input after the other:
// each names the attack that runs until the next line, and is answered by what
// the attack before it has done. It ends with its input.
func serveShared(upstream, dir string) error {
	ballast := make([]byte, 16<<20) // as package app has one
	defer runtime.KeepAlive(ballast)
	s, err := newShared(upstream, dir)
	if err != nil {
		return err
	}
	a, err := newAttacker(s, filepath.Dir(dir))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.proxy.Serve(ctx)
	}()
	fmt.Println(s.address)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(a.turnTo(lines.Text()))
	}
	a.turnTo(none)
	stop()
	<-served
	return s.close()
}

func newShared(target, dir string) (s *shared, err error) {
	s = &shared{metrics: observe.NewMetrics("bench"), tenants: map[string]*tenant.Tenant{}, routes: routes{}}
	if s.logger, _, err = observe.NewLogger(io.Discard, "json", "info"); err != nil {
		return nil, err
	}
	// A cache that keeps nothing: whoever attacks changes a byte each time.
	s.compiler, err = compile.New(context.Background(), compile.Config{
		Argv: []string{os.Args[0], compileApart}, Dir: dir, CacheBytes: 1,
	})
	if err != nil {
		return nil, err
	}
	if c := s.compiler.Capability(); !c.Apart {
		return nil, fmt.Errorf("nothing compiles apart: %w", c.Why)
	}
	s.engine, err = engine.New(context.Background(), engine.Config{Compiler: compile.Loader{Compiler: s.compiler}, Log: s.guestSays})
	if err != nil {
		return nil, err
	}
	s.govern()
	var listeners []front.Listener
	for _, name := range []string{quiet, hostile} {
		l, err := s.settle(name, target)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	s.address = listeners[0].Listener.Addr().String()
	if err := s.load(quiet, engine.Source{Name: "adaptive", Wasm: bundled("adaptive")}); err != nil {
		return nil, err
	}
	s.proxy, err = front.New(front.Config{Governor: s.governor, Router: s.routes, Logger: s.logger, Listeners: listeners})
	return s, err
}

func (s *shared) guestSays(module string, _ int, text string) {
	s.logger.Info("policy says", "policy", module, "text", text)
}

func (s *shared) govern() {
	lines := observe.NewLines(observe.LinesConfig{Logger: s.logger, Rate: 50, Burst: 200, Metrics: s.metrics})
	s.governor = idle.New(idle.Config{
		Pressure: observe.NewProcess().Pressure, Observer: observe.Observers{s.metrics, lines},
	})
}

// settle gives a tenant accounts, and a listener on a free port.
func (s *shared) settle(name, upstream string) (front.Listener, error) {
	c := config.Default()
	t := tenant.New(tenant.Config{Name: name, Logger: s.logger})
	s.tenants[name] = t
	accepted := idle.NewAccount(name, t, books.New(books.Config{Clients: c.Limits.Clients}), c.Timeouts.Accepted(), c.DialledLimits())
	dialled := idle.NewAccount(name, t, books.New(books.Config{Clients: 256}), c.Timeouts.Dialled(), c.DialledLimits())
	g, err := backend.New(backend.Config{Governor: s.governor, Account: dialled, Targets: []string{upstream}})
	if err != nil {
		return front.Listener{}, err
	}
	s.routes[name] = target{accepted, &route.Site{Upstream: g}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return front.Listener{Listener: l, Name: name}, err
}

// guest is a loaded policy as a tenant has it.
type guest struct{ *engine.Policy }

func (g guest) Learned() policy.State { return g.State() }

// load puts a policy in charge of a tenant.
func (s *shared) load(name string, src engine.Source) error {
	p, err := s.engine.Load(context.Background(), src)
	s.metrics.Loaded(name, policy.FaultNone)
	if err != nil {
		return err
	}
	// Each load is a version of its own: one that is there keeps its guest.
	v := tenant.Version{Digest: p.Digest(), Params: map[string]string{"load": fmt.Sprint(s.loads.Add(1))}}
	s.tenants[name].Set(tenant.Plan{Active: &tenant.RoleVersion{Version: v, Guest: guest{p}}})
	return nil
}

func bundled(name string) []byte {
	wasm, _ := plugins.Lookup(name)
	return wasm
}

func (s *shared) close() error {
	if err := s.proxy.Close(); err != nil {
		return err
	}
	for _, r := range s.routes {
		r.site.Upstream.Close()
	}
	if err := s.governor.Close(); err != nil {
		return err
	}
	for _, t := range s.tenants {
		if err := t.Close(); err != nil {
			return err
		}
	}
	if err := s.engine.Close(); err != nil {
		return err
	}
	return s.compiler.Close()
}
