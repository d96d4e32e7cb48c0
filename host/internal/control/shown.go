package control

import (
	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// SpecOf returns a tenant's spec in the words of the API.
func SpecOf(t *store.Tenant) api.Spec { return showSpec(t) }
