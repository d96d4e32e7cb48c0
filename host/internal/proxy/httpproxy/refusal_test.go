package httpproxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"unsafe"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// oneHost is the target of connections without a tenant, where one host has one.
type oneHost struct {
	target  // of a.example
	err     error
	account *idle.Account
}

func (o *oneHost) Account() *idle.Account { return o.account }

func (o *oneHost) Assign(host string) (route.Target, error) {
	switch host {
	case "":
		return nil, nil
	case "b.example":
		return nil, o.err
	}
	return &o.target, nil
}

// target is a tenant that serves every host.
type target struct {
	tenant *idle.Account
	site   *route.Site
}

func (t *target) Account() *idle.Account          { return t.tenant }
func (t *target) Warm(context.Context)            {}
func (t *target) Site(string) (*route.Site, bool) { return t.site, true }

func newSession(t testing.TB, o *oneHost) *Session {
	gov := idle.New(idle.Config{Shards: 1, Linger: -1})
	_, server := testnet.Pipe(1 << 10)
	o.account = account("unassigned")
	c := gov.Govern(server, o.account, abi.SideAccepted)
	t.Cleanup(func() { c.Close(); gov.Close() })
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	o.target = target{account("a"), &route.Site{}}
	return NewSession(c, o, false)
}

func account(name string) *idle.Account {
	return idle.NewAccount(name, policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
}

func TestAssignedOnce(t *testing.T) {
	o := &oneHost{err: errors.New("nobody")}
	s := newSession(t, o)
	for _, test := range []struct {
		host    string
		want    route.Target
		err     error
		account *idle.Account
	}{
		{"b.example", nil, o.err, o.account},
		{"", nil, errNoTarget, o.account},
		{"a.example", &o.target, nil, o.tenant},
		{"b.example", &o.target, nil, o.tenant},
	} {
		got, err := s.assign(t.Context(), test.host)
		if got != test.want || err != test.err || s.conn.Account() != test.account {
			t.Errorf("assign(%q) = %v, %v, account %s; want %v, %v, account %s", test.host,
				got, err, s.conn.Account().Name, test.want, test.err, test.account.Name)
		}
	}
	if got := s.Target(); got != route.Target(&o.target) {
		t.Errorf("the session's target is %v, want %v", got, &o.target)
	}
	// Every later request of the connection asks.
	if n := testing.AllocsPerRun(100, func() { s.assign(context.Background(), "a.example") }); n != 0 {
		t.Errorf("%v allocations for a request of an assigned connection, want 0", n)
	}
}

// BenchmarkResolve measures how long a request takes to find its site.
func BenchmarkResolve(b *testing.B) {
	o := &oneHost{}
	s, handler := newSession(b, o), New(Config{})
	r := httptest.NewRequest("GET", "http://a.example:8443/", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, refused := handler.resolve(s, r); refused != nil {
			b.Fatal(refused)
		}
	}
}

// A connection that has ended is not assigned.
func TestAssignAfterTheEnd(t *testing.T) {
	o := &oneHost{}
	s := newSession(t, o)
	s.conn.Close()
	if got, err := s.assign(t.Context(), "a.example"); err == nil || s.Target() != route.Target(o) {
		t.Errorf("assign = %v, %v, and the session's target is %v; want an error and the target of before", got, err, s.Target())
	}
}

// Tunnels are refused before anybody's tenant is looked for.
func TestConnectIsNotAssigned(t *testing.T) {
	o := &oneHost{}
	s := newSession(t, o)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(s.Context(t.Context()), "CONNECT", "//a.example:443", nil)
	New(Config{}).ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed || s.conn.Account() != o.account {
		t.Errorf("status %d, account %s; want 405, account %s", w.Code, s.conn.Account().Name, o.account.Name)
	}
}

// A session is kept for as long as its connection is parked, over HTTP/2.
func TestSessionBudget(t *testing.T) {
	if n := unsafe.Sizeof(Session{}); n > 64 {
		t.Errorf("a session is %d bytes, want at most 64", n)
	}
}

func TestWhoIsTrusted(t *testing.T) {
	site := &route.Site{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}}
	for peer, want := range map[string]bool{"192.0.2.1": true, "192.0.3.1": false, "2001:db8::1": true, "": false} {
		s := &Session{peer: peer}
		if got := s.trusted(site); got != want || s.trusted(&route.Site{}) {
			t.Errorf("%q is trusted: %v, want %v, and by a site that trusts nobody never", peer, got, want)
		}
	}
}

var _ route.Unassigned = (*oneHost)(nil)
