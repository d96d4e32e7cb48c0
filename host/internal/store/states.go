package store

import (
	"context"

	"idlehost/host/internal/policy"
)

// States keeps what policies have learned, on this host only: it is made from
// what this host's connections do. What Store says of names, contexts and
// copies holds here too.
type States interface {
	// PutState keeps what a policy of a tenant has learned. It need not
	// survive a crash. The tenant need not be there, since the operator's own
	// policy learns too; but one that is made again never sees what was learned
	// before it.
	PutState(ctx context.Context, tenant, digest string, s policy.State) error
	// State returns it; ErrNotFound.
	State(ctx context.Context, tenant, digest string) (policy.State, error)
	// StateAdds returns what PutState would add to a tenant's Usage, and to Size.
	StateAdds(tenant, digest string, size int) int64
}

// HostStore is a Store on this host's disk, which learned states are kept beside.
type HostStore interface {
	Store
	States
}
