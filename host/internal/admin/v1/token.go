package v1

import (
	"net/http"

	"idlehost/host/internal/api"
)

// The routes of operators' tokens and of a tenant's differ in the path: that
// of operators names no tenant.

func (c *call) tokens() error {
	list, err := c.service.Tokens(c.ctx(), c.of())
	if err != nil {
		return err
	}
	c.listed(len(list))
	return c.reply(http.StatusOK, whole(api.Page[api.Token]{Items: list}))
}

func (c *call) createToken() error {
	var asked api.NewToken
	if err := c.readJSON(&asked); err != nil {
		return err
	}
	t, err := c.service.CreateToken(c.ctx(), c.actor, c.of(), asked)
	if err != nil {
		return err
	}
	location := at("tokens", t.ID)
	if c.of() != "" {
		location = at("tenants", c.of(), "tokens", t.ID)
	}
	return c.created(true, location, "", t)
}

func (c *call) revokeToken() error {
	if err := c.service.RevokeToken(c.ctx(), c.actor, c.of(), c.r.PathValue("id")); err != nil {
		return err
	}
	return c.empty()
}
