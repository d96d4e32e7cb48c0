package v1

import (
	"context"
	"net/http"

	"idlehost/host/internal/api"
)

func (c *call) rollout() error {
	r, err := c.service.Rollout(c.ctx(), c.of())
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, r.ETag, r)
}

// stepper is a step of api.Service.
type stepper func(s api.Service, ctx context.Context, who api.Actor, tenant string, step api.Step, pre api.Precondition) (*api.Rollout, error)

// step returns the handler of a step.
func step(do stepper) func(*call) error {
	return func(c *call) error {
		pre, err := c.precondition()
		if err != nil {
			return err
		}
		var s api.Step
		if err := c.readOptional(&s); err != nil {
			return err
		}
		r, err := do(c.service, c.ctx(), c.who, c.of(), s, pre)
		if err != nil {
			return err
		}
		return c.tagged(http.StatusOK, r.ETag, r)
	}
}
