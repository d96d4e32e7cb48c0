package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
)

// stored are tokens that are kept elsewhere.
type stored map[string]api.Actor

func (s stored) Authenticate(_ context.Context, token string) (api.Actor, error) {
	if who, ok := s[token]; ok {
		return who, nil
	}
	if token == "unlucky" {
		return api.Actor{}, errors.New("the store is on fire")
	}
	return api.Actor{}, api.NewProblem(api.KindUnauthorized, "no such token as %s", token)
}

var someTokens = stored{
	"stored-operator": {Operator: true, Name: "token a"},
	"stored-shop":     {Tenant: "shop", Name: "token b"},
}

// TestWhoComesIn: who reaches the address, tokens of the configuration and
// stored ones, by configuration.
func TestWhoComesIn(t *testing.T) {
	open, closed := Config{Bearers: someTokens}, Config{Bearers: someTokens, Closed: true}
	tokens := Config{Bearers: someTokens, Tokens: []string{"another-token-of-it", token}}
	for _, tt := range []struct {
		cfg  Config
		auth string
		want string // name of the actor, or the status
	}{
		{open, "", "loopback"},
		{open, "Bearer stored-shop", "token b"},
		{open, "Bearer wrong", "401"},
		{open, "Basic xyz", "401"},
		{open, "Bearer unlucky", "500"},
		{Config{}, "Bearer stored-shop", "401"},
		{closed, "", "401"},
		{closed, "Bearer stored-operator", "token a"},
		{Config{Closed: true}, "Bearer stored-operator", "401"},
		{tokens, "", "401"},
		{tokens, "Bearer " + token, "configured token 2"},
		{tokens, "bearer   " + token + " ", "configured token 2"},
		{tokens, "Bearer another-token-of-it", "configured token 1"},
		{tokens, "Bearer stored-shop", "token b"},
		{tokens, "Bearer " + token[:15], "401"},
		{tokens, "Bearer" + token, "401"},
		{tokens, token, "401"},
		{tokens, "Bearer " + strings.Repeat("x", 8000), "401"},
	} {
		tt.cfg.API = v1.New(v1.Config{})
		rec := get(handler(tt.cfg), "/v1/whoami", "Authorization", tt.auth)
		if !strings.Contains(rec.Body.String(), `"name":"`+tt.want+`"`) && tt.want != fmt.Sprint(rec.Code) {
			t.Errorf("%.30q, closed %v, %d tokens: %d %s, want %s", tt.auth, tt.cfg.Closed, len(tt.cfg.Tokens), rec.Code, rec.Body, tt.want)
		}
		if strings.Contains(rec.Body.String(), "fire") || strings.Contains(rec.Body.String(), "no such token") {
			t.Errorf("the caller learns too much: %s", rec.Body)
		}
	}
}

// TestTenantsSeeNoPages: they are the operator's.
func TestTenantsSeeNoPages(t *testing.T) {
	h := handler(Config{Bearers: someTokens, Tokens: []string{token}, Metrics: metrics(), Pprof: true})
	for _, path := range []string{"/", "/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/nothing"} {
		if rec := get(h, path, "Authorization", "Bearer stored-shop"); rec.Code != 403 {
			t.Errorf("%s: status %d, want 403", path, rec.Code)
		}
	}
	if rec := get(h, "/metrics", "Authorization", "Bearer stored-operator"); rec.Code != 200 {
		t.Errorf("an operator: %d", rec.Code)
	}
	if rec := get(h, "/v1/whoami", "Authorization", "Bearer "+token); rec.Code != 404 {
		t.Errorf("where no API is served: %d", rec.Code)
	}
}

