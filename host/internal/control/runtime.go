package control

import (
	"context"
	"encoding/json"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// Runtime is what runs: the tenants, policies and connections of this process.
// It must not call back into the Control from within a method. Methods are
// called by many goroutines at once; Apply and Remove by one at a time for a
// tenant.
type Runtime interface {
	// Declared lists the tenants of the configuration file, the default one
	// among them: Name, Spec, and in Active the digest of a policy that the
	// file names. The list is not modified. It is asked for with every request.
	Declared() []api.Tenant
	// HasDeclaredPolicy reports whether the file names a tenant's policy.
	HasDeclaredPolicy(tenant string) bool
	// RetryAfter is how long it takes until the tenant may load again; 0: now.
	RetryAfter(tenant string) time.Duration
	// Check admits a module at the tenant's cost and reports what host check
	// does; *Refusal. It is called for many tenants at once, which take turns,
	// and ends with ctx.
	Check(ctx context.Context, tenant, name string, wasm []byte) (report json.RawMessage, err error)
	// Try loads a module with its parameters; *Refusal. What it loads may be
	// kept for Apply.
	Try(ctx context.Context, tenant string, wasm []byte, r spec.Release) error
	// Apply puts a record in force, for the next question of every open
	// connection. One that has the Revision in force, or an older one, changes
	// nothing. Of a record that is Declared, Spec does not count, and neither
	// does Rollout while HasDeclaredPolicy.
	Apply(ctx context.Context, t *store.Tenant) error
	// Remove ends a tenant, and its connections politely. nil where there is
	// none.
	Remove(ctx context.Context, name string) error
	// CheckSpec finds what contradicts other tenants, and targets that cannot
	// be: an *api.Problem with Field. Everything else has been checked.
	CheckSpec(s spec.Spec, name string) error
	// Effective returns the limits of a tenant as they hold.
	Effective(tenant string) (api.EffectiveLimits, error)
	// Open counts the tenant's accepted connections.
	Open(tenant string) int
	// Sides tells what each version does; c is nil without a shadow.
	Sides(tenant string) (sides []api.RoleStats, c *api.Comparison)
	// Connections lists connections; the query has been checked.
	Connections(ctx context.Context, tenant string, q api.ConnectionQuery) (api.Page[api.Connection], error)
	// Decisions calls send until ctx is done or send fails.
	Decisions(ctx context.Context, tenant string, send func(api.Decision) error) error
}

// Refusal is why a Runtime does not take a policy.
type Refusal struct {
	Cause string // a name of policy.Fault
	Text  string // for the author
	// Report is the check's; nil: it did not get that far.
	Report json.RawMessage
	// RetryAfter says that nothing is wrong with the policy: it may be taken
	// after that time.
	RetryAfter time.Duration
}

// Error returns one line.
func (r *Refusal) Error() string { return r.Cause + ": " + r.Text }
