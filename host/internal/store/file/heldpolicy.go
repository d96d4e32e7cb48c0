package file

import (
	"slices"
	"time"

	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// heldPolicy is a policy that a tenant pays for.
type heldPolicy struct {
	Digest string    `json:"digest"`
	Bytes  int64     `json:"bytes"`
	Put    time.Time `json:"put"` // by this tenant, last
}

// policyBytes is what a policy takes: the file of its module, and its record,
// most of which is the report.
func policyBytes(module, report int) int64 {
	return space.Blocks(int64(module)) + space.Blocks(int64(report))
}

// hold has the tenant pay for a policy.
func (k *tenant) hold(h heldPolicy) {
	i := slices.IndexFunc(k.Held, func(old heldPolicy) bool { return old.Digest == h.Digest })
	if i < 0 {
		k.Held = append(k.Held, h)
		return
	}
	k.Held[i] = h
}

// release removes policies that the tenant has put before a time and does not name
// from those it pays for. It reports whether there were any.
func (k *tenant) release(since time.Time) bool {
	before := len(k.Held)
	k.Held = slices.DeleteFunc(k.Held, func(h heldPolicy) bool { return h.Put.Before(since) && !k.names(h.Digest) })
	return len(k.Held) != before
}

func (k *tenant) names(digest string) bool {
	return slices.ContainsFunc(k.Versions, func(v store.Version) bool { return v.Digest == digest })
}

// tenantUsage is what a tenant pays for of its policies.
type tenantUsage struct {
	name     string
	digests  map[string]bool // nil: the tenant is not there
	policies int64
	unnamed  []heldPolicy
}

// usage adds up what the tenant holds, and what it names.
func (k *tenant) usage() tenantUsage {
	u := tenantUsage{name: k.Name, digests: map[string]bool{}}
	for _, h := range k.Held {
		u.digests[h.Digest] = true
		u.policies += h.Bytes
		if !k.names(h.Digest) {
			u.unnamed = append(u.unnamed, h)
		}
	}
	for _, v := range k.Versions {
		if !u.digests[v.Digest] {
			u.digests[v.Digest] = true
			u.policies += space.Blocks(int64(v.Size))
		}
	}
	return u
}
