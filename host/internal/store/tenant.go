package store

import (
	"time"

	"idlehost/host/internal/tenant/spec"
)

// Tenant is whom connections, books and policies belong to.
type Tenant struct {
	// Name is 1 to 63 of a-z, 0-9 and "-", a letter or digit first and last.
	Name string `json:"name"`
	// Revision grows with every change of the tenant, and is larger still where
	// one is made again under the name of a removed one. Those of two tenants
	// say nothing of each other: the order of changes is that of Entry.Seq.
	Revision uint64 `json:"revision"`
	// Declared says that the configuration file has it: of Spec, only
	// RequireSignature counts then.
	Declared bool      `json:"declared,omitempty"`
	Created  time.Time `json:"created"`
	Changed  time.Time `json:"changed"`

	Spec spec.Spec `json:"spec"`
	// SpecRevision is the Revision at which Spec changed last.
	SpecRevision uint64 `json:"spec_revision"`

	// Versions are the policies that the tenant has uploaded, oldest first.
	Versions []Version `json:"versions,omitempty"`
	// Keys are the public keys, in minisign's form, whose signatures count.
	Keys []Key `json:"keys,omitempty"`

	Rollout spec.Rollout `json:"rollout"`
	// RolloutRevision is the Revision at which Rollout changed last.
	RolloutRevision uint64 `json:"rollout_revision"`
}

// Version is a policy as a tenant has uploaded it.
type Version struct {
	Digest   string    `json:"digest"` // SHA-256 of the module, in lower-case hexadecimal
	Name     string    `json:"name"`   // what people call it; need not be unique
	Size     int       `json:"size"`   // of the module, in bytes
	Uploaded time.Time `json:"uploaded"`
	By       string    `json:"by"`                  // the actor
	SignedBy string    `json:"signed_by,omitempty"` // the ID of a Key; empty: unsigned
	// Served says that it was active, or a canary, once.
	Served bool `json:"served,omitempty"`
}

// Key is a public key that uploads can be signed with.
type Key struct {
	ID      string    `json:"id"`     // as minisign prints it
	Public  string    `json:"public"` // the base64 line of minisign's public key
	Comment string    `json:"comment,omitempty"`
	Added   time.Time `json:"added"`
}
