package v1_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

func TestPathsThatAreNone(t *testing.T) {
	g := newRig(t)
	for _, path := range []string{
		"/v1", "/v1/", "/v1/nothing", "/v1/tenants/", "/v1//tenants", "/v1/tenants/shop/", "/v1/./tenants", "/v1/tenants/shop/rollout/away",
		"/v1/tenants/shop/policies/" + sum(module) + "/", "/v1/tenants/a/b/c/d/e/f", "/v1/%2e%2e/tenants", "/v1/tenants/%00/",
	} {
		if rec := g.do(t, ask{method: "GET", path: path, token: boss}); rec.Code != 404 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Header().Get("Location"))
		}
	}
	for _, name := range []string{"%2e%2e", "a%2Fb", "%00", "%ff", "shop%20", "SHOP", "x%3Cscript%3E"} {
		rec := g.want(t, 404, ask{method: "GET", path: "/v1/tenants/" + name, token: boss})
		if strings.ContainsAny(rec.Body.String(), "<>\x00") {
			t.Errorf("%s is reflected: %s", name, rec.Body)
		}
	}
}

func TestMethodsThatAreNotAllowed(t *testing.T) {
	g := newRig(t)
	for path, allow := range map[string]string{
		"/v1/whoami":                      "GET, HEAD",
		"/v1/tenants/shop":                "DELETE, GET, HEAD, PUT",
		"/v1/tenants/shop/policies":       "GET, HEAD, POST",
		"/v1/tenants/shop/rollout/canary": "POST",
	} {
		for _, method := range []string{"PATCH", "OPTIONS", "TRACE", "get", "BREW"} {
			rec := g.do(t, ask{method: method, path: path, token: boss})
			if rec.Code != 405 || rec.Header().Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q, want %q", method, path, rec.Code, rec.Header().Get("Allow"), allow)
			}
		}
	}
}

// TestHEAD: everything that can be got has a head, with the same fields.
func TestHEAD(t *testing.T) {
	for _, route := range routesOf(t) {
		if route.Method != "GET" {
			continue
		}
		g := newRig(t)
		path := fill(route.Pattern, "shop")
		full, head := g.want(t, 200, ask{method: "GET", path: path, token: boss}), g.want(t, 200, ask{method: "HEAD", path: path, token: boss})
		for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Cache-Control"} {
			if a, b := full.Header().Get(name), head.Header().Get(name); a != b {
				t.Errorf("%s: %s is %q, and %q of HEAD", route.ID, name, a, b)
			}
		}
	}
}

// TestParametersThatAreNone: every operation refuses what it does not know.
func TestParametersThatAreNone(t *testing.T) {
	for _, route := range routesOf(t) {
		g := newRig(t)
		a := samples[route.ID].ask
		a.method, a.path, a.token = route.Method, fill(route.Pattern, "shop")+"?lmit=3", boss
		if p := problem(t, g.want(t, 422, a)); p.Field != "lmit" {
			t.Errorf("%s: field %q", route.ID, p.Field)
		}
		if n := g.calls.Load(); n != 0 {
			t.Errorf("%s: the service was called", route.ID)
		}
	}
}

func TestTheHostsOwnFaults(t *testing.T) {
	var log bytes.Buffer
	g := newRig(t, func(c *v1.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	g.fail = errors.New("disk /var/secret is on fire")
	rec := g.want(t, 500, ask{method: "GET", path: "/v1/tenants/shop", token: shop})
	if strings.Contains(rec.Body.String(), "fire") {
		t.Errorf("the caller learns too much: %s", rec.Body)
	}
	id := rec.Header().Get("Request-Id")
	if p := problem(t, rec); p.Instance != "urn:idlehost:request:"+id || len(id) != 12 {
		t.Errorf("instance %q, request %q", p.Instance, id)
	}
	for _, want := range []string{"on fire", id, "getTenant"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, &log)
		}
	}
}

func TestPanicsEndOneRequest(t *testing.T) {
	var log bytes.Buffer
	g := newRig(t, func(c *v1.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)); c.Concurrent = 1 })
	g.mayUpload = func() (func(), error) { panic("upload of doom") }
	a := ask{method: "POST", path: "/v1/tenants/shop/policies", token: shop, body: "x", header: []string{"Content-Type", "application/wasm"}}
	for range 3 { // its place is free again each time
		if rec := g.want(t, 500, a); strings.Contains(rec.Body.String(), "doom") {
			t.Errorf("the caller learns too much: %s", rec.Body)
		}
	}
	if !strings.Contains(log.String(), "upload of doom") || !strings.Contains(log.String(), "goroutine") {
		t.Errorf("the log: %.300s", &log)
	}
}

