package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// A move changes the Rollout of a record, which is its caller's, and says what
// the log is to say. It may be made more than once, of other records too, and
// returns errUnchanged where everything is as it is to be.
type move func(t *store.Tenant) (moveResult, error)

// moveResult is what a move has done.
type moveResult struct {
	action string // of the audit log
	digest string
	detail string
	// try is what must load before this may be kept; nil: nothing that was not
	// in charge already.
	try *spec.Release
	// back says that it takes something back.
	back bool
}

// moveOf returns the move that a step asks for.
func moveOf(s api.Step, now time.Time) move {
	switch s.Kind {
	case api.StepShadow:
		return shadow(s)
	case api.StepCanary:
		return canary(s, now)
	case api.StepPromote:
		return promote(s)
	case api.StepRollback:
		return rollback(s, now)
	}
	return func(*store.Tenant) (moveResult, error) {
		return moveResult{}, fmt.Errorf("BUG: no step is called %q", s.Kind)
	}
}

// shadow asks a version beside the active one; of no digest, it ends that.
func shadow(s api.Step) move {
	return func(t *store.Tenant) (moveResult, error) {
		r := &t.Rollout
		if s.Digest == "" {
			if r.Shadow == nil {
				return moveResult{}, errUnchanged
			}
			old := r.Shadow.Digest
			r.Shadow = nil
			return moveResult{action: "rollout.shadow", digest: old, detail: "ended", back: true}, nil
		}
		v, err := version(t, s.Digest)
		if err != nil {
			return moveResult{}, err
		}
		rel := release(v, s.Params, r.Shadow)
		switch {
		case same(r.Shadow, rel):
			return moveResult{}, errUnchanged
		case same(r.Active, rel):
			return moveResult{}, api.NewProblem(api.KindConflict, "%s is the active version: it would be compared with itself", policy.ShortDigest(v.Digest))
		case r.Canary != nil && r.Canary.Digest == v.Digest:
			return moveResult{}, api.NewProblem(api.KindConflict, "%s is the canary: roll it back first", policy.ShortDigest(v.Digest))
		}
		r.Shadow = rel
		return moveResult{action: "rollout.shadow", digest: v.Digest, try: rel}, nil
	}
}

// canary puts a version in charge of some of the clients. Of no digest, it is
// about the canary that there is.
func canary(s api.Step, now time.Time) move {
	return func(t *store.Tenant) (moveResult, error) {
		r := &t.Rollout
		if s.Digest == "" && r.Canary == nil {
			return moveResult{}, invalid("digest", "there is no canary: name a policy")
		}
		digest := s.Digest
		if digest == "" {
			digest = r.Canary.Digest
		}
		v, err := version(t, digest)
		if err != nil {
			return moveResult{}, err
		}
		rel := release(v, s.Params, r.Canary, r.Shadow)
		if same(r.Active, rel) {
			return moveResult{}, api.NewProblem(api.KindConflict, "%s is the active version already", policy.ShortDigest(v.Digest))
		}
		m := moveResult{action: "rollout.canary", digest: v.Digest, detail: fmt.Sprintf("%v %% of the clients", s.Percent)}
		switch {
		case !same(r.Canary, rel):
			m.try = rel
		case r.Percent == s.Percent:
			return moveResult{}, errUnchanged
		}
		r.Canary, r.Percent, r.Since = rel, s.Percent, now
		v.Served = true
		if r.Shadow != nil && r.Shadow.Digest == v.Digest {
			r.Shadow = nil
		}
		return m, nil
	}
}

// promote makes a version the active one; of no digest, the canary.
func promote(s api.Step) move {
	return func(t *store.Tenant) (moveResult, error) {
		r := &t.Rollout
		digest := s.Digest
		if digest == "" {
			if r.Canary == nil {
				return moveResult{}, api.NewProblem(api.KindConflict, "there is no canary to promote: name a policy")
			}
			digest = r.Canary.Digest
		}
		v, err := version(t, digest)
		if err != nil {
			return moveResult{}, err
		}
		rel := release(v, s.Params, r.Canary, r.Shadow, r.Active)
		if same(r.Active, rel) && (r.Canary == nil || r.Canary.Digest != v.Digest) {
			return moveResult{}, errUnchanged
		}
		m := moveResult{action: "rollout.promote", digest: v.Digest, try: rel, detail: "in place of the host's own policy"}
		if r.Active != nil {
			m.detail = "in place of " + policy.ShortDigest(r.Active.Digest)
		}
		if r.Active != nil && !same(r.Active, rel) {
			r.Past = slices.DeleteFunc(r.Past, func(p spec.Release) bool { return same(&p, r.Active) })
			r.Past = slices.Insert(r.Past, 0, *r.Active)
			r.Past = r.Past[:remembered(r.Past)]
		}
		r.Active, r.Rollback = rel, nil
		v.Served = true
		if r.Canary != nil && r.Canary.Digest == v.Digest {
			endCanary(r)
		}
		if r.Shadow != nil && r.Shadow.Digest == v.Digest {
			r.Shadow = nil
		}
		return m, nil
	}
}

