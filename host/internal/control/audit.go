package control

import (
	"context"
	"strconv"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// maxDetail bounds the text of an entry, in bytes.
const maxDetail = 600

// Audit lists entries before the one numbered, the newest first. Those of a
// tenant begin with it: who had its name before is none of its business.
func (c *Control) Audit(ctx context.Context, tenant string, before uint64, limit int) (api.Page[api.Entry], error) {
	page := api.Page[api.Entry]{Items: []api.Entry{}}
	limit, err := pageSize(limit)
	if err != nil {
		return page, err
	}
	s, err := c.owner(ctx, tenant)
	if err != nil || c.store == nil {
		return page, err
	}
	list, err := c.store.Audit(ctx, tenant, before, limit+1)
	if err != nil {
		return page, kept(err, "read the audit log")
	}
	for _, e := range list {
		if s != nil && s.earlier(e) {
			return page, nil
		}
		if len(page.Items) == limit {
			page.Next = strconv.FormatUint(page.Items[limit-1].Seq, 10)
			break
		}
		page.Items = append(page.Items, api.Entry(e))
	}
	return page, nil
}

// Spoiled notes that a version has ended its worker process.
func (c *Control) Spoiled(ctx context.Context, tenant, digest, detail string) error {
	if c.store == nil {
		return nil
	}
	return c.store.Note(ctx, store.Entry{
		At: c.now(), Actor: "worker", Tenant: tenant, Action: "policy.spoiled", Digest: digest, Detail: clean(detail, maxDetail),
	})
}

// earlier reports whether an entry is of a tenant that was deleted before this
// one was created.
func (s *tenantView) earlier(e store.Entry) bool {
	return s.declared == nil && e.At.Before(s.record.Created)
}
