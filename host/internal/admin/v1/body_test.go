package v1_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

func put(body string, header ...string) ask {
	return ask{method: "PUT", path: "/v1/tenants/shop", token: boss, body: body, header: append([]string{"If-Match", "*"}, header...)}
}

// TestObjectsThatAreRefused: and nothing is changed by them.
func TestObjectsThatAreRefused(t *testing.T) {
	for body, field := range map[string]string{
		`{"hosts":["a"],"color":1}`:                      "color",
		`{"limits":{"conections":1}}`:                    "conections",
		`{"Hosts":["a"]}`:                                "Hosts",
		`{"ho` + "\u017f" + `ts":["a"]}`:                 "ho\u017fts", // folds to an s
		`{"hosts":["a"],"hosts":["b"]}`:                  "hosts",
		`{"limits":{"floor":"1s","floor":"2s"}}`:         "floor",
		`{"hosts":"a"}`:                                  "hosts",
		`{"limits":{"connections":1.5}}`:                 "limits.connections",
		`{"limits":{"connections":99999999999999999e9}}`: "limits.connections",
		`{"limits":{"floor":"soon"}}`:                    "",
		`{"` + strings.Repeat("z", 300) + `":1}`:         strings.Repeat("z", 64) + "...",
		`{"<b>":1}`:                                      "<b>",
		`{"hosts":["a"]`:                                 "",
		`{"hosts":["a"]}{}`:                              "",
		`{"hosts":["a"]} x`:                              "",
		`{nonsense`:                                      "",
		`{` + strings.Repeat(`"limits":{`, 5000):         "",
	} {
		g := newRig(t)
		p := problem(t, g.want(t, 422, put(body)))
		if p.Field != field || p.Type != api.TypePrefix+api.KindInvalid {
			t.Errorf("%.40s: %+v, want field %q", body, p, field)
		}
		if g.calls.Load() != 0 {
			t.Errorf("%.40s: the service was called", body)
		}
	}
	g := newRig(t)
	for _, body := range []string{"null", "[]", `"x"`, "1", " ", "\ufeff{}"} {
		g.want(t, 422, put(body, "Content-Type", "application/json"))
	}
	g.want(t, 422, ask{method: "PUT", path: "/v1/tenants/shop", token: boss, header: []string{"If-Match", "*", "Content-Type", "application/json"}})
	for body, field := range map[string]string{`{"keys":[]}`: "keys", `{"require_signature":true}`: "keys"} {
		p := problem(t, g.want(t, 422, ask{method: "PUT", path: "/v1/tenants/shop/keys", token: shop, body: body, header: []string{"If-Match", "*"}}))
		if body == `{"keys":[]}` {
			field = "require_signature"
		}
		if p.Field != field {
			t.Errorf("%s: field %q", body, p.Field)
		}
	}
}

// TestParamsHaveAnyNames: those of policies are not the API's.
func TestParamsHaveAnyNames(t *testing.T) {
	g := newRig(t)
	step := ask{method: "POST", path: "/v1/tenants/shop/rollout/promote", token: shop, body: `{"params":{"Idle":"1","idle":"2","":"3","a b":"4"},"digest":""}`}
	g.want(t, 200, step)
	if got := g.steps[0].Params; got["Idle"] != "1" || got["idle"] != "2" || got[""] != "3" || len(got) != 4 {
		t.Errorf("params %v", got)
	}
	step.body = `{"params":{"idle":"1","idle":"2"}}`
	if p := problem(t, g.want(t, 422, step)); p.Field != "idle" {
		t.Errorf("field %q", p.Field)
	}
	step.body = `{"params":{"x":"y"},"Reason":"z"}`
	if p := problem(t, g.want(t, 422, step)); p.Field != "Reason" {
		t.Errorf("field %q", p.Field)
	}
}

func TestMediaTypes(t *testing.T) {
	for kind, want := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "APPLICATION/JSON": 200, `application/json; charset="UTF-8"`: 200,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=latin1": 415, "nonsense": 415,
		"application/wasm": 415,
	} {
		g := newRig(t)
		a := put(` {"hosts":[]}`) // the blank: no Content-Type of the rig's
		if kind != "" {
			a.header = append(a.header, "Content-Type", kind)
		}
		if rec := g.do(t, a); rec.Code != want {
			t.Errorf("%q: %d, want %d", kind, rec.Code, want)
		}
	}
	g := newRig(t)
	g.want(t, 415, put(` {}`, "Content-Type", "application/json", "Content-Encoding", "gzip"))
	g.want(t, 200, put(` {}`, "Content-Type", "application/json", "Content-Encoding", "identity"))
	g.want(t, 415, upload("x", "Content-Type", "application/octet-stream"))
	g.want(t, 415, upload("x"))
	g.want(t, 415, ask{method: "POST", path: "/v1/tenants/shop/rollout/promote", token: shop, body: "digest=x"})
}

func upload(body string, header ...string) ask {
	return ask{method: "POST", path: "/v1/tenants/shop/policies", token: shop, body: body, header: header}
}

const wasmType = "application/wasm"

