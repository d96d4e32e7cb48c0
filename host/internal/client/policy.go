package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"idlehost/host/internal/api"
)

// uploadWait bounds an upload, which the host answers when it has checked and
// compiled the policy.
const uploadWait = 5 * time.Minute

// Upload adds a policy. created says that the tenant did not have it. sent is
// told how many bytes have gone; nil: nobody asks.
func (c *Client) Upload(ctx context.Context, tenant string, u api.Upload, sent func(n int)) (p *api.Policy, created bool, err error) {
	q := call{
		method: http.MethodPost, path: []string{"tenants", tenant, "policies"}, query: url.Values{},
		kind: api.ModuleType, body: u.Wasm, sent: sent, wait: uploadWait, repeat: true,
		// So that a tenant that may not upload now need not do so to be told.
		header: map[string]string{"Expect": "100-continue"},
	}
	text(q.query, "name", u.Name)
	if u.Signature != "" {
		q.header[api.SignatureHeader] = u.Signature
	}
	p = &api.Policy{}
	_, status, err := c.read(ctx, q, p)
	p, err = answer(p, err)
	return p, status == http.StatusCreated, err
}

// Policies returns the versions of a tenant.
func (c *Client) Policies(ctx context.Context, tenant string) ([]api.Policy, error) {
	p, err := page[api.Policy](ctx, c, nil, "tenants", tenant, "policies")
	return p.Items, err
}

// Policy returns a version, with the report of its check. digest, here and
// below, may be a unique prefix of 8 digits or more.
func (c *Client) Policy(ctx context.Context, tenant, digest string) (*api.Policy, error) {
	return get[api.Policy](ctx, c, nil, "tenants", tenant, "policies", digest)
}

// Module returns a version's bytes, and their digest, which is computed here
// and is the one asked for.
func (c *Client) Module(ctx context.Context, tenant, digest string) (wasm []byte, full string, err error) {
	wasm, _, err = c.fetch(ctx, call{
		method: http.MethodGet, path: []string{"tenants", tenant, "policies", digest, "module"},
		accept: api.ModuleType, wait: uploadWait, repeat: true,
	}, maxModule, api.ModuleType)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(wasm)
	if full = hex.EncodeToString(sum[:]); !strings.HasPrefix(full, strings.ToLower(digest)) {
		return nil, "", fmt.Errorf("module %s: the server has sent another one, %s", digest, full)
	}
	return wasm, full, nil
}

// DeletePolicy removes a version that is not in use.
func (c *Client) DeletePolicy(ctx context.Context, tenant, digest string) error {
	_, _, err := c.read(ctx, call{
		method: http.MethodDelete, path: []string{"tenants", tenant, "policies", digest}, repeat: true,
	}, nil)
	return err
}