// TestWebPagesStayOut: of a server that trusts whoever reaches it, and of
// changes anywhere.
func TestWebPagesStayOut(t *testing.T) {
	cross := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}
	for _, tt := range []struct {
		cfg    Config
		method string
		fields []string
		want   int
	}{
		{Config{}, "GET", nil, 200},
		{Config{}, "GET", []string{"Host", "evil.example:9900"}, 421},
		{Config{}, "GET", cross, 403},
		{Config{}, "GET", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{Config{}, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
		{Config{}, "GET", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{Config{}, "GET", []string{"Sec-Fetch-Site", "none"}, 200},
		{Config{}, "POST", cross, 403},
		{Config{}, "POST", []string{"Origin", "https://evil.example"}, 403},
		{Config{}, "POST", []string{"Origin", "null"}, 403},
		{Config{}, "POST", []string{"Origin", "http://127.0.0.1:9900"}, 405},
		{Config{}, "POST", nil, 405},
		{Config{Tokens: []string{token}}, "POST", []string{"Origin", "https://evil.example", "Authorization", "Bearer " + token}, 403},
		{Config{Tokens: []string{token}}, "POST", []string{"Authorization", "Bearer " + token}, 405},
		{Config{Tokens: []string{token}}, "GET", []string{"Host", "host.example", "Authorization", "Bearer " + token}, 200},
	} {
		tt.cfg.API = v1.New(v1.Config{})
		r := httptest.NewRequest(tt.method, "http://127.0.0.1:9900/v1/whoami", nil)
		for i := 0; i < len(tt.fields); i += 2 {
			r.Header.Set(tt.fields[i], tt.fields[i+1])
		}
		if host := r.Header.Get("Host"); host != "" {
			r.Host = host
		}
		rec := httptest.NewRecorder()
		handler(tt.cfg).ServeHTTP(rec, r)
		if rec.Code != tt.want {
			t.Errorf("%s with %q: %d, want %d: %s", tt.method, tt.fields, rec.Code, tt.want, rec.Body)
		}
		if tt.want >= 400 && rec.Header().Get("Content-Type") != api.ProblemType {
			t.Errorf("%s with %q: %s", tt.method, tt.fields, rec.Header().Get("Content-Type"))
		}
	}
}

// TestFailuresAreOfAPeer: an IPv6 network is one.
func TestFailuresAreOfAPeer(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:1000": "192.0.2.1", "[::ffff:192.0.2.1]:1000": "192.0.2.1", "[2001:db8:1:2:3::4]:1000": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1000": "fe80::/64", "pipe": "pipe",
	} {
		if got := peerOf(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) { // where no time passes
		h := handler(Config{Bearers: someTokens, Closed: true, Tokens: []string{token}, Metrics: metrics()})
		try := func(from, auth string) int {
			r := httptest.NewRequest("GET", "http://127.0.0.1/metrics", nil)
			r.RemoteAddr = from
			r.Header.Set("Authorization", auth)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Code
		}
		for i := range failuresAtOnce {
			if got := try(fmt.Sprintf("[2001:db8::%x]:1", i), "Bearer guess"); got != 401 {
				t.Fatalf("failure %d: %d", i+1, got)
			}
		}
		for auth, want := range map[string]int{
			"Bearer guess": 429, "Bearer " + token: 429, // which might be guessed
			"Bearer stored-operator": 200, // which nobody guesses: who shares the network is not locked out
		} {
			if got := try("[2001:db8::ffff]:1", auth); got != want {
				t.Errorf("the same network, %s: %d, want %d", auth, got, want)
			}
		}
		if got := try("[2001:db8:0:1::1]:1", "Bearer "+token); got != 200 {
			t.Errorf("another network: %d", got)
		}
		for range 2 * failuresAtOnce { // the store's fault is nobody's attempt
			if got := try("192.0.2.9:1", "Bearer unlucky"); got != 500 {
				t.Fatalf("status %d, want 500", got)
			}
		}
	})
}

// TestListenRefusesConfigurations that would protect nothing.
func TestListenRefusesConfigurations(t *testing.T) {
	ca := newAuthority(t)
	for name, cfg := range map[string]Config{
		"client authorities without clients": {Address: ":0", ClientCAs: ca.pool, Certificate: ca.server(t)},
		"client authorities without TLS":     {Address: "127.0.0.1:0", ClientCAs: ca.pool, Clients: []Client{{Name: "x"}}},
		"a client without a name":            {Address: "127.0.0.1:0", ClientCAs: ca.pool, Certificate: ca.server(t), Clients: []Client{{Tenant: "x"}}},
		"stored tokens alone":                {Address: ":0", Bearers: someTokens},
	} {
		if s, err := Listen(t.Context(), cfg); err == nil {
			s.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	for name, cfg := range map[string]Config{
		"client certificates":      {Address: ":0", ClientCAs: ca.pool, Certificate: ca.server(t), Clients: []Client{{Name: "x"}}},
		"stored tokens and closed": {Address: ":0", Bearers: someTokens, Closed: true},
	} {
		s, err := Listen(t.Context(), cfg)
		if err != nil {
			t.Errorf("Listen with %s: %v, want no error", name, err)
			continue
		}
		s.Close()
	}
}

// TestShutdownEndsStreams, and waits for them.
func TestShutdownEndsStreams(t *testing.T) {
	s, err := Listen(t.Context(), Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-s.draining:
	default:
		t.Error("streams are not told")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if c := tlsConfig(Config{}); c != (*tls.Config)(nil) {
		t.Error("TLS without a certificate")
	}
}
