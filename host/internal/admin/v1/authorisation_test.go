package v1_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// samples is a request for each operation that succeeds for those who may.
// An operation that is not here fails TestAuthorisation.
var samples = map[string]struct {
	ask
	success int
}{
	"getDocument":         {ask{}, 200},
	"whoami":              {ask{}, 200},
	"listTenants":         {ask{}, 200},
	"getTenant":           {ask{}, 200},
	"putTenant":           {ask{body: `{"hosts":["a.example"]}`, header: []string{"If-Match", "*"}}, 200},
	"deleteTenant":        {ask{header: []string{"If-Match", `"s1"`}}, 204},
	"getLimits":           {ask{}, 200},
	"listOperatorTokens":  {ask{}, 200},
	"createOperatorToken": {ask{body: `{"name":"ci"}`}, 201},
	"revokeOperatorToken": {ask{}, 204},
	"listTokens":          {ask{}, 200},
	"createToken":         {ask{body: `{"name":"ci","expires_in":"2160h"}`}, 201},
	"revokeToken":         {ask{}, 204},
	"getKeys":             {ask{}, 200},
	"putKeys":             {ask{body: `{"keys":[{"public":"RWQ"}],"require_signature":true}`, header: []string{"If-Match", `"k1"`}}, 200},
	"listPolicies":        {ask{}, 200},
	"uploadPolicy":        {ask{body: "\x00asm new", header: []string{"Content-Type", "application/wasm"}}, 201},
	"getPolicy":           {ask{}, 200},
	"deletePolicy":        {ask{}, 204},
	"getModule":           {ask{}, 200},
	"getRollout":          {ask{}, 200},
	"shadow":              {ask{}, 200},
	"canary":              {ask{body: `{"digest":"` + strings.Repeat("ab", 32) + `","percent":10}`}, 200},
	"promote":             {ask{}, 200},
	"rollback":            {ask{body: `{"reason":"slower"}`}, 200},
	"listConnections":     {ask{}, 200},
	"streamDecisions":     {ask{}, 200},
	"getRecording":        {ask{}, 200},
	"startRecording":      {ask{body: `{"sample":0.5}`}, 201},
	"stopRecording":       {ask{}, 204},
	"getRecordingFile":    {ask{}, 200},
	"listTenantAudit":     {ask{}, 200},
	"listAudit":           {ask{}, 200},
}

// bearers are all kinds of callers, and the status that each gets on a route
// for somebody; 0: success.
var bearers = []struct {
	name, authorization                string
	anybody, anyCaller, operator, owns int
}{
	{"none", "", 0, 401, 401, 401},
	{"wrong", "Bearer nobody-ever-had-this", 0, 401, 401, 401},
	{"expired", "Bearer expired", 0, 401, 401, 401},
	{"revoked", "Bearer revoked", 0, 401, 401, 401},
	{"of a removed tenant", "Bearer removed", 0, 401, 401, 401},
	{"empty", "Bearer ", 0, 401, 401, 401},
	{"another scheme", "Basic " + boss, 0, 401, 401, 401},
	{"two tokens", "Bearer " + boss + " " + boss, 0, 401, 401, 401},
	{"other tenant's", "Bearer " + bank, 0, 0, 403, 403},
	{"own", "Bearer " + shop, 0, 0, 403, 0},
	{"operator", "Bearer " + boss, 0, 0, 0, 0},
	{"configured operator", "Bearer " + configured, 0, 0, 0, 0},
}

// TestAuthorisation asks every route as everybody.
func TestAuthorisation(t *testing.T) {
	seen := map[string]bool{}
	for _, route := range routesOf(t) {
		sample, ok := samples[route.ID]
		if !ok {
			t.Errorf("operation %s: say what a good request is, and its status", route.ID)
			continue
		}
		seen[route.ID] = true
		for _, who := range bearers {
			t.Run(route.ID+"/"+who.name, func(t *testing.T) {
				want, ok := map[string]int{"anybody": who.anybody, "caller": who.anyCaller, "operator": who.operator, "own": who.owns}[route.Who]
				if !ok {
					t.Fatalf("the route is for %s", route.Who)
				}
				a := sample.ask
				a.method, a.path = route.Method, fill(route.Pattern, "shop")
				if who.authorization != "" {
					a.header = append([]string{"Authorization", who.authorization}, a.header...)
				}
				g := newRig(t)
				rec := g.do(t, a)
				if want == 0 {
					want = sample.success
				} else if n := g.calls.Load(); n != 0 {
					t.Errorf("the service was called %d times", n)
				}
				if rec.Code != want {
					t.Errorf("%d, want %d: %.300q", rec.Code, want, rec.Body)
				}
			})
		}
	}
	for id := range samples {
		if !seen[id] {
			t.Errorf("there is no operation %s", id)
		}
	}
}