// TestRates: a caller is a tenant, whatever tokens it has, or an operator.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := v1.New(v1.Config{Service: newHouse(), Rate: 10, Burst: 3})
		who := api.Actor{}
		serve := h.Serve(v1.Access{Authenticate: func(*http.Request) (api.Actor, error) { return who, nil }})
		gone, leave := context.WithCancel(t.Context())
		leave() // a refusal is not held back for who has gone
		status := func() int {
			rec := httptest.NewRecorder()
			serve.ServeHTTP(rec, httptest.NewRequestWithContext(gone, "GET", "/v1/whoami", nil))
			if rec.Code == 429 && rec.Header().Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", rec.Header().Get("Retry-After"))
			}
			return rec.Code
		}
		expect := func(name string, want ...int) {
			t.Helper()
			for i, w := range want {
				if got := status(); got != w {
					t.Errorf("%s, request %d: %d, want %d", name, i+1, got, w)
				}
			}
		}
		who = api.Actor{Tenant: "shop", Name: "token a"}
		expect("a burst", 200, 200, 200, 429, 429)
		who.Name = "token b"
		expect("with another token", 429)
		who = api.Actor{Tenant: "bank", Name: "token a"}
		expect("another tenant", 200)
		who = api.Actor{Operator: true, Name: "shop"}
		expect("an operator", 200)
		who = api.Actor{Tenant: "shop"}
		time.Sleep(100*time.Millisecond - time.Nanosecond)
		expect("just before the next", 429)
		time.Sleep(2 * time.Nanosecond)
		expect("at the next", 200, 429)

		serve = v1.New(v1.Config{Service: newHouse(), Rate: 10, Burst: 3, TenantRate: 2, TenantBurst: 2}).Serve(
			v1.Access{Authenticate: func(*http.Request) (api.Actor, error) { return who, nil }})
		expect("a tenant's own burst", 200, 200, 429)
		who = api.Actor{Operator: true, Name: "shop"}
		expect("an operator's", 200, 200, 200, 429)
		who = api.Actor{Tenant: "shop"}
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		expect("just before a tenant's next", 429)
		time.Sleep(2 * time.Nanosecond)
		expect("at a tenant's next", 200, 429)
	})
}

func TestConcurrency(t *testing.T) {
	g := newRig(t, func(c *v1.Config) { c.Concurrent = 2 })
	inside, leave := make(chan struct{}), make(chan struct{})
	g.mayUpload = func() (func(), error) {
		g.mu.Unlock()
		defer g.mu.Lock()
		inside <- struct{}{}
		<-leave
		return nil, api.NewProblem(api.KindBusy, "")
	}
	a := ask{method: "POST", path: "/v1/tenants/shop/policies", token: shop, body: "x", header: []string{"Content-Type", "application/wasm"}}
	var uploads sync.WaitGroup
	for range 2 {
		uploads.Go(func() { g.want(t, 503, a) })
		<-inside
	}
	who := ask{method: "GET", path: "/v1/whoami", token: shop}
	if rec := g.want(t, 429, who); rec.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", rec.Header().Get("Retry-After"))
	}
	g.want(t, 200, ask{method: "GET", path: "/v1/whoami", token: bank})
	close(leave)
	uploads.Wait()
	g.want(t, 200, who)
}

func TestPages(t *testing.T) {
	g := newRig(t)
	delete(g.tenants, "")
	for i := range 250 {
		name := fmt.Sprintf("t%03d", i)
		g.tenants[name] = newRoom(name, spec.Spec{})
	}
	var names []string
	for path := "/v1/tenants"; path != ""; {
		page := into[api.Page[api.Tenant]](t, g.want(t, 200, ask{method: "GET", path: path, token: boss}))
		for _, tenant := range page.Items {
			names = append(names, tenant.Name)
		}
		if path = ""; page.Next != "" {
			path = "/v1/tenants?after=" + page.Next
		}
	}
	if len(names) != 252 {
		t.Errorf("%d tenants, want 252", len(names))
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=-1": "limit", "limit=x": "limit", "limit=99999999999999999999": "limit",
		"limit=1&limit=2": "limit", "after=" + strings.Repeat("x", v1.MaxValue+1): "after", "a;b": "query", "%zz=1": "query",
		strings.Repeat("y", 999) + "=1": strings.Repeat("y", 64) + "...",
	} {
		if p := problem(t, g.want(t, 422, ask{method: "GET", path: "/v1/tenants?" + query, token: boss})); p.Field != field {
			t.Errorf("%.20s: field %q", query, p.Field)
		}
	}
}

