package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fake returns a client whose requests f answers.
func fake(t *testing.T, f roundTrip) *Client {
	t.Helper()
	c, err := New(Config{Token: "idh_aaaaaaaaaa_secret", HTTP: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reply makes an answer.
func reply(r *http.Request, status int, kind, body string) *http.Response {
	h := http.Header{}
	if kind != "" {
		h.Set("Content-Type", kind)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: h, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), ProtoMajor: 1, ProtoMinor: 1,
	}
}

func TestEveryMethodCallsItsRoute(t *testing.T) {
	wasm := []byte("\x00asm")
	sum := sha256.Sum256(wasm)
	digest := hex.EncodeToString(sum[:])
	tag := api.Precondition{Match: `"s7"`}
	for _, tt := range []struct {
		call    func(context.Context, *Client) error
		request string // method, URL, body
		header  string // a field that is sent
		answer  string
	}{
		{request: "GET /v1/whoami", answer: `{"operator":true,"name":"x"}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Whoami(ctx); return err }},
		{request: "GET /v1/tenants?after=a&limit=7", answer: `{"items":[{"name":"b"}],"next":"b"}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Tenants(ctx, "a", 7); return err }},
		{request: "GET /v1/tenants", answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Tenants(ctx, "", 0); return err }},
		{request: "GET /v1/tenants/a%2Fb", answer: `{"name":"a/b"}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Tenant(ctx, "a/b"); return err }},
		{request: `PUT /v1/tenants/a {"hosts":["a.example"]}`, answer: `{"name":"a"}`, header: `If-Match: "s7"`,
			call: func(ctx context.Context, c *Client) error {
				_, _, err := c.PutTenant(ctx, "a", spec.Spec{Hosts: []string{"a.example"}}, tag)
				return err
			}},
		{request: `PUT /v1/tenants/a {}`, answer: `{"name":"a"}`, header: "If-None-Match: *",
			call: func(ctx context.Context, c *Client) error {
				_, _, err := c.PutTenant(ctx, "a", spec.Spec{}, api.Precondition{Absent: true})
				return err
			}},
		{request: "DELETE /v1/tenants/a", header: `If-Match: "s7"`,
			call: func(ctx context.Context, c *Client) error { return c.DeleteTenant(ctx, "a", tag) }},
		{request: "GET /v1/tenants/a/limits", answer: `{"open":3}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Limits(ctx, "a"); return err }},
		{request: "GET /v1/tenants/a/tokens", answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Tokens(ctx, "a"); return err }},
		{request: "GET /v1/tokens", answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Tokens(ctx, ""); return err }},
		{request: `POST /v1/tenants/a/tokens {"name":"ci","expires_in":"1h0m0s"}`, answer: `{"id":"x"}`, header: "Content-Type: application/json",
			call: func(ctx context.Context, c *Client) error {
				_, err := c.CreateToken(ctx, "a", api.NewToken{Name: "ci", ExpiresIn: spec.Duration(time.Hour)})
				return err
			}},
		{request: `POST /v1/tokens {"name":"ci"}`, answer: `{"id":"x"}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.CreateToken(ctx, "", api.NewToken{Name: "ci"})
				return err
			}},
		{request: "DELETE /v1/tenants/a/tokens/x",
			call: func(ctx context.Context, c *Client) error { return c.RevokeToken(ctx, "a", "x") }},
		{request: "DELETE /v1/tokens/x",
			call: func(ctx context.Context, c *Client) error { return c.RevokeToken(ctx, "", "x") }},
		{request: "GET /v1/tenants/a/keys", answer: `{"keys":[],"require_signature":true}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Keys(ctx, "a"); return err }},
		{request: `PUT /v1/tenants/a/keys {"keys":[{"public":"RW"}],"require_signature":true}`, answer: `{"keys":[]}`, header: `If-Match: "s7"`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.PutKeys(ctx, "a", api.Keys{Keys: []api.Key{{Public: "RW"}}, RequireSignature: true}, tag)
				return err
			}},
		{request: "POST /v1/tenants/a/policies?name=n+1 \x00asm", answer: `{"digest":"x"}`, header: "Policy-Signature: c2ln",
			call: func(ctx context.Context, c *Client) error {
				_, _, err := c.Upload(ctx, "a", api.Upload{Name: "n 1", Wasm: wasm, Signature: "c2ln"}, nil)
				return err
			}},
		{request: "POST /v1/tenants/a/policies \x00asm", answer: `{"digest":"x"}`, header: "Content-Type: application/wasm",
			call: func(ctx context.Context, c *Client) error {
				_, _, err := c.Upload(ctx, "a", api.Upload{Wasm: wasm}, nil)
				return err
			}},
		{request: "GET /v1/tenants/a/policies", answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Policies(ctx, "a"); return err }},
		{request: "GET /v1/tenants/a/policies/0123abcd", answer: `{"digest":"0123abcd"}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Policy(ctx, "a", "0123abcd"); return err }},
		{request: "GET /v1/tenants/a/policies/" + digest[:12] + "/module", answer: string(wasm), header: "Accept: application/wasm, application/problem+json",
			call: func(ctx context.Context, c *Client) error { _, _, err := c.Module(ctx, "a", digest[:12]); return err }},
		{request: "DELETE /v1/tenants/a/policies/0123abcd",
			call: func(ctx context.Context, c *Client) error { return c.DeletePolicy(ctx, "a", "0123abcd") }},
		{request: "GET /v1/tenants/a/recording", answer: `{"state":"off"}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Recording(ctx, "a"); return err }},
		{request: `POST /v1/tenants/a/recording {"sample":0.5}`, answer: `{"state":"on"}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.StartRecording(ctx, "a", api.NewRecording{Sample: 0.5})
				return err
			}},
		{request: "DELETE /v1/tenants/a/recording",
			call: func(ctx context.Context, c *Client) error { return c.StopRecording(ctx, "a") }},
		{request: "GET /v1/tenants/a/rollout", answer: `{}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Rollout(ctx, "a"); return err }},
		{request: `POST /v1/tenants/a/rollout/shadow {}`, answer: `{}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.Step(ctx, "a", api.Step{Kind: api.StepShadow}, api.Precondition{})
				return err
			}},
		{request: `POST /v1/tenants/a/rollout/canary {"digest":"0123abcd","params":{"k":"v"},"percent":2.5}`, answer: `{}`, header: `If-Match: "s7"`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.Step(ctx, "a", api.Step{Kind: api.StepCanary, Digest: "0123abcd", Params: map[string]string{"k": "v"}, Percent: 2.5}, tag)
				return err
			}},
		{request: `POST /v1/tenants/a/rollout/promote {}`, answer: `{}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.Step(ctx, "a", api.Step{Kind: api.StepPromote}, api.Precondition{})
				return err
			}},
		{request: `POST /v1/tenants/a/rollout/rollback {"reason":"bad"}`, answer: `{}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.Step(ctx, "a", api.Step{Kind: api.StepRollback, Reason: "bad"}, api.Precondition{})
				return err
			}},
		{request: "GET /v1/tenants/a/connections?after=18446744073709551615&client=192.0.2.1&limit=5&min_age=1m0s&min_idle=1s&phase=idle&protocol=http1&side=accepted&version=0123abcd",
			answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error {
				_, err := c.Connections(ctx, "a", api.ConnectionQuery{After: 1<<64 - 1, Limit: 5, Phase: "idle", Side: "accepted", Protocol: "http1",
					Client: "192.0.2.1", Version: "0123abcd", MinIdle: time.Second, MinAge: time.Minute})
				return err
			}},
		{request: "GET /v1/tenants/a/audit?before=9&limit=3", answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Audit(ctx, "a", 9, 3); return err }},
		{request: "GET /v1/audit", answer: `{"items":[]}`,
			call: func(ctx context.Context, c *Client) error { _, err := c.Audit(ctx, "", 0, 0); return err }},
		{request: "GET /v1/tenants/a/decisions", header: "Accept: application/x-ndjson, application/problem+json", answer: "{\"conn\":1}\n\n{\"conn\":2}\n",
			call: func(ctx context.Context, c *Client) error {
				return c.Decisions(ctx, "a", func(api.Decision) error { return nil })
			}},
	} {
		t.Run(tt.request, func(t *testing.T) {
			var got, auth string
			head := http.Header{}
			c := fake(t, func(r *http.Request) (*http.Response, error) {
				got, head, auth = r.Method+" "+r.URL.RequestURI(), r.Header, r.Header.Get("Authorization")
				if r.Body != nil {
					body, _ := io.ReadAll(r.Body)
					got += " " + string(body)
				}
				kind, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
				if tt.answer == "" {
					return reply(r, http.StatusNoContent, "", ""), nil
				}
				return reply(r, http.StatusOK, kind, tt.answer), nil
			})
			if err := tt.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if got != tt.request {
				t.Errorf("%s", got)
			}
			if auth != "Bearer idh_aaaaaaaaaa_secret" {
				t.Errorf("Authorization: %s", auth)
			}
			if name, value, _ := strings.Cut(tt.header, ": "); tt.header != "" && head.Get(name) != value {
				t.Errorf("no %s among %v", tt.header, head)
			}
		})
	}
}

func TestNamesThatWouldBeAnotherPathAreNotSent(t *testing.T) {
	c := fake(t, func(r *http.Request) (*http.Response, error) {
		t.Errorf("sent %s", r.URL)
		return reply(r, 200, jsonType, "{}"), nil
	})
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.Tenant(t.Context(), name); err == nil || !strings.Contains(err.Error(), "is not a name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTagsAndCreationAreTold(t *testing.T) {
	c := fake(t, func(r *http.Request) (*http.Response, error) {
		res := reply(r, http.StatusCreated, jsonType, `{"digest":"d","name":"a"}`)
		res.Header.Set("ETag", `"s9"`)
		return res, nil
	})
	ctx := t.Context()
	tenant, created, err := c.PutTenant(ctx, "a", spec.Spec{}, api.Precondition{Absent: true})
	if err != nil || !created || tenant.ETag != `"s9"` {
		t.Errorf("%+v, %v, %v", tenant, created, err)
	}
	if _, created, err := c.Upload(ctx, "a", api.Upload{}, nil); err != nil || !created {
		t.Errorf("%v, %v", created, err)
	}
	if k, err := c.Keys(ctx, "a"); err != nil || k.ETag != `"s9"` {
		t.Errorf("%+v, %v", k, err)
	}
	if r, err := c.Rollout(ctx, "a"); err != nil || r.ETag != `"s9"` {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := c.Step(ctx, "a", api.Step{Kind: api.StepPromote}, api.Precondition{}); err != nil || r.ETag != `"s9"` {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAnotherModuleThanAskedForIsRefused(t *testing.T) {
	c := fake(t, func(r *http.Request) (*http.Response, error) { return reply(r, 200, api.ModuleType, "other"), nil })
	if _, _, err := c.Module(t.Context(), "a", "0123abcd"); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Error(err)
	}
}
