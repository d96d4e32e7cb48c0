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
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// hall is a lobby that knows one host.
type hall struct {
	Home
	account *idle.Account
	err     error
}

func (h *hall) Enter(host string) (Tenant, error) {
	switch host {
	case "":
		return Tenant{}, nil
	case "b.example":
		return Tenant{}, h.err
	}
	return Tenant{Account: h.account, Home: h.Home}, nil
}

func newSession(t testing.TB, h *hall) *Session {
	gov := idle.New(idle.Config{Shards: 1, Linger: -1})
	_, server := testnet.Pipe(1 << 10)
	c := gov.Govern(server, account("lobby"), abi.SideAccepted)
	t.Cleanup(func() { c.Close(); gov.Close() })
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	h.account, h.Home = account("a"), &Site{}
	return NewSession(c, h, false)
}

func account(name string) *idle.Account {
	return idle.NewAccount(name, policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
}

func TestEnterOnce(t *testing.T) {
	h := &hall{err: errors.New("nobody")}
	s := newSession(t, h)
	if home, err := s.enter(t.Context(), "b.example"); home != h || err != h.err || s.conn.Account().Name != "lobby" {
		t.Errorf("%v, %v, %s", home, err, s.conn.Account().Name)
	}
	if home, err := s.enter(t.Context(), ""); home != h || err != errNoTenant {
		t.Errorf("%v, %v", home, err)
	}
	if home, err := s.enter(t.Context(), "a.example"); home != h.Home || err != nil || s.conn.Account() != h.account {
		t.Errorf("%v, %v, %s", home, err, s.conn.Account().Name)
	}
	if home, err := s.enter(t.Context(), "b.example"); home != h.Home || err != nil || s.Home() != home {
		t.Errorf("%v, %v", home, err)
	}
	// Every later request of the connection asks.
	if n := testing.AllocsPerRun(100, func() { s.enter(context.Background(), "a.example") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAdmit is what it costs each request to know whose it is.
func BenchmarkAdmit(b *testing.B) {
	h := &hall{}
	s, handler := newSession(b, h), New(Config{})
	r := httptest.NewRequest("GET", "http://a.example:8443/", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, refused := handler.admit(s, r); refused != nil {
			b.Fatal(refused)
		}
	}
}

// A connection that has gone does not enter.
func TestEnterAfterTheEnd(t *testing.T) {
	h := &hall{}
	s := newSession(t, h)
	s.conn.Close()
	if home, err := s.enter(t.Context(), "a.example"); home != h || err == nil {
		t.Errorf("%v, %v", home, err)
	}
}

// Tunnels are refused before anybody's tenant is looked for.
func TestConnectDoesNotEnter(t *testing.T) {
	h := &hall{}
	s := newSession(t, h)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(s.Context(t.Context()), "CONNECT", "//a.example:443", nil)
	New(Config{}).ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed || s.conn.Account().Name != "lobby" {
		t.Errorf("status %d, in %s", w.Code, s.conn.Account().Name)
	}
}

// A session is kept for as long as its connection is parked, over HTTP/2.
func TestSessionBudget(t *testing.T) {
	if n := unsafe.Sizeof(Session{}); n > 64 {
		t.Errorf("a session is %d bytes, want at most 64", n)
	}
}

func TestWhoIsTrusted(t *testing.T) {
	site := &Site{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}}
	for peer, want := range map[string]bool{"192.0.2.1": true, "192.0.3.1": false, "2001:db8::1": true, "": false} {
		s := &Session{peer: peer}
		if got := s.trusted(site); got != want || s.trusted(&Site{}) {
			t.Errorf("%q is trusted: %v", peer, got)
		}
	}
}

var _ Lobby = (*hall)(nil)