func TestConnectionFilters(t *testing.T) {
	g := newRig(t)
	const base = "/v1/tenants/shop/connections?"
	page := into[api.Page[api.Connection]](t, g.want(t, 200, ask{method: "GET", token: shop, path: base +
		"after=9&limit=5&phase=idle&side=accepted&protocol=http2&client=::ffff:203.0.113.9&version=9f2c1b7a&min_idle=1m30s&min_age=2h"}))
	want := api.ConnectionQuery{
		After: 9, Limit: 5, Phase: "idle", Side: "accepted", Protocol: "http2", Client: "203.0.113.9", Version: "9f2c1b7a",
		MinIdle: 90 * time.Second, MinAge: 2 * time.Hour,
	}
	if g.query != want || len(page.Items) != 1 || page.Next != "77" {
		t.Errorf("asked for %+v, want %+v; got %+v", g.query, want, page)
	}
	for query, field := range map[string]string{
		"phase=sleeping": "phase", "side=left": "side", "protocol=gopher": "protocol", "client=example.com": "client",
		"min_idle=5": "min_idle", "min_age=-1s": "min_age", "after=-1": "after",
	} {
		if p := problem(t, g.want(t, 422, ask{method: "GET", path: base + query, token: shop})); p.Field != field {
			t.Errorf("%s: field %q", query, p.Field)
		}
	}
}

func TestListsAreNeverNull(t *testing.T) {
	g := newRig(t)
	g.tenants["new"] = newRoom("new", spec.Spec{})
	for _, what := range []string{"tokens", "policies", "audit"} {
		rec := g.want(t, 200, ask{method: "GET", path: "/v1/tenants/new/" + what, token: boss})
		if got := strings.TrimSpace(rec.Body.String()); got != `{"items":[]}` {
			t.Errorf("%s: %s", what, got)
		}
	}
	rec := g.want(t, 200, ask{method: "GET", path: "/v1/tenants/new/keys", token: boss})
	if got := strings.TrimSpace(rec.Body.String()); got != `{"keys":[],"require_signature":false}` {
		t.Errorf("keys: %s", got)
	}
}

func TestAudit(t *testing.T) {
	g := newRig(t)
	g.tenants[""].entries = []api.Entry{{Seq: 9, At: then, Actor: "boss", Action: "token.create"}, {Seq: 8, At: then, Actor: "boss", Action: "token.create"}}
	page := into[api.Page[api.Entry]](t, g.want(t, 200, ask{method: "GET", path: "/v1/audit?before=9&limit=1", token: boss}))
	if len(page.Items) != 1 || page.Items[0].Seq != 8 {
		t.Errorf("page %+v, want entry 8 alone", page)
	}
	page = into[api.Page[api.Entry]](t, g.want(t, 200, ask{method: "GET", path: "/v1/tenants/shop/audit", token: shop}))
	if len(page.Items) != 1 || page.Items[0].Tenant != "shop" {
		t.Errorf("page %+v, want an entry of the tenant alone", page)
	}
}

func TestTokensAreShownOnce(t *testing.T) {
	g := newRig(t)
	rec := g.want(t, 201, ask{method: "POST", path: "/v1/tenants/shop/tokens", token: shop, body: `{"name":"ci","expires_in":"1h"}`})
	token := into[api.Token](t, rec)
	if token.Secret == "" || !token.Expires.Equal(then.Add(time.Hour)) || rec.Header().Get("Location") != "/v1/tenants/shop/tokens/t2" {
		t.Errorf("%+v at %s", token, rec.Header().Get("Location"))
	}
	rec = g.want(t, 201, ask{method: "POST", path: "/v1/tokens", token: boss, body: `{"name":"x"}`})
	if rec.Header().Get("Location") != "/v1/tokens/t2" {
		t.Errorf("Location %s", rec.Header().Get("Location"))
	}
}
