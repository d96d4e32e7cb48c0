package tenant

import (
	"math"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// sides says which clients are the canary's: those whose hash lies below a
// threshold. So a client stays on its side, a larger percentage adds clients
// and moves none, and another canary, whose hash is another, takes others.
type sides struct {
	salt      uint64
	threshold uint64
}

// newSides takes a percentage of the clients for the canary of that digest.
func newSides(digest string, percent float64) sides {
	s := sides{salt: 14695981039346656037} // FNV-1a
	for i := range len(digest) {
		s.salt = (s.salt ^ uint64(digest[i])) * 1099511628211
	}
	switch {
	case percent >= 100:
		s.threshold = math.MaxUint64
	case percent > 0:
		s.threshold = uint64(percent / 100 * (1 << 64))
	}
	return s
}

// canary reports whether a client is the canary's. One that is not known is not.
func (s sides) canary(client uint64) bool {
	return client != 0 && mix(client^s.salt) < s.threshold
}

// mix is the finalizer of SplitMix64, in which each bit in depends on each bit
// out; a client's number is a keyed hash already, but its order is not ours.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// laneOf returns the lane that answers an event. Connections to upstreams are
// the active version's: what their event calls a client is the upstream.
func (p *plan) laneOf(e *policy.Event) *lane {
	if p.canary != nil && e.Side == uint8(abi.SideAccepted) && p.sides.canary(e.Client) {
		return p.canary
	}
	return p.active
}

// Side returns the role and the digest of the version that a client's accepted
// connections are asked about; the digest is empty for the native policy.
func (t *Tenant) Side(client uint64) (policy.Role, string) {
	p := t.plan.Load()
	l := p.active
	if p.canary != nil && p.sides.canary(client) {
		l = p.canary
	}
	return l.role, l.digest()
}
