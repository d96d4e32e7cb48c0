package api

import (
	"context"

	"idlehost/host/internal/tenant/spec"
)

// Service is what the API does. Its methods do not look at what the actor may
// do: the routes of package admin/v1 have decided that. tenant arguments are
// names from a path, and may be anything; those of unknown tenants are
// KindNotFound. Errors are as of Problem.
type Service interface {
	// Authenticate finds the bearer of a token; KindUnauthorized for one that
	// is unknown, revoked or expired, in a time that does not tell which.
	Authenticate(ctx context.Context, token string) (Actor, error)

	Tenants(ctx context.Context, after string, limit int) (Page[Tenant], error)
	Tenant(ctx context.Context, name string) (*Tenant, error)
	// PutTenant creates a tenant, or replaces its Spec.
	PutTenant(ctx context.Context, who Actor, name string, spec spec.Spec, pre Precondition) (t *Tenant, created bool, err error)
	// DeleteTenant removes a tenant and ends its connections politely.
	DeleteTenant(ctx context.Context, who Actor, name string, pre Precondition) error
	Limits(ctx context.Context, tenant string) (*EffectiveLimits, error)

	// Tokens lists tokens; tenant "": the operators'.
	Tokens(ctx context.Context, tenant string) ([]Token, error)
	CreateToken(ctx context.Context, who Actor, tenant string, t NewToken) (*Token, error)
	RevokeToken(ctx context.Context, who Actor, tenant, id string) error

	Keys(ctx context.Context, tenant string) (*Keys, error)
	PutKeys(ctx context.Context, who Actor, tenant string, k Keys, pre Precondition) (*Keys, error)

	// MayUpload says, before a body is read, whether the tenant may upload
	// now: KindNotFound, KindRate or KindBusy. release is called after Upload.
	MayUpload(ctx context.Context, tenant string) (release func(), err error)
	// Upload checks and keeps a policy; created says that the tenant did not
	// have it.
	Upload(ctx context.Context, who Actor, tenant string, u Upload) (p *Policy, created bool, err error)
	Policies(ctx context.Context, tenant string) ([]Policy, error)
	// Policy takes a digest, or a unique prefix of 8 digits or more; so do the
	// following.
	Policy(ctx context.Context, tenant, digest string) (*Policy, error)
	Module(ctx context.Context, tenant, digest string) (wasm []byte, full string, err error)
	DeletePolicy(ctx context.Context, who Actor, tenant, digest string) error

	Rollout(ctx context.Context, tenant string) (*Rollout, error)
	// Step changes the rollout, as the kind of the step says.
	Step(ctx context.Context, who Actor, tenant string, s Step, pre Precondition) (*Rollout, error)

	Connections(ctx context.Context, tenant string, q ConnectionQuery) (Page[Connection], error)
	// Decisions calls send for decisions of a tenant as they are made, until
	// ctx is done or send fails.
	Decisions(ctx context.Context, tenant string, send func(Decision) error) error
	// Audit lists entries before the one numbered, the newest first; tenant
	// "": of all.
	Audit(ctx context.Context, tenant string, before uint64, limit int) (Page[Entry], error)
}
