package v1_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/admin/v1"
)

// TestConditionalGET: RFC 9110 sections 13.1.1 and 13.1.2.
func TestConditionalGET(t *testing.T) {
	g := newRig(t)
	module := `"` + sum(module) + `"`
	for path, tag := range map[string]string{
		"/v1/tenants/shop": `"s1"`, "/v1/tenants/shop/keys": `"k1"`, "/v1/tenants/shop/rollout": `"r1"`,
		"/v1/tenants/shop/policies/" + strings.Trim(module, `"`) + "/module": module,
	} {
		for _, tt := range []struct {
			name, value string
			want        int
		}{
			{"If-None-Match", tag, 304}, {"If-None-Match", "*", 304}, {"If-None-Match", "W/" + tag, 304}, {"If-None-Match", `"x", ` + tag, 304},
			{"If-None-Match", `"x"`, 200}, {"If-None-Match", "x", 422}, {"If-None-Match", `"x`, 422},
			{"If-Match", tag, 200}, {"If-Match", "*", 200}, {"If-Match", `"x"`, 412}, {"If-Match", "W/" + tag, 412}, {"If-Match", "", 422},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				rec := g.want(t, tt.want, ask{method: method, path: path, token: shop, header: []string{tt.name, tt.value}})
				if tt.want <= 304 && rec.Header().Get("ETag") != tag {
					t.Errorf("%s: %d with ETag %q", path, rec.Code, rec.Header().Get("ETag"))
				}
				if tt.want == 304 && rec.Body.Len() > 0 {
					t.Errorf("%s: 304 with a body", path)
				}
			}
		}
	}
	rec := g.want(t, 200, ask{method: "GET", path: "/v1/openapi.json"})
	g.want(t, 304, ask{method: "GET", path: "/v1/openapi.json", header: []string{"If-None-Match", rec.Header().Get("ETag")}})
}

// TestConditionalPUT: who has not seen the last state changes nothing.
func TestConditionalPUT(t *testing.T) {
	for _, tt := range []struct {
		tenant string
		header []string
		want   int
	}{
		{"shop", nil, 428},
		{"shop", []string{"If-Match", `"s1"`}, 200},
		{"shop", []string{"If-Match", `"x", "s1"`}, 200},
		{"shop", []string{"If-Match", `"x"`, "If-Match", `"s1"`}, 200},
		{"shop", []string{"If-Match", "*"}, 200},
		{"shop", []string{"If-Match", `"s0"`}, 412},
		{"shop", []string{"If-Match", `W/"s1"`}, 412},
		{"shop", []string{"If-Match", "s1"}, 422},
		{"shop", []string{"If-None-Match", "*"}, 412},
		{"shop", []string{"If-None-Match", `"s1"`}, 422},
		{"new", nil, 201},
		{"new", []string{"If-None-Match", "*"}, 201},
		{"new", []string{"If-Match", "*"}, 412},
		{"new", []string{"If-Match", `"s1"`}, 412},
	} {
		g := newRig(t)
		rec := g.want(t, tt.want, ask{method: "PUT", path: "/v1/tenants/" + tt.tenant, token: boss, body: `{"rewrite_host":true}`, header: tt.header})
		changed := g.tenants[tt.tenant] != nil && g.tenants[tt.tenant].tenant.Spec.RewriteHost
		if changed != (tt.want < 300) {
			t.Errorf("%s with %q: changed: %v", tt.tenant, tt.header, changed)
		}
		if tt.want < 300 && rec.Header().Get("ETag") != `"s2"` {
			t.Errorf("%s with %q: ETag %q", tt.tenant, tt.header, rec.Header().Get("ETag"))
		}
		if location := rec.Header().Get("Location"); (location == "/v1/tenants/new") != (tt.want == 201) {
			t.Errorf("%s with %q: Location %q", tt.tenant, tt.header, location)
		}
	}
	g := newRig(t)
	g.want(t, 412, ask{method: "DELETE", path: "/v1/tenants/shop", token: boss, header: []string{"If-Match", `"s0"`}})
	g.want(t, 412, ask{method: "POST", path: "/v1/tenants/shop/rollout/promote", token: shop, header: []string{"If-Match", `"r0"`}})
	g.want(t, 412, ask{method: "PUT", path: "/v1/tenants/shop/keys", token: shop, body: `{"keys":[],"require_signature":true}`, header: []string{"If-Match", `"k0"`}})
	g.want(t, 204, ask{method: "DELETE", path: "/v1/tenants/shop", token: boss, header: []string{"If-Match", `"s1"`}})
}

