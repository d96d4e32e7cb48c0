package recorder

import (
	"slices"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// state is what a file has to say of a tenant before its connections mean
// anything. Each new file says it again.
type state struct {
	number   uint32
	name     string
	policies [policy.Roles]*installed // nil: never told
	rules    [2]*trace.Rules          // by side; nil: never told
}

// installed is the version in a role.
type installed struct{ digest, params string }

// records returns the state as records of a time.
func (s *state) records(now int64) (list []trace.Record) {
	list = append(list, s.naming(now))
	for role, p := range s.policies {
		if p != nil {
			list = append(list, s.playing(policy.Role(role), p, now))
		}
	}
	for side, r := range s.rules {
		if r != nil {
			list = append(list, s.ruled(policy.Side(side), r, now))
		}
	}
	return list
}

func (s *state) naming(now int64) trace.Record {
	return trace.Record{Kind: trace.KindTenant, Time: now, Tenant: s.number, Name: s.name}
}

func (s *state) playing(role policy.Role, p *installed, now int64) trace.Record {
	return trace.Record{Kind: trace.KindPolicy, Time: now, Tenant: s.number, Role: role, Name: p.digest, Params: p.params}
}

func (s *state) ruled(side policy.Side, r *trace.Rules, now int64) trace.Record {
	return trace.Record{Kind: trace.KindRules, Time: now, Tenant: s.number, Side: side, Rules: r}
}

// params writes parameters as the format has them; those that are too long for
// it are left out as a whole.
func params(m map[string]string) string {
	keys, n := make([]string, 0, len(m)), 0
	for k, v := range m {
		keys = append(keys, k)
		n += len(k) + len(v) + 2
	}
	if n > trace.MaxParams {
		return ""
	}
	slices.Sort(keys)
	b := make([]byte, 0, n)
	for _, k := range keys {
		b = append(append(append(append(b, k...), '='), m[k]...), '\n')
	}
	return string(b)
}
