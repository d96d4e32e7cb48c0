package v1_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
	"idlehost/host/internal/tenant/spec"
)

// stage is a control.Runtime without a host behind it.
type stage struct {
	mu    sync.Mutex // guards the following field
	force map[string]store.Tenant
}

func (s *stage) Declared() []api.Tenant {
	return []api.Tenant{{Name: "default", Declared: true}, {Name: "fixture", Declared: true, Active: strings.Repeat("f1", 32)}}
}

func (s *stage) HasDeclaredPolicy(tenant string) bool { return tenant == "fixture" }
func (s *stage) RetryAfter(string) time.Duration      { return 0 }
func (s *stage) CheckSpec(spec.Spec, string) error    { return nil }
func (s *stage) Open(string) int                      { return 3 }
func (s *stage) Remove(context.Context, string) error { return nil }
func (s *stage) Effective(string) (api.EffectiveLimits, error) {
	return api.EffectiveLimits{UploadBytes: 4 << 20, HostLimit: 20000}, nil
}

func (s *stage) Check(_ context.Context, _, _ string, wasm []byte) (json.RawMessage, error) {
	if strings.HasPrefix(string(wasm), "bad") {
		return nil, &control.Refusal{Cause: "refused", Text: "byte 0: no magic", Report: json.RawMessage(`{"verdict":"refused"}`)}
	}
	return json.RawMessage(`{"verdict":"accepted"}`), nil
}

func (s *stage) Try(_ context.Context, _ string, _ []byte, r spec.Release) error {
	if r.Params["idle"] == "soon" {
		return &control.Refusal{Cause: "configure", Text: "no duration"}
	}
	return nil
}

func (s *stage) Apply(_ context.Context, t *store.Tenant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.force[t.Name] = *t
	return nil
}

func (s *stage) Sides(string) ([]api.RoleStats, *api.Comparison) {
	return []api.RoleStats{{Role: "active"}}, &api.Comparison{}
}

func (s *stage) Connections(context.Context, string, api.ConnectionQuery) (api.Page[api.Connection], error) {
	return api.Page[api.Connection]{}, nil
}

func (s *stage) Decisions(_ context.Context, _ string, send func(api.Decision) error) error {
	return send(decision)
}

