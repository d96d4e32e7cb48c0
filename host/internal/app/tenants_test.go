package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	. "idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/tenant/spec"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

var operator = api.Actor{Operator: true, Name: "test"}

// startMany runs a host with a store, whose default tenant answers "house".
func startMany(t *testing.T, edit func(*config.Config)) *running {
	t.Helper()
	dir, house := t.TempDir(), echo(t, "house")
	return start(t, func(c *config.Config) {
		c.Store.Dir = dir
		c.Upstream.Targets = []string{house}
		if edit != nil {
			edit(c)
		}
	})
}

// create makes a tenant whose host is NAME.example, and whose upstream says name.
func (r *running) create(name string) {
	r.t.Helper()
	spec := spec.Spec{Hosts: []string{name + ".example"}, Upstreams: []string{echo(r.t, name)}}
	if _, _, err := r.control.PutTenant(r.t.Context(), operator, name, spec, api.Precondition{Absent: true}); err != nil {
		r.t.Fatal(err)
	}
}

// wire is one connection that requests for several hosts are sent on.
type wire struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader
}

func dialWire(t *testing.T, r *running) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(r.url(0), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &wire{t, nc, bufio.NewReader(nc)}
}

// ask returns the status and the first word of the answer.
func (w *wire) ask(host string) string {
	w.t.Helper()
	fmt.Fprintf(w.nc, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	res, err := http.ReadResponse(w.br, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := bufio.NewReader(res.Body).ReadString(' ')
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(text))
}

func TestAConnectionBelongsToTheFirstHost(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	r.create("b")
	w := dialWire(t, r)
	for _, c := range []struct{ host, want string }{
		{"A.example:80", "200 a"}, {"b.example", "421 421"}, {"a.example.", "200 a"}, {"else.example", "421 421"},
	} {
		if got := w.ask(c.host); got != c.want {
			t.Errorf("%s: %s, want %s", c.host, got, c.want)
		}
	}
	if got := dialWire(t, r).ask("b.example"); got != "200 b" {
		t.Errorf("another connection: %s", got)
	}
	if got := dialWire(t, r).ask("else.example"); got != "200 house" {
		t.Errorf("a host of nobody's: %s", got)
	}
	if a, b := r.tenantRuntime("a").accepted.Open(), r.tenantRuntime("b").accepted.Open(); a != 1 || b != 1 {
		t.Errorf("a has %d connections, b %d", a, b)
	}
}

func TestUnknownHostsAreRefused(t *testing.T) {
	r := startMany(t, func(c *config.Config) { c.Tenants.Unknown = "refuse" })
	r.create("a")
	w := dialWire(t, r)
	if got := w.ask("else.example"); got != "421 421" {
		t.Errorf("a host of nobody's: %s", got)
	}
	if got := w.ask("a.example"); got != "200 a" {
		t.Errorf("the same connection, with a host of a's: %s", got)
	}
}

// upload uploads a policy that learns, and returns its digest.
func (r *running) upload(name, file string) string {
	r.t.Helper()
	wasm, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	p, _, err := r.control.Upload(r.t.Context(), operator, name, api.Upload{Name: "p", Wasm: wasm})
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Digest
}

func (r *running) promote(name, digest string) {
	r.t.Helper()
	if _, err := r.control.Step(r.t.Context(), operator, name, api.Step{Kind: api.StepPromote, Digest: digest}, api.Precondition{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) connections(name string) []api.Connection {
	r.t.Helper()
	page, err := r.control.Connections(r.t.Context(), name, api.ConnectionQuery{Side: "accepted"})
	if err != nil {
		r.t.Fatal(err)
	}
	return page.Items
}

// TestAPromotionTakesEffectForOpenConnections: their next question is for the
// new version, which knows what the old one has learned, and none is closed.
func TestAPromotionTakesEffectForOpenConnections(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	first, second := r.upload("a", learner(t, 1)), r.upload("a", learner(t, 2))
	r.promote("a", first)
	open := dialWire(t, r)
	open.ask("a.example")
	n := r.learnedBy("a") // of the client's connection, and of the host's own
	if n == 0 {
		t.Fatal("nothing was learned")
	}
	r.promote("a", second)
	list := r.connections("a")
	if len(list) != 1 || list[0].Version != second || list[0].Requests != 1 || list[0].Peer != open.nc.LocalAddr().String() {
		t.Errorf("connections = %+v", list)
	}
	if got := open.ask("a.example"); got != "200 a" {
		t.Errorf("the open connection: %s", got)
	}
	dialWire(t, r).ask("a.example")
	if m := r.learnedBy("a"); m <= n {
		t.Errorf("learned %d, want %d and more", m, n)
	}
	if _, err := r.control.Step(t.Context(), operator, "a", api.Step{Kind: api.StepRollback, Digest: second}, api.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if d := r.tenantRuntime("a").tenant.Digest(); d != first {
		t.Errorf("after the rollback %s is in charge, want %s", d, first)
	}
}

// sickRoute is the class of requests after which sick traps.
const sickRoute = 61

// sick is a policy that fails where no check looks.
func sick() []byte {
	return Guest(Hook("on_timeout",
		Load16(Buffer+abi.EventRouteOffset), Extend(), Const64(sickRoute), Equal64(), If(Unreachable()), Const64(Extend60s),
	)).Bytes()
}

// ailing makes a tenant whose canary fails, and is to be taken back.
func (r *running) ailing(name string) (good, bad string) {
	r.t.Helper()
	ctx := r.t.Context()
	r.create(name)
	good = r.upload(name, learner(r.t, 1))
	r.promote(name, good)
	p, _, err := r.control.Upload(ctx, operator, name, api.Upload{Name: "bad", Wasm: sick()})
	if err != nil {
		r.t.Fatal(err)
	}
	step := api.Step{Kind: api.StepCanary, Digest: p.Digest, Percent: 50}
	if _, err := r.control.Step(ctx, operator, name, step, api.Precondition{}); err != nil {
		r.t.Fatal(err)
	}
	m := r.tenantRuntime(name)
	m.tenant.Warm(ctx)
	for i := range uint64(1000) {
		ask := policy.Ask{Event: policy.Event{
			Kind: uint8(abi.KindTimeout), Phase: uint8(abi.PhaseIdle), Client: 1 + i, NowMs: 1e12 + 10*i, Route: sickRoute,
		}}
		m.tenant.Decide(&ask)
	}
	return good, p.Digest
}

// verdict waits for the janitor to have taken a tenant's canary back, in the
// store.
func (r *running) verdict(name string) *spec.Rollback {
	r.t.Helper()
	var v *spec.Rollback
	testnet.Eventually(r.t, "a verdict on "+name, func() bool {
		s, err := r.store.Tenant(r.t.Context(), name)
		if err != nil {
			r.t.Fatal(err)
		}
		v = s.Rollout.Rollback
		return v != nil
	})
	return v
}

// TestACanaryThatFailsIsTakenBack: by the host itself, with the reason, and the
// active version answers for its clients.
func TestACanaryThatFailsIsTakenBack(t *testing.T) {
	r := startMany(t, nil)
	good, bad := r.ailing("a")
	m := r.tenantRuntime("a")
	r.janitor.judge(t.Context())
	r.verdict("a")
	testnet.Eventually(t, "the step back is done", func() bool { return !m.reverting.Load() })
	now, err := r.control.Rollout(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if v := now.Rollback; now.Canary != nil || v == nil || !v.Automatic || v.Digest != bad || !strings.Contains(v.Reason, "faults") {
		t.Errorf("rollout = %+v, verdict %+v", now, v)
	}
	if now.Active == nil || now.Active.Digest != good || m.tenant.DigestOf(policy.RoleCanary) != "" {
		t.Errorf("active %+v", now.Active)
	}
	page, err := r.control.Audit(t.Context(), "a", 0, 1)
	if err != nil || len(page.Items) != 1 || page.Items[0].Actor != "guard" {
		t.Errorf("audit = %+v, %v", page, err)
	}
	wants(t, r.metricsText(), "host_rollout_automatic_rollbacks_total 1")
}

// TestABusyTenantHoldsUpNobodysVerdict: the janitor does not wait for the step
// that a is about to take.
func TestABusyTenantHoldsUpNobodysVerdict(t *testing.T) {
	r := startMany(t, nil)
	r.janitor.close() // only the round below
	r.ailing("a")
	r.ailing("b")
	r.tenants.change.Lock() // a's step cannot be put in force
	stepped := make(chan error, 1)
	go func() {
		spec := spec.Spec{Hosts: []string{"other.example"}}
		_, _, err := r.control.PutTenant(t.Context(), operator, "a", spec, api.Precondition{Match: "*"})
		stepped <- err
	}()
	testnet.Eventually(t, "a is busy", func() bool {
		s, err := r.store.Tenant(t.Context(), "a")
		return err != nil || s.Spec.Hosts[0] == "other.example"
	})
	judged := make(chan struct{})
	go func() { r.janitor.judge(t.Context()); close(judged) }()
	v := r.verdict("b")
	if !v.Automatic {
		t.Errorf("verdict = %+v", v)
	}
	r.tenants.change.Unlock()
	if err := <-stepped; err != nil {
		t.Error(err)
	}
	<-judged
	r.verdict("a")
}

func TestARemovedTenantLosesItsConnections(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	r.create("b")
	a, b := dialWire(t, r), dialWire(t, r)
	a.ask("a.example")
	b.ask("b.example")
	if err := r.control.DeleteTenant(t.Context(), operator, "a", api.Precondition{Match: "*"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.br.ReadByte(); err == nil {
		t.Error("the connection goes on")
	}
	if got := b.ask("b.example"); got != "200 b" {
		t.Errorf("another tenant's: %s", got)
	}
	if got := dialWire(t, r).ask("a.example"); got != "200 house" {
		t.Errorf("its host: %s", got)
	}
}

// TestTenantsOutliveTheProcess: with their policies and what those have learned.
func TestTenantsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	here := func(c *config.Config) { c.Store.Dir = dir }
	r := startMany(t, here)
	r.create("a")
	digest := r.upload("a", learner(t, 1))
	r.promote("a", digest)
	dialWire(t, r).ask("a.example")
	learned := r.learnedBy("a")
	r.quiesce()

	r = startMany(t, here)
	if s := r.tenantRuntime("a").tenant.Stats(); len(s.Sides) != 1 || s.Sides[0].Loaded || s.Sides[0].Version.Digest != digest {
		t.Fatalf("before anybody has come: %+v", s)
	}
	r.tenantRuntime("a").tenant.Warm(t.Context())
	if n := r.learnedBy("a"); n != learned {
		t.Errorf("has learned %d, want %d", n, learned)
	}
}

func TestAReloadMovesAHostToAnotherTenant(t *testing.T) {
	one, two := echo(t, "one"), echo(t, "two")
	declared := func(first, second []string) func(*config.Config) {
		return func(c *config.Config) {
			c.Declared = []config.Tenant{
				{Name: "one", Spec: spec.Spec{Hosts: first, Upstreams: []string{one}}},
				{Name: "two", Spec: spec.Spec{Hosts: second, Upstreams: []string{two}}},
			}
		}
	}
	r := start(t, declared([]string{"x.example"}, []string{"y.example"}))
	open := dialWire(t, r)
	if got := open.ask("x.example"); got != "200 one" {
		t.Fatalf("before: %s", got)
	}
	if err := r.reload(configOf(declared([]string{"z.example"}, []string{"x.example"}))); err != nil {
		t.Fatal(err)
	}
	if got := dialWire(t, r).ask("x.example"); got != "200 two" {
		t.Errorf("after: %s", got)
	}
	if got := open.ask("x.example"); got != "421 421" {
		t.Errorf("a connection of the old owner's: %s", got)
	}
	if got := open.ask("z.example"); got != "200 one" {
		t.Errorf("the same, with a host of its own: %s", got)
	}
	if err := r.reload(configOf(func(c *config.Config) {})); err != nil {
		t.Fatal(err)
	}
	if _, err := open.br.ReadByte(); err == nil {
		t.Error("the connection of a tenant that is declared no more goes on")
	}
}

// TestDeclaredTenantsWin: over what the API made before.
func TestDeclaredTenantsWin(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	other := echo(t, "other")
	c := configOf(func(c *config.Config) {
		c.Store, c.Upstream = r.current.Store, r.current.Upstream
		c.Declared = []config.Tenant{{Name: "b", Spec: spec.Spec{Hosts: []string{"a.example"}, Upstreams: []string{other}}}}
	})
	if err := r.reload(c); err != nil {
		t.Fatal(err)
	}
	if got := dialWire(t, r).ask("a.example"); got != "200 other" {
		t.Errorf("a.example: %s", got)
	}
	spec := spec.Spec{Hosts: []string{"b.example"}}
	_, _, err := r.control.PutTenant(t.Context(), operator, "b", spec, api.Precondition{Match: "*"})
	if p, ok := err.(*api.Problem); !ok || p.Type != api.TypePrefix+api.KindDeclared {
		t.Errorf("a change of a declared tenant: %v", err)
	}
	wants(t, r.quiesce(), "a declared tenant has this name too, and gets it")
}

// TestATenantComesAndGoesWithItsDeclaration: what the store has of it waits.
func TestATenantComesAndGoesWithItsDeclaration(t *testing.T) {
	r := startMany(t, nil)
	with := func(declared ...config.Tenant) *config.Config {
		return configOf(func(c *config.Config) {
			c.Store, c.Upstream, c.Declared = r.current.Store, r.current.Upstream, declared
		})
	}
	x := config.Tenant{Name: "x", Spec: spec.Spec{Hosts: []string{"x.example"}}}
	if err := r.reload(with(x)); err != nil {
		t.Fatal(err)
	}
	digest := r.upload("x", learner(t, 1))
	r.promote("x", digest)
	if err := r.reload(with()); err != nil {
		t.Fatal(err)
	}
	if m := r.tenants.get("x"); m != nil {
		t.Fatal("it is there without its declaration")
	}
	if err := r.reload(with(x)); err != nil {
		t.Fatal(err)
	}
	if d := r.tenantRuntime("x").tenant.Digest(); d != digest {
		t.Errorf("declared again, %q is in charge, want %s", d, digest)
	}
}

func TestUnusedPoliciesRest(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	r.promote("a", r.upload("a", learner(t, 1)))
	dialWire(t, r).ask("a.example")
	m, n := r.tenantRuntime("a"), r.learnedBy("a")
	if !m.tenant.Cool(0) || m.tenant.Stats().Sides[0].Loaded {
		t.Fatal("the policy has not been let go")
	}
	dialWire(t, r).ask("a.example")
	if now := r.learnedBy("a"); n == 0 || now <= n {
		t.Errorf("learned %d, want %d and more", now, n)
	}
}

func TestDecisionsAreStreamed(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	digest := r.upload("a", learner(t, 1))
	r.promote("a", digest)
	ctx, stop := context.WithCancel(t.Context())
	got := make(chan api.Decision, 16)
	done := make(chan error, 1)
	go func() {
		done <- r.control.Decisions(ctx, "a", func(d api.Decision) error {
			got <- d
			return nil
		})
	}()
	for len(got) == 0 { // until the stream is open
		dialWire(t, r).ask("a.example")
	}
	if d := <-got; d.Event != abi.KindAccept.String() || d.Version != digest || d.Source != policy.SourcePolicy.String() || d.Client == "0" {
		t.Errorf("decision = %+v", d)
	}
	stop()
	<-done
}

func TestTheAPIIsServed(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "http://localhost/v1/tenants/a", nil)
	r.admin.ServeHTTP(rec, req)
	if rec.Code != 200 || rec.Header().Get("ETag") == "" || !strings.Contains(rec.Body.String(), `"a.example"`) {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

// TestAServerNameSaysWhoseAConnectionIs: from the ClientHello on.
func TestAServerNameSaysWhoseAConnectionIs(t *testing.T) {
	cert, key := certificate(t, "a.example")
	r := startMany(t, func(c *config.Config) {
		c.Tenants.Unknown = "refuse"
		c.Listeners[0].TLS = []config.Certificate{{Cert: cert, Key: key}}
	})
	r.create("a")
	r.create("b")
	dial := func(name string) (*wire, error) {
		nc, err := tls.Dial("tcp", strings.TrimPrefix(r.url(0), "https://"), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { nc.Close() })
		return &wire{t, nc, bufio.NewReader(nc)}, nil
	}
	w, err := dial("a.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ host, want string }{{"a.example", "200 a"}, {"b.example", "421 421"}, {"else.example", "200 a"}} {
		if got := w.ask(c.host); got != c.want {
			t.Errorf("%s: %s, want %s", c.host, got, c.want)
		}
	}
	if _, err := dial("else.example"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a name of nobody's: %v", err)
	}
}

// TestADestinationSaysWhoseAConnectionIs: as the PROXY protocol tells it.
func TestADestinationSaysWhoseAConnectionIs(t *testing.T) {
	one := echo(t, "one")
	r := startMany(t, func(c *config.Config) {
		c.Listeners[0].TenantBy, c.Listeners[0].ProxyFrom = "destination", []string{"127.0.0.0/8"}
		c.Declared = []config.Tenant{{Name: "one", Spec: spec.Spec{Destinations: []string{"192.0.2.0/24"}, Upstreams: []string{one}}}}
	})
	for to, want := range map[string]string{"192.0.2.7": "200 one", "198.51.100.7": "200 house"} {
		w := dialWire(t, r)
		fmt.Fprintf(w.nc, "PROXY TCP4 203.0.113.9 %s 4711 80\r\n", to)
		if got := w.ask("whatever"); got != want {
			t.Errorf("to %s: %s, want %s", to, got, want)
		}
	}
	if list := r.connections("one"); len(list) != 1 || list[0].Peer != "203.0.113.9:4711" {
		t.Errorf("connections = %+v", list)
	}
}
