package v1

import (
	"net/http"
	"net/url"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// of returns the tenant that the path names; "": it names none.
func (c *call) of() string { return c.r.PathValue("tenant") }

// at returns a path of the API.
func at(segments ...string) string {
	path := api.Prefix
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return path
}

func (c *call) whoami() error { return c.reply(http.StatusOK, c.actor) }

func (c *call) tenants() error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	page, err := c.service.Tenants(c.ctx(), c.query.Get("after"), limit)
	if err != nil {
		return err
	}
	c.listed(len(page.Items))
	return c.reply(http.StatusOK, whole(page))
}

func (c *call) tenant() error {
	t, err := c.service.Tenant(c.ctx(), c.of())
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, t.ETag, t)
}

func (c *call) putTenant() error {
	pre, err := c.precondition()
	if err != nil {
		return err
	}
	var spec spec.Spec
	if err := c.readJSON(&spec); err != nil {
		return err
	}
	t, made, err := c.service.PutTenant(c.ctx(), c.actor, c.of(), spec, pre)
	if err != nil {
		return err
	}
	return c.created(made, at("tenants", t.Name), t.ETag, t)
}

func (c *call) deleteTenant() error {
	pre, err := c.precondition()
	if err != nil {
		return err
	}
	if err := c.service.DeleteTenant(c.ctx(), c.actor, c.of(), pre); err != nil {
		return err
	}
	return c.empty()
}

func (c *call) limits() error {
	l, err := c.service.Limits(c.ctx(), c.of())
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, l)
}

// whole returns a page that is written with an array even if it is empty.
func whole[T any](p api.Page[T]) api.Page[T] {
	if p.Items == nil {
		p.Items = []T{}
	}
	return p
}