// rollback takes the canary back if there is one, else the active version.
func rollback(s api.Step, now time.Time) move {
	return func(t *store.Tenant) (moveResult, error) {
		r := &t.Rollout
		digest := ""
		if s.Digest != "" {
			v, err := version(t, s.Digest)
			if err != nil {
				return moveResult{}, err
			}
			digest = v.Digest
		}
		switch {
		case r.Canary != nil && (digest == "" || digest == r.Canary.Digest):
			return takeBack(t, spec.Rollback{Digest: r.Canary.Digest, Reason: s.Reason, At: now}, "rollout.rollback"), nil
		case r.Canary != nil && r.Active != nil && digest == r.Active.Digest:
			// To say yes and do nothing would leave it in charge.
			return moveResult{}, api.NewProblem(api.KindConflict, "the canary, %s, would be taken back before %s: roll that back, or promote it, first",
				policy.ShortDigest(r.Canary.Digest), policy.ShortDigest(digest))
		case r.Canary == nil && r.Active != nil && (digest == "" || digest == r.Active.Digest):
			return goBack(t, s.Reason), nil
		case digest != "":
			return moveResult{}, errUnchanged
		}
		return moveResult{}, api.NewProblem(api.KindConflict, "there is nothing to take back: the host's own policy is in charge")
	}
}

// revert takes the canary back by itself, while it is that version.
func revert(digest, reason string, now time.Time) move {
	return func(t *store.Tenant) (moveResult, error) {
		if c := t.Rollout.Canary; c == nil || c.Digest != digest {
			return moveResult{}, errUnchanged
		}
		return takeBack(t, spec.Rollback{Digest: digest, Automatic: true, Reason: reason, At: now}, "rollout.revert"), nil
	}
}

func takeBack(t *store.Tenant, v spec.Rollback, action string) moveResult {
	endCanary(&t.Rollout)
	t.Rollout.Rollback = &v
	return moveResult{action: action, digest: v.Digest, detail: strings.TrimSuffix("canary: "+v.Reason, ": "), back: true}
}

// goBack puts the release that was active before in charge, or the host's own.
func goBack(t *store.Tenant, reason string) moveResult {
	r := &t.Rollout
	m := moveResult{action: "rollout.rollback", digest: r.Active.Digest, detail: "back to the host's own policy", back: true}
	r.Active = nil
	if len(r.Past) > 0 {
		last := r.Past[0]
		r.Past = slices.Delete(r.Past, 0, 1)
		r.Active, m.try = &last, &last
		m.detail = "back to " + policy.ShortDigest(last.Digest)
	}
	if len(r.Past) == 0 {
		r.Past = nil
	}
	if same(r.Shadow, r.Active) {
		r.Shadow = nil
	}
	if reason != "" {
		m.detail += ": " + reason
	}
	return m
}

// maxPastParams bounds the parameters of what was active, in bytes: a record is
// read with every request of its tenant. The last release is kept with
// whatever parameters it had.
const maxPastParams = 16 << 10

// remembered says how many of the releases that were active are kept.
func remembered(past []spec.Release) int {
	size := 0
	for i, p := range past[:min(len(past), spec.PastKept)] {
		for k, v := range p.Params {
			size += len(k) + len(v)
		}
		if i > 0 && size > maxPastParams {
			return i
		}
	}
	return min(len(past), spec.PastKept)
}

func endCanary(r *spec.Rollout) { r.Canary, r.Percent, r.Since = nil, 0, time.Time{} }

// release is a version with its parameters: those given, else those that it
// has in the first of the roles that it plays.
func release(v *store.Version, params map[string]string, roles ...*spec.Release) *spec.Release {
	if params == nil {
		for _, r := range roles {
			if r != nil && r.Digest == v.Digest {
				params = r.Params
				break
			}
		}
	}
	rel := &spec.Release{Digest: v.Digest}
	if len(params) > 0 {
		rel.Params = maps.Clone(params)
	}
	return rel
}

func same(a, b *spec.Release) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Digest == b.Digest && maps.Equal(a.Params, b.Params)
}
