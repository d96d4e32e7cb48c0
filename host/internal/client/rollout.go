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

// Step changes the rollout. A promotion or rollback without a Digest is not sent
// twice: the canary may be another one then, and it might go back twice.
func (c *Client) Step(ctx context.Context, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	named := s.Digest != "" || s.Kind == api.StepShadow || s.Kind == api.StepCanary
	q, err := call{
		method: http.MethodPost, path: []string{"tenants", tenant, "rollout", string(s.Kind)}, pre: pre, wait: uploadWait, repeat: named,
	}.withJSON(s)
	if err != nil {
		return nil, err
	}
	r := &api.Rollout{}
	head, _, err := c.read(ctx, q, r)
	r.ETag = head.Get("ETag")
	return answer(r, err)
}
