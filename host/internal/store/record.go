package store

import (
	"encoding/json"
	"time"
)

// Policy is what is known of a module, whoever has uploaded it.
type Policy struct {
	Digest string    `json:"digest"`
	Size   int       `json:"size"` // bytes of the module
	Added  time.Time `json:"added"`
	// Report is what the check of the module said, as JSON.
	Report json.RawMessage `json:"report,omitempty"`
}

// Usage is what a tenant pays for, in bytes on the medium.
type Usage struct {
	// Policies are modules and what is known of them. Unnamed is the part of it
	// that the tenant's Versions do not name, and Sweep has not taken, and
	// UnnamedCount how many policies that are. Of those, a Sweep now would have
	// the tenant no longer pay for Sweepable.
	Policies, Unnamed, Sweepable int64
	UnnamedCount                 int
	States                       int64
}

// Token lets its bearer in. The secret itself is nowhere kept.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Tenant  string    `json:"tenant"` // empty: an operator's
	Hash    []byte    `json:"hash"`   // SHA-256 of the secret
	Created time.Time `json:"created"`
	By      string    `json:"by"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Entry is one line of the audit log.
type Entry struct {
	Seq    uint64    `json:"seq"` // set by the store
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Tenant string    `json:"tenant,omitempty"`
	// Action is "tenant.create", "policy.upload", "rollout.promote" and so on.
	Action string `json:"action"`
	Digest string `json:"digest,omitempty"`
	// Detail is for people.
	Detail string `json:"detail,omitempty"`
}
