package v1

import (
	"net/http"

	"idlehost/host/internal/api"
)

func (c *call) keys() error {
	k, err := c.service.Keys(c.ctx(), c.of())
	if err != nil {
		return err
	}
	return c.showKeys(k)
}

func (c *call) putKeys() error {
	pre, err := c.precondition()
	if err != nil {
		return err
	}
	var keys api.Keys
	if err := c.readJSON(&keys); err != nil {
		return err
	}
	k, err := c.service.PutKeys(c.ctx(), c.who, c.of(), keys, pre)
	if err != nil {
		return err
	}
	return c.showKeys(k)
}

func (c *call) showKeys(k *api.Keys) error {
	shown := *k
	if shown.Keys == nil {
		shown.Keys = []api.Key{}
	}
	return c.tagged(http.StatusOK, k.ETag, shown)
}
