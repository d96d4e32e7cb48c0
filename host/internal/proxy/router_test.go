package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
	"idlehost/sdk/abi"
)

// tenant is a tenant of the tests: it answers with its name.
type tenant struct {
	account *idle.Account
	hosts   []string
	site    atomic.Pointer[route.Site]
	policy  *acceptPolicy
}

// newTenant returns a tenant that owns hosts. Its name is the first of them.
func newTenant(limits policy.Limits, hosts ...string) *tenant {
	h := &tenant{hosts: hosts, policy: &acceptPolicy{}}
	h.account = idle.NewAccount(hosts[0], h.policy, nil, policy.Timeouts{}, limits)
	h.serve(hosts[0])
	return h
}

// serve lets the tenant answer with a text from now on.
func (h *tenant) serve(text string) {
	h.site.Store(&route.Site{Local: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s to %s", text, r.RemoteAddr[:strings.LastIndexByte(r.RemoteAddr, ':')])
	})})
}

func (h *tenant) Account() *idle.Account               { return h.account }
func (h *tenant) Warm(c context.Context)               { h.policy.warm(c) }
func (h *tenant) Site(host string) (*route.Site, bool) { return h.site.Load(), h.owns(host) }
func (h *tenant) owns(host string) bool                { return slices.Contains(h.hosts, host) }

// target is a Target whose site serves every host.
type target struct {
	account *idle.Account
	site    *route.Site
}

func (t target) Account() *idle.Account          { return t.account }
func (target) Warm(context.Context)              {}
func (t target) Site(string) (*route.Site, bool) { return t.site, true }

// one is the Router of a host with one tenant.
type one struct{ route.Target }

func (o one) Route(*route.ConnInfo) (route.Target, error) { return o.Target, nil }

// misdirected is what a Router refuses connections with.
var misdirected = &route.Refusal{Status: 421, Text: "nobody answers for this host here", Close: true}

// acceptPolicy is a policy that admits every connection unless it is shut, and that
// counts whether it was warm before it was asked.
type acceptPolicy struct {
	shut   atomic.Bool
	warmed atomic.Int32
	cold   atomic.Int32 // accepts that it was asked about before it was warm
	asked  atomic.Int32
	wait   atomic.Bool // Warm takes as long as it may
}

func (d *acceptPolicy) warm(ctx context.Context) {
	if d.wait.Load() {
		<-ctx.Done()
	}
	d.warmed.Add(1)
}

func (d *acceptPolicy) Decide(ask *policy.Ask) policy.Verdict {
	if abi.Kind(ask.Event.Kind) != abi.KindAccept {
		return policy.Verdict{}
	}
	if d.asked.Add(1) > d.warmed.Load() {
		d.cold.Add(1)
	}
	if d.shut.Load() {
		return policy.Verdict{Action: abi.ActionClose}
	}
	return policy.Verdict{}
}

// router is a Router of tenants.
type router struct {
	tenants    []*tenant
	unassigned *idle.Account // nil: connections belong to whom their ClientHello names
	alert      bool          // nobody's connections are told so by an alert

	withoutTenants atomic.Bool // no ClientHello names a tenant any more
	// assign, if it is not nil, is asked first.
	assign func(host string) error
}

func newRouter(tenants ...*tenant) *router {
	return &router{tenants: tenants, unassigned: idle.NewAccount("unassigned", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})}
}

func (t *router) of(*rig) route.Router { return t }

func (t *router) Route(h *route.ConnInfo) (route.Target, error) {
	if t.unassigned != nil {
		return t, nil
	}
	for _, tenant := range t.tenants {
		if tenant.owns(h.ServerName) && !t.withoutTenants.Load() {
			return tenant, nil
		}
	}
	return nil, fmt.Errorf("by server name: %w", &route.Refusal{Status: 421, Text: "nobody answers for this host here", Close: true, Alert: t.alert})
}

func (t *router) Account() *idle.Account          { return t.unassigned }
func (t *router) Warm(context.Context)            {}
func (t *router) Site(string) (*route.Site, bool) { return nil, false }

func (t *router) Assign(host string) (route.Target, error) {
	if t.assign != nil {
		if err := t.assign(host); err != nil {
			return nil, err
		}
	}
	for _, tenant := range t.tenants {
		if tenant.owns(host) {
			return tenant, nil
		}
	}
	return nil, fmt.Errorf("no tenant has %q", host)
}

// said is an answer as tests compare it.
type said struct {
	status int
	text   string // up to the first colon or blank
	fresh  bool   // over a new connection
}

// say asks for a host and returns the answer.
func (r *rig) say(host string) said {
	r.t.Helper()
	a, err := r.trySay(host)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", host, err, r.log)
	}
	return a
}

func (r *rig) trySay(host string) (said, error) {
	var a said
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { a.fresh = !i.Reused },
	})
	req := r.request("GET", "/", nil).WithContext(ctx)
	req.Host = host
	res, err := r.client.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	a.status, a.text = res.StatusCode, string(b)
	if i := strings.IndexAny(a.text, " :"); i > 0 {
		a.text = a.text[:i]
	}
	return a, err
}

func (r *rig) want(host string, want said) {
	r.t.Helper()
	if got := r.say(host); got != want {
		r.t.Errorf("%s: %+v, want %+v", host, got, want)
	}
}

// open checks how many connections accounts have.
func open(t testing.TB, a *idle.Account, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has %d connections, not %d", a.Name, a.Open(), n), func() bool { return a.Open() == n })
}

var (
	_ route.Router     = (*router)(nil)
	_ route.Unassigned = (*router)(nil)
	_ route.Target     = (*tenant)(nil)
)