// TestOneOfManyWins: of those who have seen the same state, over a network.
func TestOneOfManyWins(t *testing.T) {
	g := newRig(t)
	go g.server.Serve()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	tag := `"s1"`
	for round := range 20 {
		var wins, losses atomic.Int32
		var next atomic.Value
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				body := strings.NewReader(fmt.Sprintf(`{"hosts":["h%d-%d.example"]}`, round, i))
				r, _ := http.NewRequest("PUT", "http://"+g.server.Addr().String()+"/v1/tenants/shop", body)
				r.Header = http.Header{"If-Match": {tag}, "Content-Type": {"application/json"}, "Authorization": {"Bearer " + boss}}
				res, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				switch res.StatusCode {
				case 200:
					wins.Add(1)
					next.Store(res.Header.Get("ETag"))
				case 412:
					losses.Add(1)
				default:
					t.Errorf("status %d", res.StatusCode)
				}
			})
		}
		group.Wait()
		if wins.Load() != 1 || losses.Load() != 7 {
			t.Fatalf("round %d: %d win, %d lose", round, wins.Load(), losses.Load())
		}
		tag = next.Load().(string)
	}
}

// TestModuleIsKept: what a whole digest names, for ever.
func TestModuleIsKept(t *testing.T) {
	g := newRig(t)
	full := sum(module)
	for digest, want := range map[string]string{full: "private, max-age=31536000, immutable", full[:12]: "private, no-cache"} {
		rec := g.want(t, 200, ask{method: "GET", path: "/v1/tenants/shop/policies/" + digest + "/module", token: shop})
		if rec.Header().Get("Cache-Control") != want || rec.Body.String() != string(module) || rec.Header().Get("Content-Type") != wasmType {
			t.Errorf("%s: %v %q", digest, rec.Header(), rec.Body)
		}
	}
	rec := httptest.NewRecorder()
	g.server.ServeHTTP(rec, ask{method: "GET", path: "/v1/tenants/shop/policies/ffffffff/module", token: shop}.request())
	if rec.Code != 404 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("missing: %d, Cache-Control %q", rec.Code, rec.Header().Get("Cache-Control"))
	}
}

func TestTags(t *testing.T) {
	for text, want := range map[string][]string{
		`"a"`: {`"a"`}, `"a","b"`: {`"a"`, `"b"`}, ` W/"a" , "b"	`: {`W/"a"`, `"b"`}, `"a,b"`: {`"a,b"`}, `,"a",,"b",`: {`"a"`, `"b"`},
		`""`: {`""`}, "\"\xff\"": {"\"\xff\""}, "*": nil,
	} {
		if list, anything, ok := v1.Tags(text); !ok || !slices.Equal(list, want) || anything != (text == "*") {
			t.Errorf("%q: %q %v", text, list, ok)
		}
	}
	for _, text := range []string{"", ",", "a", `"a`, `"a" "b"`, `w/"a"`, `W/ "a"`, `"a"b`, "*,\"a\"", `"a",*`, "\"a b\"", "\"a\x7f\""} {
		if list, _, ok := v1.Tags(text); ok {
			t.Errorf("%q: %q", text, list)
		}
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a","b"`, "*", `"a`, `,,"",W/""`, "\"\xff\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, anything, ok := v1.Tags(s)
		if !ok || anything {
			return
		}
		again, _, ok := v1.Tags(strings.Join(list, ", "))
		if !ok || !slices.Equal(list, again) {
			t.Errorf("%q: %q, and %q again", s, list, again)
		}
	})
}
