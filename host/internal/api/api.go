// Package api is the language of the admin API, version 1: the JSON that goes
// over the wire, the errors, and the Service that package admin/v1 serves and
// package client calls. Plain data; nothing here decides.
package api

import (
	"encoding/json"
	"time"

	"idlehost/host/internal/tenant/spec"
)

// Prefix is the path below which the API is served.
const Prefix = "/v1"

// ModuleType is the media type of a policy.
const ModuleType = "application/wasm"

// SignatureHeader carries the signature of an upload: the minisign file,
// base64 as a whole.
const SignatureHeader = "Policy-Signature"

// Actor is who asks for something.
type Actor struct {
	// Operator may do anything.
	Operator bool `json:"operator"`
	// Tenant is the only tenant of an actor who is no operator.
	Tenant string `json:"tenant,omitempty"`
	// Name is how the audit log calls it: "token 4fz2 (ci)", "certificate
	// alice", "loopback".
	Name string `json:"name"`
}

// Precondition is what the caller believes to be there (RFC 9110 section 13.1).
type Precondition struct {
	// Match holds the entity tags of If-Match, or "*"; empty: not given.
	Match string
	// Absent is If-None-Match: *.
	Absent bool
}

// Tenant is a tenant as the API shows it.
type Tenant struct {
	Name string `json:"name"`
	// Declared: the configuration file has it, the API only reads its Spec.
	Declared bool      `json:"declared"`
	Created  time.Time `json:"created,omitzero"`
	Changed  time.Time `json:"changed,omitzero"`
	Spec     spec.Spec `json:"spec"`
	// Active is the digest of the version in charge; empty: the host's own.
	Active string `json:"active,omitempty"`
	// Open is how many connections of its clients are open.
	Open int `json:"open"`
	// ETag is that of the resource; not part of the JSON.
	ETag string `json:"-"`
}

// EffectiveLimits are a tenant's limits as configured, and what holds.
type EffectiveLimits struct {
	Configured spec.Limits `json:"configured"`
	Effective  spec.Limits `json:"effective"`
	// Open, and the limit of the whole host; 0: none.
	Open          int `json:"open"`
	HostLimit     int `json:"host_limit"`
	UploadBytes   int `json:"upload_bytes"`              // the largest module
	LoadSavedMs   int `json:"load_saved_ms"`             // processor time for checks and loads that can be saved up
	LoadLeftMs    int `json:"load_left_ms"`              // of it that is left now
	LoadSpentMs   int `json:"load_spent_ms"`             // processor time that was charged since the host has had the tenant
	RetryAfterSec int `json:"retry_after_sec,omitempty"` // until another upload is taken
	// Storage is what counts for store_bytes.
	Storage Storage `json:"storage"`
}

// Storage is what a tenant has on the disk, in bytes.
type Storage struct {
	Used     int64 `json:"used"`
	Policies int64 `json:"policies"` // with what is known of them
	// Unswept is the part of Policies that the tenant has deleted, or has failed
	// to keep, and that is still there.
	Unswept    int64 `json:"unswept"`
	Learned    int64 `json:"learned"`
	Recordings int64 `json:"recordings"`
}