// newReal is a rig over the rules and a store that the program has.
func newReal(t *testing.T) *rig {
	t.Helper()
	files, err := file.Open(t.TempDir(), file.Config{})
	if err != nil {
		t.Fatal(err)
	}
	rules := control.New(control.Config{Store: files, Runtime: &stage{force: map[string]store.Tenant{}}})
	if err := rules.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := admin.Listen(t.Context(), admin.Config{
		Address: "127.0.0.1:0", Tokens: []string{configured}, Bearers: rules, API: v1.New(v1.Config{Service: rules, Rate: -1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); rules.Close(); files.Close() })
	return &rig{nil, s}
}

// TestRealAnswers: those of the real rules are what the document says too.
func TestRealAnswers(t *testing.T) {
	g := newReal(t)
	const shop = "/v1/tenants/shop"
	asked := func(token, method, path, body string, header ...string) ask {
		return ask{method: method, path: path, token: token, body: body, header: header}
	}
	tag := g.want(t, 201, asked(configured, "PUT", shop, `{"hosts":["shop.example"],"limits":{"floor":"1s"}}`, "If-None-Match", "*")).Header().Get("ETag")
	g.want(t, 412, asked(configured, "PUT", shop, `{}`, "If-None-Match", "*"))
	g.want(t, 428, asked(configured, "PUT", shop, `{"rewrite_host":true}`))
	g.want(t, 422, asked(configured, "PUT", shop, `{"hosts":["not a host"]}`, "If-Match", tag))
	g.want(t, 409, asked(configured, "PUT", "/v1/tenants/fixture", `{}`, "If-Match", "*"))
	tag = g.want(t, 200, asked(configured, "PUT", shop, `{"hosts":["shop.example"],"guard":{"faults":0.1}}`, "If-Match", tag)).Header().Get("ETag")
	g.want(t, 304, asked(configured, "GET", shop, "", "If-None-Match", tag))
	g.want(t, 200, asked(configured, "GET", "/v1/tenants?limit=2", ""))

	own := into[api.Token](t, g.want(t, 201, asked(configured, "POST", shop+"/tokens", `{"name":"ci","expires_in":"1h"}`))).Secret
	g.want(t, 422, asked(own, "POST", shop+"/tokens", `{"name":"","expires_in":"1s"}`))
	g.want(t, 201, asked(configured, "POST", "/v1/tokens", `{"name":"deputy"}`))
	for _, path := range []string{"/v1/whoami", shop, shop + "/limits", shop + "/tokens", shop + "/keys", shop + "/policies", shop + "/rollout", shop + "/connections", shop + "/audit", shop + "/decisions"} {
		g.want(t, 200, asked(own, "GET", path, ""))
	}
	g.want(t, 403, asked(own, "GET", "/v1/tenants/fixture", ""))
	g.want(t, 401, asked(own[:len(own)-1], "GET", "/v1/whoami", ""))

	var digests []string
	for _, text := range []string{"\x00asm one", "\x00asm two", "\x00asm three"} {
		p := into[api.Policy](t, g.want(t, 201, asked(own, "POST", shop+"/policies?name=x", text, "Content-Type", wasmType)))
		digests = append(digests, p.Digest)
	}
	g.want(t, 200, asked(own, "POST", shop+"/policies", "\x00asm one", "Content-Type", wasmType))
	refused := problem(t, g.want(t, 422, asked(own, "POST", shop+"/policies", "bad", "Content-Type", wasmType)))
	if refused.Cause != "refused" || len(refused.Report) == 0 {
		t.Errorf("problem %+v, want the cause refused and a report", refused)
	}
	g.want(t, 422, asked(own, "POST", shop+"/policies", "\x00asm one", "Content-Type", wasmType, api.SignatureHeader, base64.StdEncoding.EncodeToString([]byte("nonsense"))))
	g.want(t, 200, asked(own, "GET", shop+"/policies/"+digests[0][:8], ""))
	g.want(t, 304, asked(own, "GET", shop+"/policies/"+digests[0]+"/module", "", "If-None-Match", `"`+digests[0]+`"`))

	g.want(t, 200, asked(own, "POST", shop+"/rollout/promote", `{"digest":"`+digests[0][:12]+`","params":{"idle":"30s"}}`))
	g.want(t, 200, asked(own, "POST", shop+"/rollout/shadow", `{"digest":"`+digests[1]+`"}`))
	r := g.want(t, 200, asked(own, "POST", shop+"/rollout/canary", `{"digest":"`+digests[2]+`","percent":12.5}`))
	if rollout := into[api.Rollout](t, r); rollout.Canary == nil || rollout.Percent != 12.5 || rollout.Shadow == nil || rollout.Active == nil {
		t.Errorf("%s", r.Body)
	}
	g.want(t, 412, asked(own, "POST", shop+"/rollout/promote", "", "If-Match", `"r0"`))
	g.want(t, 422, asked(own, "POST", shop+"/rollout/canary", `{"digest":"`+digests[2]+`","percent":101}`))
	g.want(t, 422, asked(own, "POST", shop+"/rollout/canary", `{"digest":"`+digests[2]+`","percent":5,"params":{"idle":"soon"}}`))
	g.want(t, 409, asked(own, "DELETE", shop+"/policies/"+digests[2], ""))
	g.want(t, 200, asked(own, "POST", shop+"/rollout/rollback", `{"reason":"slower"}`))
	g.want(t, 200, asked(own, "GET", shop+"/rollout", ""))
	g.want(t, 204, asked(own, "DELETE", shop+"/policies/"+digests[2], ""))

	keys := g.want(t, 200, asked(own, "GET", shop+"/keys", ""))
	const key = `{"keys":[{"public":"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3","comment":"ci"}],"require_signature":true}`
	g.want(t, 200, asked(own, "PUT", shop+"/keys", key, "If-Match", keys.Header().Get("ETag")))
	g.want(t, 412, asked(own, "PUT", shop+"/keys", `{"keys":[],"require_signature":true}`, "If-Match", keys.Header().Get("ETag")))
	g.want(t, 422, asked(own, "POST", shop+"/policies", "\x00asm unsigned", "Content-Type", wasmType))

	for _, path := range []string{"/v1/audit?limit=5", shop + "/audit", "/v1/tokens", "/v1/tenants/default", "/v1/tenants/fixture/rollout", "/v1/tenants"} {
		g.want(t, 200, asked(configured, "GET", path, ""))
	}
	g.want(t, 204, asked(own, "DELETE", shop+"/tokens/"+strings.Split(own, "_")[1], ""))
	g.want(t, 401, asked(own, "GET", "/v1/whoami", ""))
	g.want(t, 428, asked(configured, "DELETE", shop, ""))
	tag = g.want(t, 200, asked(configured, "GET", shop, "")).Header().Get("ETag")
	g.want(t, 204, asked(configured, "DELETE", shop, "", "If-Match", tag))
	g.want(t, 404, asked(configured, "GET", shop, ""))
}
