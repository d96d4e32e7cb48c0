package client

import (
	"context"
	"net/http"

	"idlehost/host/internal/api"
)

// tokens returns the path of a tenant's tokens; of the operators' where tenant
// is empty.
func tokens(tenant string, more ...string) []string {
	if tenant == "" {
		return append([]string{"tokens"}, more...)
	}
	return append([]string{"tenants", tenant, "tokens"}, more...)
}

// Tokens returns the tokens of a tenant; those of the operators where tenant is
// empty.
func (c *Client) Tokens(ctx context.Context, tenant string) ([]api.Token, error) {
	p, err := page[api.Token](ctx, c, nil, tokens(tenant)...)
	return p.Items, err
}

// CreateToken makes a token. It is not sent twice: a second one would come of
// it.
func (c *Client) CreateToken(ctx context.Context, tenant string, t api.NewToken) (*api.Token, error) {
	q, err := call{method: http.MethodPost, path: tokens(tenant)}.withJSON(t)
	if err != nil {
		return nil, err
	}
	out := &api.Token{}
	_, _, err = c.read(ctx, q, out)
	return answer(out, err)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, tenant, id string) error {
	_, _, err := c.read(ctx, call{method: http.MethodDelete, path: tokens(tenant, id), repeat: true}, nil)
	return err
}

// Keys returns the keys that a tenant's uploads are signed with.
func (c *Client) Keys(ctx context.Context, tenant string) (*api.Keys, error) {
	k := &api.Keys{}
	var err error
	k.ETag, err = c.tagged(ctx, k, "tenants", tenant, "keys")
	return answer(k, err)
}

// PutKeys replaces a tenant's keys.
func (c *Client) PutKeys(ctx context.Context, tenant string, k api.Keys, pre api.Precondition) (*api.Keys, error) {
	q, err := call{method: http.MethodPut, path: []string{"tenants", tenant, "keys"}, pre: pre, repeat: true}.withJSON(k)
	if err != nil {
		return nil, err
	}
	out := &api.Keys{}
	head, _, err := c.read(ctx, q, out)
	out.ETag = head.Get("ETag")
	return answer(out, err)
}
