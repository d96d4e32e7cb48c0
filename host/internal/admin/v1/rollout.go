package v1

import (
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

// step returns the handler of a kind of step.
func step(kind api.StepKind) func(*call) error {
	return func(c *call) error {
		pre, err := c.precondition()
		if err != nil {
			return err
		}
		s := api.Step{Kind: kind}
		if err := c.readOptional(&s); err != nil {
			return err
		}
		r, err := c.service.Step(c.ctx(), c.actor, c.of(), s, pre)
		if err != nil {
			return err
		}
		return c.tagged(http.StatusOK, r.ETag, r)
	}
}
