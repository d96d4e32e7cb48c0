package app

import (
	"context"
	"errors"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/observe"
)

// counted is the service of the API, which counts what it does.
type counted struct {
	*control.Control
	metrics *observe.Metrics
}

// MayUpload counts uploads that are turned away before they are read.
func (c counted) MayUpload(ctx context.Context, tenant string) (release func(), err error) {
	release, err = c.Control.MayUpload(ctx, tenant)
	if err != nil {
		c.metrics.Uploaded(uploadOutcome(false, err))
	}
	return release, err
}

// Upload counts what becomes of a policy.
func (c counted) Upload(ctx context.Context, who api.Actor, tenant string, u api.Upload) (*api.Policy, bool, error) {
	p, created, err := c.Control.Upload(ctx, who, tenant, u)
	c.metrics.Uploaded(uploadOutcome(created, err))
	return p, created, err
}

// outcomes are those of problems.
var outcomes = map[string]string{
	api.TypePrefix + api.KindRefused: observe.UploadRefused, api.TypePrefix + api.KindSignature: observe.UploadSignature,
	api.TypePrefix + api.KindTooLarge: observe.UploadTooLarge,
	api.TypePrefix + api.KindStorage:  observe.UploadStorage,
	api.TypePrefix + api.KindRate:     observe.UploadBusy, api.TypePrefix + api.KindBusy: observe.UploadBusy,
}

func uploadOutcome(created bool, err error) string {
	var problem *api.Problem
	switch {
	case err == nil && created:
		return observe.UploadCreated
	case err == nil:
		return observe.UploadKnown
	case errors.As(err, &problem):
		return outcomes[problem.Type] // what is not there counts as an error
	}
	return observe.UploadError
}

// Shadow counts a step.
func (c counted) Shadow(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	r, err := c.Control.Shadow(ctx, who, tenant, s, pre)
	c.stepped("shadow", err)
	return r, err
}

// Canary counts a step.
func (c counted) Canary(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	r, err := c.Control.Canary(ctx, who, tenant, s, pre)
	c.stepped("canary", err)
	return r, err
}

// Promote counts a step.
func (c counted) Promote(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	r, err := c.Control.Promote(ctx, who, tenant, s, pre)
	c.stepped("promote", err)
	return r, err
}

// Rollback counts a step.
func (c counted) Rollback(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	r, err := c.Control.Rollback(ctx, who, tenant, s, pre)
	c.stepped("rollback", err)
	return r, err
}

func (c counted) stepped(step string, err error) {
	if err == nil {
		c.metrics.Stepped(step)
	}
}

var _ api.Service = counted{}
