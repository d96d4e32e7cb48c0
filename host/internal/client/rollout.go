package client

import (
	"context"
	"net/http"

	"idlehost/host/internal/api"
)

// Rollout returns which versions of a tenant are asked, and what they do.
func (c *Client) Rollout(ctx context.Context, tenant string) (*api.Rollout, error) {
	r := &api.Rollout{}
	var err error
	r.ETag, err = c.tagged(ctx, r, "tenants", tenant, "rollout")
	return answer(r, err)
}

// Shadow asks a version beside the active one; an empty Digest ends that.
func (c *Client) Shadow(ctx context.Context, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	return c.step(ctx, tenant, "shadow", s, pre, true)
}

// Canary puts a version in charge of a part of the clients.
func (c *Client) Canary(ctx context.Context, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	return c.step(ctx, tenant, "canary", s, pre, true)
}

// Promote makes a version the active one: that of the step, else the canary.
// Without a Digest it is not sent twice: the canary may be another one then.
func (c *Client) Promote(ctx context.Context, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	return c.step(ctx, tenant, "promote", s, pre, s.Digest != "")
}

// Rollback takes the canary back, else the active version. Without a Digest it
// is not sent twice: it might go back twice.
func (c *Client) Rollback(ctx context.Context, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	return c.step(ctx, tenant, "rollback", s, pre, s.Digest != "")
}

func (c *Client) step(ctx context.Context, tenant, name string, s api.Step, pre api.Precondition, repeat bool) (*api.Rollout, error) {
	q, err := call{
		method: http.MethodPost, path: []string{"tenants", tenant, "rollout", name}, pre: pre, wait: uploadWait, repeat: repeat,
	}.withJSON(s)
	if err != nil {
		return nil, err
	}
	r := &api.Rollout{}
	head, _, err := c.read(ctx, q, r)
	r.ETag = head.Get("ETag")
	return answer(r, err)
}
