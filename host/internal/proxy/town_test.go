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
	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/sdk/abi"
)

// house is a tenant of the tests: it answers with its name.
type house struct {
	account *idle.Account
	hosts   []string
	site    atomic.Pointer[httpproxy.Site]
	door    *door
}

// newHouse returns a tenant that owns hosts. Its name is the first of them.
func newHouse(limits policy.Limits, hosts ...string) *house {
	h := &house{hosts: hosts, door: &door{}}
	h.account = idle.NewAccount(hosts[0], h.door, nil, policy.Timeouts{}, limits)
	h.serve(hosts[0])
	return h
}

// serve lets the house answer with a text from now on.
func (h *house) serve(text string) {
	h.site.Store(&httpproxy.Site{Local: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s to %s", text, r.RemoteAddr[:strings.LastIndexByte(r.RemoteAddr, ':')])
	})})
}

func (h *house) Site() *httpproxy.Site  { return h.site.Load() }
func (h *house) Owns(host string) bool  { return slices.Contains(h.hosts, host) }
func (h *house) tenant() proxy.Tenant   { return proxy.Tenant{Account: h.account, Home: h} }
func (h *house) Warm(c context.Context) { h.door.warm(c) }

// door is a policy that lets everybody in unless it is shut, and that knows
// whether it was got ready before it was asked.
type door struct {
	shut   atomic.Bool
	warmed atomic.Int32
	cold   atomic.Int32 // accepts that it was asked about before it was ready
	asked  atomic.Int32
	wait   atomic.Bool // Warm takes as long as it may
}

func (d *door) warm(ctx context.Context) {
	if d.wait.Load() {
		<-ctx.Done()
	}
	d.warmed.Add(1)
}

func (d *door) Decide(ask *policy.Ask) policy.Verdict {
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

// town is a Router of houses.
type town struct {
	houses []*house
	lobby  *idle.Account // nil: connections belong to whom their ClientHello names
	alert  bool          // nobody's connections are told so by an alert

	deserted atomic.Bool // by all whom a ClientHello could name
	// enter, if it is not nil, is asked first.
	enter func(host string) error
}

func newTown(houses ...*house) *town {
	return &town{houses: houses, lobby: idle.NewAccount("lobby", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})}
}

func (t *town) router(*rig) proxy.Router { return t }

func (t *town) Route(h *proxy.Hello) (proxy.Tenant, error) {
	if t.lobby != nil {
		return proxy.Tenant{Account: t.lobby, Home: t}, nil
	}
	for _, house := range t.houses {
		if house.Owns(h.Name) && !t.deserted.Load() {
			return house.tenant(), nil
		}
	}
	return proxy.Tenant{}, fmt.Errorf("by server name: %w", proxy.Unknown{Alert: t.alert})
}

func (t *town) Site() *httpproxy.Site { return nil }
func (t *town) Owns(string) bool      { return false }

func (t *town) Enter(host string) (proxy.Tenant, error) {
	if t.enter != nil {
		if err := t.enter(host); err != nil {
			return proxy.Tenant{}, err
		}
	}
	for _, house := range t.houses {
		if house.Owns(host) {
			return house.tenant(), nil
		}
	}
	return proxy.Tenant{}, fmt.Errorf("no tenant has %q", host)
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
	_ proxy.Router     = (*town)(nil)
	_ proxy.Lobby      = (*town)(nil)
	_ httpproxy.Warmer = (*house)(nil)
)