// fill gives the variables of a pattern values that the house knows.
func fill(pattern, tenant string) string {
	return strings.NewReplacer("{tenant}", tenant, "{id}", "t1", "{digest}", sum(module)).Replace(pattern)
}

// TestRefusalsTellNothing: whoever may not see a tenant learns nothing of it,
// and every bad token is answered alike.
func TestRefusalsTellNothing(t *testing.T) {
	g := newRig(t)
	for _, route := range routesOf(t) {
		if route.Who != "own" {
			continue
		}
		there := g.want(t, 403, ask{method: route.Method, path: fill(route.Pattern, "shop"), token: bank})
		missing := g.want(t, 403, ask{method: route.Method, path: fill(route.Pattern, "nobody"), token: bank})
		if plain(there) != plain(missing) {
			t.Errorf("%s: %s\n%s", route.ID, there.Body, missing.Body)
		}
	}
	first := ""
	for _, token := range []string{"wrong", "expired", "revoked", strings.Repeat("x", 600)} {
		rec := g.want(t, 401, ask{method: "GET", path: "/v1/whoami", token: token})
		got := plain(rec) + rec.Header().Get("WWW-Authenticate")
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("token %.10s: %s\nwant %s", token, got, first)
		}
	}
}

// plain is an answer without what differs from request to request.
func plain(rec *httptest.ResponseRecorder) string {
	body, _, _ := strings.Cut(rec.Body.String(), `"instance"`)
	return body
}

// TestTenantsCannotBeEmpty: an actor without a tenant owns nothing.
func TestTenantsCannotBeEmpty(t *testing.T) {
	g := newRig(t)
	g.bearers["strange"] = g.bearers["nobody"] // neither operator nor tenant
	g.want(t, 403, ask{method: "GET", path: "/v1/tenants/shop", token: "strange"})
	g.want(t, 403, ask{method: "GET", path: "/v1/tenants", token: "strange"})
	g.want(t, 404, ask{method: "GET", path: "/v1/tenants//limits", token: "strange"})
	g.want(t, 200, ask{method: "GET", path: "/v1/whoami", token: "strange"})
}

// TestFailuresAreLimited: guessing is slow, whichever route it is tried on.
func TestFailuresAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		for range 20 {
			g.want(t, 401, ask{method: "GET", path: "/v1/whoami", token: "guess"})
		}
		time.Sleep(time.Millisecond) // a second is rounded up
		for _, path := range []string{"/v1/whoami", "/v1/tenants/shop"} {
			rec := g.do(t, ask{method: "GET", path: path, token: "guess"})
			if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" {
				t.Errorf("%s after 20 failures: %d, Retry-After %q", path, rec.Code, rec.Header().Get("Retry-After"))
			}
		}
		g.want(t, 200, ask{method: "GET", path: "/v1/whoami", token: boss}) // who shares the address is not locked out
		time.Sleep(time.Second - time.Millisecond - 1)
		g.want(t, 429, ask{method: "GET", path: "/v1/whoami", token: "guess"})
		time.Sleep(2)
		g.want(t, 401, ask{method: "GET", path: "/v1/whoami", token: "guess"})
		elsewhere := ask{method: "GET", path: "/v1/whoami", token: boss}.request()
		elsewhere.RemoteAddr = "198.51.100.7:1000"
		rec := httptest.NewRecorder()
		if g.server.ServeHTTP(rec, elsewhere); rec.Code != 200 {
			t.Errorf("another address: %d", rec.Code)
		}
		g.want(t, 401, ask{method: "GET", path: "/v1/whoami"}) // no guess, and no attempt
	})
}
