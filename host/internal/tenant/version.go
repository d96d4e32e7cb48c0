package tenant

import (
	"maps"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant/spec"
)

// Version is a policy's code with the parameters it runs with.
type Version struct {
	Digest string // of the module, lower-case hex
	Params map[string]string
}

func (v Version) same(o Version) bool { return v.Digest == o.Digest && maps.Equal(v.Params, o.Params) }

// RoleVersion is a version in one of the roles.
type RoleVersion struct {
	Version Version
	// Guest is the version, loaded already; the tenant closes it. nil: the
	// Config's Loader is asked at first use.
	Guest Guest
	// Lost says, where there is no Guest, why: it could not be loaded. It is
	// tried again as any other that has failed.
	Lost policy.Fault
}

// Plan says which versions are asked.
type Plan struct {
	Active *RoleVersion // nil: the native policy
	Canary *RoleVersion // nil: none
	Shadow *RoleVersion // nil: none
	// Percent of the clients, 0 to 100, are the canary's.
	Percent float64
	Guard   spec.Guard
}
