package control

import (
	"context"
	"net/netip"
	"strings"

	"idlehost/host/internal/api"
)

// Connections lists a tenant's live connections.
func (c *Control) Connections(ctx context.Context, tenant string, q api.ConnectionQuery) (api.Page[api.Connection], error) {
	page := api.Page[api.Connection]{Items: []api.Connection{}}
	if _, err := c.find(ctx, tenant); err != nil {
		return page, err
	}
	if err := checkQuery(&q); err != nil {
		return page, err
	}
	page, err := c.runtime.Connections(ctx, tenant, q)
	if page.Items == nil {
		page.Items = []api.Connection{}
	}
	return page, refused(err, "list connections")
}

// checkQuery checks what needs no knowledge of connections, and brings it into
// one form.
func checkQuery(q *api.ConnectionQuery) (err error) {
	if q.Limit, err = pageSize(q.Limit); err != nil {
		return err
	}
	if q.Client != "" {
		a, err := netip.ParseAddr(q.Client)
		if err != nil {
			return invalid("client", "client %q is no address", clean(q.Client, 80))
		}
		q.Client = a.Unmap().String()
	}
	q.Version = lower(q.Version)
	switch {
	case len(q.Version) > 64 || strings.Trim(q.Version, "0123456789abcdef") != "":
		return invalid("version", "version %q is no digest, nor the beginning of one", clean(q.Version, 80))
	case q.MinIdle < 0:
		return invalid("min_idle", "min_idle is negative")
	case q.MinAge < 0:
		return invalid("min_age", "min_age is negative")
	}
	return nil
}

// Decisions calls send for decisions of a tenant as they are made, until ctx is
// done or send fails.
func (c *Control) Decisions(ctx context.Context, tenant string, send func(api.Decision) error) error {
	if _, err := c.find(ctx, tenant); err != nil {
		return err
	}
	return c.runtime.Decisions(ctx, tenant, send)
}
