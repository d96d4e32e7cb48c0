package store

import "time"

// Tenant is whom connections, books and policies belong to.
type Tenant struct {
	// Name is 1 to 63 of a-z, 0-9 and "-", a letter or digit first and last.
	Name string `json:"name"`
	// Revision grows with every change of whatever tenant.
	Revision uint64 `json:"revision"`
	// Declared says that the configuration file has it: Spec is empty then.
	Declared bool      `json:"declared,omitempty"`
	Created  time.Time `json:"created"`
	Changed  time.Time `json:"changed"`

	Spec Spec `json:"spec"`
	// SpecRevision is the Revision at which Spec changed last.
	SpecRevision uint64 `json:"spec_revision"`

	// Versions are the policies that the tenant has uploaded, oldest first.
	Versions []Version `json:"versions,omitempty"`
	// Keys are the public keys, in minisign's form, whose signatures count.
	Keys []Key `json:"keys,omitempty"`
	// RequireSignature refuses uploads that none of Keys has signed.
	RequireSignature bool `json:"require_signature,omitempty"`

	Rollout Rollout `json:"rollout"`
	// RolloutRevision is the Revision at which Rollout changed last.
	RolloutRevision uint64 `json:"rollout_revision"`
}

// Spec is what an operator decides about a tenant.
type Spec struct {
	// Hosts are names that belong to it: "a.example", or "*.example" for every
	// name below one, in lower case.
	Hosts []string `json:"hosts,omitempty"`
	// Destinations are addresses that the PROXY protocol names: "192.0.2.1",
	// "192.0.2.1:443" or "192.0.2.0/24".
	Destinations []string `json:"destinations,omitempty"`
	// Upstreams are the targets of its requests; none: the host's own.
	Upstreams   []string `json:"upstreams,omitempty"`
	RewriteHost bool     `json:"rewrite_host,omitempty"`
	// Own has its policies run in a worker process that no other tenant's are in.
	Own    bool   `json:"own_worker,omitempty"`
	Limits Limits `json:"limits,omitzero"`
	Guard  Guard  `json:"guard,omitzero"`
}

// Limits bound a tenant. 0: the host's own value.
type Limits struct {
	// Connections is how many accepted connections it may have open,
	// ClientConnections how many of them a client.
	Connections       int `json:"connections,omitempty"`
	ClientConnections int `json:"client_connections,omitempty"`
	// FuelPerSecond is what its policies may use, in units.
	FuelPerSecond int64 `json:"fuel_per_second,omitempty"`
	// CPU is the processor time that its policies may use in a second.
	CPU time.Duration `json:"cpu,omitempty"`
	// MemoryPages is a policy's memory in pages of 64 KiB.
	MemoryPages int `json:"memory_pages,omitempty"`
	// LogRate and LogBurst are connection lines per second, and at once.
	LogRate  int `json:"log_rate,omitempty"`
	LogBurst int `json:"log_burst,omitempty"`
	// Floor and Ceiling bound the deadlines of its policies.
	Floor   time.Duration `json:"floor,omitempty"`
	Ceiling time.Duration `json:"ceiling,omitempty"`
	// StoreBytes is what it may have on the medium.
	StoreBytes int64 `json:"store_bytes,omitempty"`
}

// Guard says when a canary is taken back by itself: when its rate of faults,
// of early closes or of late requests is above the active version's by more
// than the margin, in parts of one. A margin of 0 is the host's own (0.02); a
// negative one is passed by any amount.
type Guard struct {
	Faults      float64 `json:"faults,omitempty"`
	EarlyCloses float64 `json:"early_closes,omitempty"`
	LateReturns float64 `json:"late_requests,omitempty"`
	// MinSamples is how many questions, or closes, either side must have
	// before a rate counts. 0: 100.
	MinSamples int `json:"min_samples,omitempty"`
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

// Release is a version as it is to run.
type Release struct {
	Digest string            `json:"digest"`
	Params map[string]string `json:"params,omitempty"`
}

// Rollout is which versions are asked, and by whom.
type Rollout struct {
	Active *Release `json:"active,omitempty"` // nil: the host's own policy
	Canary *Release `json:"canary,omitempty"`
	// Percent of the clients are on the canary's side, 0 to 100.
	Percent float64  `json:"percent,omitempty"`
	Shadow  *Release `json:"shadow,omitempty"`
	// Past are releases that were active, the last first, at most PastKept.
	Past []Release `json:"past,omitempty"`
	// Since is when the canary, or the percentage, was set.
	Since time.Time `json:"since,omitzero"`
	// Verdict says why the last canary was taken back; empty after a promotion.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// PastKept bounds Rollout.Past.
const PastKept = 10

// Verdict is why a version was taken back.
type Verdict struct {
	Digest    string    `json:"digest"`
	Automatic bool      `json:"automatic"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
}