// Token is a bearer token as the API shows it.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Tenant  string    `json:"tenant,omitempty"` // empty: an operator's
	Created time.Time `json:"created"`
	By      string    `json:"by"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	// Secret is the token itself: in the answer to its creation, never again.
	Secret string `json:"secret,omitempty"`
}

// NewToken asks for a token.
type NewToken struct {
	Name string `json:"name"`
	// ExpiresIn is at least a minute; 0: never.
	ExpiresIn spec.Duration `json:"expires_in,omitzero"`
}

// Key is a public key that uploads are signed with.
type Key struct {
	ID      string    `json:"id,omitempty"`
	Public  string    `json:"public"`
	Comment string    `json:"comment,omitempty"`
	Added   time.Time `json:"added,omitzero"`
}

// Keys are a tenant's keys, to be read and replaced as a whole.
type Keys struct {
	Keys             []Key  `json:"keys"`
	RequireSignature bool   `json:"require_signature"`
	ETag             string `json:"-"`
}

// The states of a version.
const (
	StateUploaded = "uploaded"
	StateShadow   = "shadow"
	StateCanary   = "canary"
	StateActive   = "active"
	StateRetired  = "retired"
)

// Policy is a version of a tenant.
type Policy struct {
	Digest   string    `json:"digest"`
	Name     string    `json:"name"`
	Size     int       `json:"size"`
	State    string    `json:"state"`
	Uploaded time.Time `json:"uploaded"`
	By       string    `json:"by"`
	SignedBy string    `json:"signed_by,omitempty"`
	// Report is what host check --json says of the module; only where one
	// policy is shown.
	Report json.RawMessage `json:"report,omitempty"`
	// Known says that the host had the module before this upload. It tells who
	// has the same bytes already that somebody else has, not who: the time that
	// an upload takes tells it in any case.
	Known bool `json:"known,omitempty"`
}

// Upload is a policy to be added.
type Upload struct {
	Name      string
	Wasm      []byte
	Signature string // as of SignatureHeader; empty: unsigned
}

// Rollout is a tenant's rollout, and what has come of it.
type Rollout struct {
	spec.Rollout
	// Sides are what the versions have done since the rollout changed last.
	Sides []RoleStats `json:"sides,omitempty"`
	// Comparison is the shadow beside what was enforced.
	Comparison *Comparison `json:"comparison,omitempty"`
	ETag       string      `json:"-"`
}

// RoleStats is one version's record.
type RoleStats struct {
	Role   string `json:"role"` // active, canary or shadow
	Digest string `json:"digest"`
	Loaded bool   `json:"loaded"` // an instance lives
	// Worker is where the instance is: host (its own process), shared (a worker
	// process of several tenants), own (of this one) or suspects (that of policies
	// which took too long, or ended a worker); absent: there is none.
	Worker string            `json:"worker,omitempty"`
	Asks   uint64            `json:"asks"`
	Faults uint64            `json:"faults"`
	Causes map[string]uint64 `json:"causes,omitempty"` // of the faults
	// Closes are idle connections it ended; Early those whose client was back
	// within what a reconnect is worth, Late within the late window.
	Closes uint64 `json:"closes"`
	Early  uint64 `json:"early_closes"`
	Late   uint64 `json:"late_requests"`
	// LastFault is the text of the last fault.
	LastFault string `json:"last_fault,omitempty"`
}

// Comparison counts the answers of a shadow beside those enforced.
type Comparison struct {
	Asks uint64 `json:"asks"`
	// Same action and, within a tenth, the same deadline.
	Same uint64 `json:"same"`
	// WouldClose and WouldKeep: the shadow closes where the enforced answer
	// keeps, and the opposite.
	WouldClose uint64 `json:"would_close"`
	WouldKeep  uint64 `json:"would_keep"`
	Shorter    uint64 `json:"shorter"` // both keep, the shadow for less long
	Longer     uint64 `json:"longer"`
	Faults     uint64 `json:"faults"` // the shadow's
	// DeadlineRatio is the geometric mean of the shadow's deadline over the
	// enforced one where both keep; 0: there was none.
	DeadlineRatio float64 `json:"deadline_ratio"`
}

// StepKind says what a Step does. It is the last element of the step's path.
type StepKind string

// The kinds of steps.
const (
	// StepShadow asks a policy beside the active one; an empty Digest ends that.
	StepShadow StepKind = "shadow"
	// StepCanary has a policy decide for a percentage of the clients. An empty
	// Digest changes the percentage of the canary that there is.
	StepCanary StepKind = "canary"
	// StepPromote makes a policy the active one: that of Digest, else the canary.
	StepPromote StepKind = "promote"
	// StepRollback takes the canary back if there is one, else makes the release
	// active that was active before. With a Digest it does so only while that is
	// the policy to be taken back, so that it can be repeated.
	StepRollback StepKind = "rollback"
)

// Step asks for a step of a rollout. Digest may be a unique prefix of at least
// 8 digits.
type Step struct {
	Kind   StepKind          `json:"-"` // the path tells it
	Digest string            `json:"digest,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	// Percent is for canary: above 0, at most 100.
	Percent float64 `json:"percent,omitempty"`
	// Reason is for rollback, and goes to the audit log.
	Reason string `json:"reason,omitempty"`
}

// Connection is a live connection of a tenant.
type Connection struct {
	ID       uint64    `json:"id"`
	Side     string    `json:"side"`
	Protocol string    `json:"protocol"`
	Phase    string    `json:"phase"`
	Peer     string    `json:"peer"`
	Opened   time.Time `json:"opened"`
	AgeMs    int64     `json:"age_ms"`
	IdleMs   int64     `json:"idle_ms"`
	// DueMs is when its policy is asked next; negative: nothing is due.
	DueMs    int64  `json:"due_ms"`
	Asks     uint32 `json:"asks"`
	Requests uint32 `json:"requests"`
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	Parked   bool   `json:"parked"`
	// Version is the digest of the policy that is asked; empty: the host's own.
	Version string `json:"version,omitempty"`
}

// ConnectionQuery filters connections; a zero field filters nothing.
type ConnectionQuery struct {
	After    uint64 // connections with a larger ID
	Limit    int    // 1 to 1000; 0: 100
	Phase    string
	Side     string
	Protocol string
	Client   string // an address
	Version  string // a digest, or a prefix of one
	MinIdle  time.Duration
	MinAge   time.Duration
}

// Decision is one answer as it was enforced.
type Decision struct {
	At         time.Time `json:"at"`
	Conn       uint64    `json:"conn"`
	Client     string    `json:"client"` // pseudonym, stable on one host
	Event      string    `json:"event"`
	Phase      string    `json:"phase"`
	Side       string    `json:"side"`
	Protocol   string    `json:"protocol"`
	IdleMs     uint32    `json:"idle_ms"`
	Action     string    `json:"action"`
	DeadlineMs int64     `json:"deadline_ms"`
	Reason     uint16    `json:"reason"`
	Source     string    `json:"source"` // policy, native or fallback
	Fault      string    `json:"fault,omitempty"`
	Role       string    `json:"role"` // active, canary or shadow
	Version    string    `json:"version,omitempty"`
	TookNs     int64     `json:"took_ns"`
	// Dropped is how many decisions before this one are not in the stream: the
	// reader was too slow, or the tenant makes them too fast.
	Dropped uint64 `json:"dropped,omitempty"`
}

// Entry is one line of the audit log.
type Entry struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Tenant string    `json:"tenant,omitempty"`
	Action string    `json:"action"`
	Digest string    `json:"digest,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// Page is part of a list. Next, where there is more, is what to give as after
// (or before, for the audit log).
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}
