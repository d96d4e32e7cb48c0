// Package store is where tenants, their policies, their rollouts, tokens and
// the audit log are kept. It knows no rules: package control has them. Package
// store/file is the store of one host; every store passes storetest.
package store

import (
	"context"
	"errors"
)

// The errors of a Store, to be found with errors.Is. Whatever else goes wrong
// is an error of the medium.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrClosed   = errors.New("store is closed")
	// ErrInvalid is of what cannot be kept as it is: a name that is none, a
	// module that has another digest, a number that JSON has no form for.
	ErrInvalid = errors.New("not valid")
)

// Store keeps what must outlive the process. A change that has returned
// without an error is there after a crash at any later moment, with its audit
// entry; one that has not is there as a whole or not at all. Safe for
// concurrent use. What it returns is the caller's, and so is what it is given.
// Names and digests that nothing can have are not found, and cannot be added:
// ErrInvalid. Where ctx is done before a change has begun, nothing changes and
// the error is ctx's.
type Store interface {
	// Tenant returns a tenant; ErrNotFound.
	Tenant(ctx context.Context, name string) (*Tenant, error)
	// Tenants returns up to limit tenants in the order of their names, those
	// after the one named. limit 0: all.
	Tenants(ctx context.Context, after string, limit int) ([]*Tenant, error)
	// Create adds a tenant and sets its three revisions, which are one;
	// ErrExists.
	Create(ctx context.Context, t *Tenant, e Entry) error
	// Update changes a tenant: edit is given a copy that already has the new
	// Revision, and returns what the audit log is to say. An error of edit
	// ends it without a change and is returned as it is. A store may call edit
	// more than once; the last call counts. It must not change the store, nor
	// the tenant's name. ErrNotFound.
	Update(ctx context.Context, name string, edit func(*Tenant) (Entry, error)) (*Tenant, error)
	// Delete removes a tenant with its tokens and learned states; allow may
	// refuse. ErrNotFound.
	Delete(ctx context.Context, name string, allow func(*Tenant) (Entry, error)) error
	// Watch has f called with the name of every tenant that is created,
	// changed or deleted from now on, by this process or another, until stop
	// is called; f is called by one goroutine at a time, after the change.
	// Changes may be reported together, and more than once. A slow f delays
	// nobody. stop waits for f if it is running: f must not call it.
	Watch(f func(name string)) (stop func())

	// PutPolicy adds a policy and its module for a tenant; one that is there
	// stays as it is, but its grace begins anew, and its module is made whole if
	// it was not. The tenant pays for it from then on: see Usage. ErrNotFound
	// where the tenant is not there; one without a name is nobody.
	PutPolicy(ctx context.Context, tenant string, p *Policy, wasm []byte) error
	// Policy returns a policy by digest; ErrNotFound.
	Policy(ctx context.Context, digest string) (*Policy, error)
	// Module returns a policy's bytes, which have that digest; ErrNotFound.
	Module(ctx context.Context, digest string) ([]byte, error)
	// Sweep removes policies that no tenant's Versions name and that were put
	// longer ago than the store's grace (an upload puts the policy first and
	// names it then). It returns how many. Tokens that have expired go too.
	Sweep(ctx context.Context) (int, error)

	// Usage returns what a tenant pays for: each policy that it has put, or
	// whose bytes it names, until a Sweep finds that it has put it longer ago
	// than the grace and does not name it; and its states. A policy of several
	// tenants is paid for by each. A tenant that is created under the name of a
	// removed one starts at zero.
	Usage(tenant string) Usage
	// Size returns how many bytes the whole store takes: a policy of several
	// tenants counts once, and one of no tenant until it is swept.
	Size() int64
	// Adds returns what PutPolicy would add to a tenant's Usage, and to Size,
	// for a module of so many bytes and the report of its check.
	Adds(tenant, digest string, module, report int) (own, all int64)

	// PutToken adds a token; ErrExists where its ID is taken, ErrNotFound where
	// its tenant is not there: who comes after it must not inherit the token.
	PutToken(ctx context.Context, t *Token, e Entry) error
	// Token returns a token by ID; ErrNotFound.
	Token(ctx context.Context, id string) (*Token, error)
	// Tokens returns the tokens of a tenant by ID; those of the operators
	// where it is empty.
	Tokens(ctx context.Context, tenant string) ([]*Token, error)
	// DeleteToken revokes a token; ErrNotFound.
	DeleteToken(ctx context.Context, id string, e Entry) error

	// Note adds an entry to the audit log by itself.
	Note(ctx context.Context, e Entry) error
	// Audit returns up to limit entries, the newest first, whose Seq is below
	// before (0: any) and whose Tenant is tenant (empty: any). limit 0: all
	// that are kept; a store forgets the oldest.
	Audit(ctx context.Context, tenant string, before uint64, limit int) ([]Entry, error)

	// Secret returns the 32 random bytes of that name, made at first use.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Close waits for what is under way, ends every watch and gives the medium
	// back. Idempotent.
	Close() error
}
