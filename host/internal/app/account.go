package app

import (
	"errors"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/observe"
)

// account charges calls of the API to tenants' quotas, and counts them.
type account struct{ *hosting }

var _ v1.Charges = account{}

// Charge takes processor time from a tenant.
func (r account) Charge(tenant string, cost time.Duration) {
	if m := r.tenants.get(tenant); m != nil {
		m.quota.Charge(cost)
	}
}

// Uploaded counts what becomes of a policy.
func (r account) Uploaded(created bool, err error) { r.metrics.Uploaded(uploadOutcome(created, err)) }

// Stepped counts a step.
func (r account) Stepped(kind api.StepKind) { r.metrics.Stepped(string(kind)) }

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
		return outcomes[problem.Type] // a kind without an outcome of its own counts as an error
	}
	return observe.UploadError
}
