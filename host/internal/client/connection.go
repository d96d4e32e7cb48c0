package client

import (
	"context"
	"net/url"
	"time"

	"idlehost/host/internal/api"
)

// Connections returns a tenant's live connections, in the order of their IDs.
func (c *Client) Connections(ctx context.Context, tenant string, f api.ConnectionQuery) (api.Page[api.Connection], error) {
	q := url.Values{}
	number(q, "after", f.After)
	number(q, "limit", f.Limit)
	text(q, "phase", f.Phase)
	text(q, "side", f.Side)
	text(q, "protocol", f.Protocol)
	text(q, "client", f.Client)
	text(q, "version", f.Version)
	span(q, "min_idle", f.MinIdle)
	span(q, "min_age", f.MinAge)
	return page[api.Connection](ctx, c, q, "tenants", tenant, "connections")
}

// Audit returns up to limit entries of the audit log before the one numbered,
// the newest first; tenant empty: of all tenants.
func (c *Client) Audit(ctx context.Context, tenant string, before uint64, limit int) (api.Page[api.Entry], error) {
	q := url.Values{}
	number(q, "before", before)
	number(q, "limit", limit)
	if tenant == "" {
		return page[api.Entry](ctx, c, q, "audit")
	}
	return page[api.Entry](ctx, c, q, "tenants", tenant, "audit")
}

func span(q url.Values, name string, d time.Duration) {
	if d != 0 {
		q.Set(name, d.String())
	}
}