func TestUpload(t *testing.T) {
	g := newRig(t)
	a := upload("\x00asm second", "Content-Type", wasmType, api.SignatureHeader, "c2ln")
	a.path += "?name=second"
	rec := g.want(t, 201, a)
	p := into[api.Policy](t, rec)
	if p.Digest != sum([]byte(a.body)) || p.Name != "second" || rec.Header().Get("Location") != "/v1/tenants/shop/policies/"+p.Digest {
		t.Errorf("%+v at %s", p, rec.Header().Get("Location"))
	}
	if g.uploaded.Signature != "c2ln" || string(g.uploaded.Wasm) != a.body || g.released != 1 {
		t.Errorf("uploaded %+v, released %d times", g.uploaded, g.released)
	}
	if p := into[api.Policy](t, g.want(t, 200, a)); !p.Known {
		t.Error("a second upload is not known")
	}
	refused := problem(t, g.want(t, 422, upload("bad", "Content-Type", wasmType)))
	if refused.Cause != "refused" || len(refused.Report) == 0 || g.released != 3 {
		t.Errorf("%+v, released %d times", refused, g.released)
	}
	g.want(t, 404, ask{method: "POST", path: "/v1/tenants/nobody/policies", token: boss, body: "x", header: []string{"Content-Type", wasmType}})
}

// untouched fails the test when it is read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) { u.t.Error("the body is read"); return 0, io.EOF }

// TestBodiesThatAreNotRead: of what cannot be right, or may not be now.
func TestBodiesThatAreNotRead(t *testing.T) {
	send := func(g *rig, a ask, size int64) *httptest.ResponseRecorder {
		r := a.request()
		r.Body, r.ContentLength = io.NopCloser(untouched{t}), size
		rec := httptest.NewRecorder()
		g.server.ServeHTTP(rec, r)
		return rec
	}
	g := newRig(t, func(c *v1.Config) { c.UploadBytes = 1000 })
	wasm := upload("", "Content-Type", wasmType)
	if rec := send(g, wasm, 1001); rec.Code != 413 || rec.Header().Get("Connection") != "close" || g.calls.Load() != 0 {
		t.Errorf("too large: %d", rec.Code)
	}
	if rec := send(g, put("", "Content-Type", "application/json"), v1.MaxJSON+1); rec.Code != 413 || g.calls.Load() != 0 {
		t.Errorf("too large an object: %d", rec.Code)
	}
	busy := api.NewProblem(api.KindBusy, "two wait already")
	busy.RetryAfter = 1500e6
	g.mayUpload = func() (func(), error) { return nil, busy }
	if rec := send(g, wasm, 1000); rec.Code != 503 || rec.Header().Get("Retry-After") != "2" {
		t.Errorf("busy: %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
	}
	if busy.Instance != "" {
		t.Error("the service's problem was written to")
	}
	wasm.token = bank
	if rec := send(g, wasm, 10); rec.Code != 403 {
		t.Errorf("another tenant's: %d", rec.Code)
	}
	wasm.token = ""
	if rec := send(g, wasm, 10); rec.Code != 401 {
		t.Errorf("nobody's: %d", rec.Code)
	}
}

// TestBodiesOfUnknownLength are read as far as they may be long.
func TestBodiesOfUnknownLength(t *testing.T) {
	g := newRig(t, func(c *v1.Config) { c.UploadBytes = 1000 })
	send := func(a ask, size int) int {
		r := a.request()
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(bytes.Repeat([]byte{' '}, size))), -1
		rec := httptest.NewRecorder()
		g.server.ServeHTTP(rec, r)
		return rec.Code
	}
	wasm := upload("", "Content-Type", wasmType)
	if got := send(wasm, 1000); got != 201 {
		t.Errorf("1000 bytes: %d", got)
	}
	if got := send(wasm, 1001); got != 413 {
		t.Errorf("1001 bytes: %d", got)
	}
	object := put("", "Content-Type", "application/json")
	if got := send(object, v1.MaxJSON); got != 422 {
		t.Errorf("so many blanks: %d", got)
	}
	if got := send(object, v1.MaxJSON+1); got != 413 {
		t.Errorf("one blank more: %d", got)
	}
	step := ask{method: "POST", path: "/v1/tenants/shop/rollout/promote", token: shop, header: []string{"Content-Type", "application/json"}}
	if got := send(step, 0); got != 200 {
		t.Errorf("an empty body in chunks: %d", got)
	}
	if g.released != 2 {
		t.Errorf("released %d times", g.released)
	}
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"hosts":["a"],"limits":{"floor":"1s"}}`, `{"Hosts":1}`, `{"a":{"a":[{"a":1}]}}`, `{"hosts":null}`, `[`, "{\"\u017f\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var spec spec.Spec
		var step api.Step
		for _, err := range []error{v1.ParseObject(data, &spec), v1.ParseObject(data, &step)} {
			if p, ok := err.(*api.Problem); err != nil && (!ok || p.Status != 422 || len(p.Detail) > 1000) {
				t.Errorf("%q: %v", data, err)
			}
		}
	})
}
