package v1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
)

// Bearers of the house, and one of the configuration.
const (
	boss       = "token-of-the-operator"
	shop       = "token-of-shop"
	bank       = "token-of-bank"
	configured = "token-of-the-configuration"
)

// contract is the document, ready to be held against answers.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	for _, kind := range []string{"application/wasm", "application/x-ndjson", "text/event-stream", api.RecordingType} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
	doc, err := openapi3.NewLoader().LoadFromData(v1.Document())
	if err == nil {
		err = doc.Validate(context.Background(), openapi3.EnableExamplesValidation())
		doc.Servers = nil // any address will do
	}
	return doc, err
})

func document(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

var lookup = sync.OnceValues(func() (routers.Router, error) {
	doc, err := contract()
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// rig is a whole admin server over a house, without a network.
type rig struct {
	*house
	server *admin.Server
}

func newRig(t testing.TB, change ...func(*v1.Config)) *rig {
	t.Helper()
	h := newHouse()
	cfg := v1.Config{Service: h, Recordings: h, Rate: -1}
	for _, f := range change {
		f(&cfg)
	}
	s, err := admin.Listen(context.Background(), admin.Config{
		Address: "127.0.0.1:0", Tokens: []string{configured}, Bearers: h, API: v1.New(cfg),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &rig{h, s}
}

// ask is a request to be made.
type ask struct {
	method, path, token, body string
	header                    []string // names and values
}

func (a ask) request() *http.Request {
	var body io.Reader
	if a.body != "" {
		body = strings.NewReader(a.body)
	}
	r := httptest.NewRequest(a.method, "http://127.0.0.1"+a.path, body)
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	if strings.HasPrefix(a.body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(a.header); i += 2 {
		r.Header.Add(a.header[i], a.header[i+1])
	}
	return r
}

// do makes a request, and holds it and the answer against the document.
func (g *rig) do(t testing.TB, a ask) *httptest.ResponseRecorder {
	t.Helper()
	r, rec := a.request(), httptest.NewRecorder()
	g.server.ServeHTTP(rec, r)
	check(t, a, rec)
	return rec
}

// want makes a request that gets that status.
func (g *rig) want(t testing.TB, status int, a ask) *httptest.ResponseRecorder {
	t.Helper()
	rec := g.do(t, a)
	if rec.Code != status {
		t.Fatalf("%s %s: %d, want %d: %.300q", a.method, a.path, rec.Code, status, rec.Body)
	}
	return rec
}

// check holds an exchange against the document: what is answered with success
// was a documented request, and every answer is a documented one.
func check(t testing.TB, a ask, rec *httptest.ResponseRecorder) {
	t.Helper()
	router, err := lookup()
	if err != nil {
		t.Fatal(err)
	}
	res := rec.Result()
	if res.StatusCode >= 400 {
		checkProblem(t, a, rec)
	}
	r := a.request()
	found := r
	if r.Method == http.MethodHead {
		found = r.Clone(t.Context())
		found.Method = http.MethodGet
	}
	route, params, err := router.FindRoute(found)
	if err != nil {
		if res.StatusCode != 404 && res.StatusCode != 405 {
			t.Errorf("%s %s: %d, and it is not documented: %v", a.method, a.path, res.StatusCode, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true,
		},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && res.StatusCode < 400 {
		t.Errorf("%s %s: %d, but the document does not allow it: %v", a.method, a.path, res.StatusCode, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())), Options: in.Options,
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s: the answer %d is not what the document says: %v\n%.400q", a.method, a.path, res.StatusCode, err, rec.Body)
	}
}

// checkProblem holds an error to what all have in common.
func checkProblem(t testing.TB, a ask, rec *httptest.ResponseRecorder) {
	t.Helper()
	h := rec.Header()
	if h.Get("Content-Type") != api.ProblemType || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s: %d with the fields %v", a.method, a.path, rec.Code, h)
	}
	if a.method == http.MethodHead {
		return
	}
	p := problem(t, rec)
	if p.Status != rec.Code || !strings.HasPrefix(p.Type, api.TypePrefix) {
		t.Errorf("%s %s: %d with %+v", a.method, a.path, rec.Code, p)
	}
	if (h.Get("WWW-Authenticate") != "") != (rec.Code == 401) {
		t.Errorf("%s %s: %d with WWW-Authenticate %q", a.method, a.path, rec.Code, h.Get("WWW-Authenticate"))
	}
}

func problem(t testing.TB, rec *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("no problem: %v: %.300q", err, rec.Body)
	}
	return p
}

// into decodes an answer.
func into[T any](t testing.TB, rec *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %.300q", err, rec.Body)
	}
	return v
}
