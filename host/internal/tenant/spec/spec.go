// Package spec has the words in which everybody speaks of a tenant: what an
// operator decides about it, and which releases of its policies are in which
// role. The configuration reads them as TOML, the API as JSON. Plain data, and
// the one check of it.
package spec

import "time"

// Spec is what an operator decides about a tenant.
type Spec struct {
	// Hosts are names that belong to the tenant: "a.example", or "*.example" for
	// every name below one.
	Hosts []string `json:"hosts,omitempty" toml:"hosts,omitempty"`
	// Destinations are addresses that the PROXY protocol names: "192.0.2.1",
	// "192.0.2.1:443" or "192.0.2.0/24".
	Destinations []string `json:"destinations,omitempty" toml:"destinations,omitempty"`
	// Upstreams are the URLs of the targets of its requests; none: the host's own.
	Upstreams   []string `json:"upstreams,omitempty" toml:"upstream,omitempty"`
	RewriteHost bool     `json:"rewrite_host,omitempty" toml:"rewrite_host,omitempty"`
	// Isolate is IsolateOwn or IsolateShared. Empty: IsolateShared.
	Isolate string `json:"isolate,omitempty" toml:"isolate,omitempty"`
	Limits  Limits `json:"limits,omitzero" toml:"limits,omitempty"`
	Guard   Guard  `json:"guard,omitzero" toml:"guard,omitempty"`
	// RequireSignature refuses uploads that no key of the tenant has signed. A
	// tenant may switch it on by itself, and only an operator off. The
	// configuration file does not have it.
	RequireSignature bool `json:"require_signature,omitempty" toml:"-"`
}

// What Spec.Isolate says.
const (
	IsolateOwn    = "own"    // its policies run in a worker process that no other tenant's are in
	IsolateShared = "shared" // they share one with those of others
)

// OwnWorker reports whether the tenant's policies have a worker process of
// their own.
func (s *Spec) OwnWorker() bool { return s.Isolate == IsolateOwn }

// Limits bound a tenant. 0: the host's own value.
type Limits struct {
	// Connections is how many accepted connections it may have open,
	// ClientConnections how many of them a client.
	Connections       int `json:"connections,omitempty" toml:"connections,omitempty"`
	ClientConnections int `json:"client_connections,omitempty" toml:"client_connections,omitempty"`
	// FuelPerSecond is what its policies may use, in units of fuel.
	FuelPerSecond int64 `json:"fuel_per_second,omitempty" toml:"fuel_per_second,omitempty"`
	// CPU is the processor time that its policies may use in a second, in worker
	// processes.
	CPU Duration `json:"cpu,omitzero" toml:"cpu,omitempty"`
	// MemoryPages is a policy's memory in pages of 64 KiB.
	MemoryPages int `json:"memory_pages,omitempty" toml:"memory_pages,omitempty"`
	// LogRate and LogBurst are lines about connections per second, and at once.
	LogRate  int `json:"log_rate,omitempty" toml:"log_rate,omitempty"`
	LogBurst int `json:"log_burst,omitempty" toml:"log_burst,omitempty"`
	// Floor and Ceiling bound the deadlines of its policies.
	Floor   Duration `json:"floor,omitzero" toml:"floor,omitempty"`
	Ceiling Duration `json:"ceiling,omitzero" toml:"ceiling,omitempty"`
	// StoreBytes is what it may have on the disk.
	StoreBytes Size `json:"store_bytes,omitempty" toml:"store_bytes,omitempty"`
}

// Guard says by how much a canary's rates may be above the active release's, in
// parts of one, before the host takes it back. 0: 0.02; negative: not at all,
// any worse rate counts. That has its price: looked at 200 times, one in ten
// canaries that is as good as the active release passes for worse, against one
// in a hundred with a margin of 0.02 (TestGuardMayLookAgainAndAgain).
type Guard struct {
	Faults       float64 `json:"faults,omitempty" toml:"faults,omitempty"`               // per answer
	EarlyCloses  float64 `json:"early_closes,omitempty" toml:"early_closes,omitempty"`   // per close
	LateRequests float64 `json:"late_requests,omitempty" toml:"late_requests,omitempty"` // per close
	// MinSamples is how many answers, or closes, each of the two must have made
	// before a rate counts. 0: 100.
	MinSamples int `json:"min_samples,omitempty" toml:"min_samples,omitempty"`
}

// Release is a policy in a role, with the parameters it runs with.
type Release struct {
	Digest string            `json:"digest"` // SHA-256 of the module, in lower-case hexadecimal
	Params map[string]string `json:"params,omitempty"`
}

// Rollout is which releases are asked, and by whom.
type Rollout struct {
	Active *Release `json:"active,omitempty"` // nil: the host's own policy
	Canary *Release `json:"canary,omitempty"`
	// Percent of the clients are the canary's, 0 to 100.
	Percent float64  `json:"percent,omitempty"`
	Shadow  *Release `json:"shadow,omitempty"`
	// Past are releases that were active, the last first, at most PastKept.
	Past []Release `json:"past,omitempty"`
	// Since is when the canary, or the percentage, was set.
	Since time.Time `json:"since,omitzero"`
	// Rollback says why the last canary was taken back; nil after a promotion.
	Rollback *Rollback `json:"verdict,omitempty"`
}

// PastKept bounds Rollout.Past.
const PastKept = 10

// Rollback is why a canary was taken back.
type Rollback struct {
	Digest string `json:"digest"`
	// Automatic says that the host did it, by the Guard.
	Automatic bool      `json:"automatic"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
}
