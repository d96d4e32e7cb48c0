package v1

import "net/http"

// audit serves a tenant's entries, and those of all where the path names none.
func (c *call) audit() error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	before, err := c.number("before")
	if err != nil {
		return err
	}
	page, err := c.service.Audit(c.ctx(), c.of(), before, limit)
	if err != nil {
		return err
	}
	c.listed(len(page.Items))
	return c.reply(http.StatusOK, whole(page))
}
