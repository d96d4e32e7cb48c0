package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// Whoami returns who the server takes the caller for.
func (c *Client) Whoami(ctx context.Context) (*api.Actor, error) {
	return get[api.Actor](ctx, c, nil, "whoami")
}

// Tenants returns up to limit tenants after the one named; limit 0: the
// server's choice.
func (c *Client) Tenants(ctx context.Context, after string, limit int) (api.Page[api.Tenant], error) {
	q := url.Values{}
	text(q, "after", after)
	number(q, "limit", limit)
	return page[api.Tenant](ctx, c, q, "tenants")
}

// Tenant returns a tenant.
func (c *Client) Tenant(ctx context.Context, name string) (*api.Tenant, error) {
	t := &api.Tenant{}
	var err error
	t.ETag, err = c.tagged(ctx, t, "tenants", name)
	return answer(t, err)
}

// PutTenant creates a tenant, or replaces what its operator decides.
func (c *Client) PutTenant(ctx context.Context, name string, spec spec.Spec, pre api.Precondition) (t *api.Tenant, created bool, err error) {
	q, err := call{method: http.MethodPut, path: []string{"tenants", name}, pre: pre, repeat: true}.withJSON(spec)
	if err != nil {
		return nil, false, err
	}
	t = &api.Tenant{}
	head, status, err := c.read(ctx, q, t)
	t.ETag = head.Get("ETag")
	t, err = answer(t, err)
	return t, status == http.StatusCreated, err
}

// DeleteTenant removes a tenant.
func (c *Client) DeleteTenant(ctx context.Context, name string, pre api.Precondition) error {
	_, _, err := c.read(ctx, call{method: http.MethodDelete, path: []string{"tenants", name}, pre: pre, repeat: true}, nil)
	return err
}

// Limits returns a tenant's limits as configured, and what holds.
func (c *Client) Limits(ctx context.Context, tenant string) (*api.EffectiveLimits, error) {
	return get[api.EffectiveLimits](ctx, c, nil, "tenants", tenant, "limits")
}

// get reads what is at a path.
func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (*T, error) {
	out := new(T)
	_, _, err := c.read(ctx, call{method: http.MethodGet, path: path, query: query, repeat: true}, out)
	return answer(out, err)
}

// page reads a part of a list.
func page[T any](ctx context.Context, c *Client, query url.Values, path ...string) (api.Page[T], error) {
	p, err := get[api.Page[T]](ctx, c, query, path...)
	if err != nil {
		return api.Page[T]{}, err
	}
	return *p, nil
}

// tagged reads what is at a path, and its entity tag.
func (c *Client) tagged(ctx context.Context, out any, path ...string) (tag string, err error) {
	head, _, err := c.read(ctx, call{method: http.MethodGet, path: path, repeat: true}, out)
	return head.Get("ETag"), err
}

// answer returns v, or nothing but the error.
func answer[T any](v *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// text adds a parameter to a query unless it is empty.
func text(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// number adds a parameter to a query unless it is zero.
func number[N int | uint64](q url.Values, name string, value N) {
	if value != 0 {
		q.Set(name, fmt.Sprint(value))
	}
}
