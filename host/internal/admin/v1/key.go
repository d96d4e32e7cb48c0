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
	// They are replaced as a whole: what is absent is no wish to remove it.
	var keys struct {
		Keys             *[]api.Key `json:"keys"`
		RequireSignature *bool      `json:"require_signature"`
	}
	if err := c.readJSON(&keys); err != nil {
		return err
	}
	switch {
	case keys.Keys == nil:
		return invalid("keys", "it is missing")
	case keys.RequireSignature == nil:
		return invalid("require_signature", "it is missing")
	}
	wanted := api.Keys{Keys: *keys.Keys, RequireSignature: *keys.RequireSignature}
	k, err := c.service.PutKeys(c.ctx(), c.actor, c.of(), wanted, pre)
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
