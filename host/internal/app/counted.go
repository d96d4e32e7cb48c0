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

// Step counts the steps that are taken.
func (c counted) Step(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	r, err := c.Control.Step(ctx, who, tenant, s, pre)
	if err == nil {
		c.metrics.Stepped(string(s.Kind))
	}
	return r, err
}

var _ api.Service = counted{}
