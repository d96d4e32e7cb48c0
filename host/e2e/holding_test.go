package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/tenant/spec"
)

// holding is what is known, or believed, of a tenant.
type holding struct {
	versions map[string]string // names by digest
	rollout  rollout
	tokens   map[string]string // IDs by name; of those believed, they may be unknown
}

// rollout is the part of an api.Rollout that changes make.
type rollout struct {
	active, canary, shadow string
	percent                float64
	past                   []string
}

// holdings are tenants by their names.
type holdings map[string]*holding

func newHolding() *holding {
	return &holding{versions: map[string]string{}, tokens: map[string]string{}}
}

func (hs holdings) clone() holdings {
	out := holdings{}
	for name, h := range hs {
		c := *h
		c.versions, c.tokens, c.rollout.past = maps.Clone(h.versions), maps.Clone(h.tokens), slices.Clone(h.rollout.past)
		out[name] = &c
	}
	return out
}

// String tells all but the IDs of tokens, which who has not got an answer does
// not know.
func (hs holdings) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(hs)) {
		h := hs[name]
		fmt.Fprintf(&b, "%s: tokens %v, rollout %.12v, versions", name, slices.Sorted(maps.Keys(h.tokens)), h.rollout)
		for _, d := range slices.Sorted(maps.Keys(h.versions)) {
			fmt.Fprintf(&b, " %.12s=%s", d, h.versions[d])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// promote is what api.Service says of it.
func (r *rollout) promote(digest string) {
	if r.active == digest && r.canary != digest {
		return
	}
	if r.active != "" && r.active != digest {
		r.past = slices.DeleteFunc(r.past, func(d string) bool { return d == r.active })
		r.past = slices.Insert(r.past, 0, r.active)
		r.past = r.past[:min(len(r.past), spec.PastKept)]
	}
	r.active = digest
	if r.canary == digest {
		r.canary, r.percent = "", 0
	}
	if r.shadow == digest {
		r.shadow = ""
	}
}

func (r *rollout) startCanary(digest string, percent float64) {
	r.canary, r.percent = digest, percent
	if r.shadow == digest {
		r.shadow = ""
	}
}

func (r *rollout) rollback() {
	if r.canary != "" {
		r.canary, r.percent = "", 0
		return
	}
	r.active = ""
	if len(r.past) > 0 {
		r.active, r.past = r.past[0], r.past[1:]
	}
	if r.shadow == r.active {
		r.shadow = ""
	}
}

// names reports the digests that a rollout names.
func (r *rollout) names() []string {
	all := append([]string{r.active, r.canary, r.shadow}, r.past...)
	return slices.DeleteFunc(all, func(d string) bool { return d == "" })
}

func shown(r *api.Rollout) (out rollout) {
	for from, to := range map[*spec.Release]*string{r.Active: &out.active, r.Canary: &out.canary, r.Shadow: &out.shadow} {
		if from != nil {
			*to = from.Digest
		}
	}
	out.percent = r.Percent
	for _, p := range r.Past {
		out.past = append(out.past, p.Digest)
	}
	return out
}

// look reads the tenants whose names have the prefix, and whether all that they
// name is there.
func look(ctx context.Context, c *client.Client, prefix string) (holdings, error) {
	hs := holdings{}
	page, err := c.Tenants(ctx, prefix, 1000)
	if err != nil {
		return nil, err
	}
	modules := map[string]bool{}
	for _, t := range page.Items {
		if !strings.HasPrefix(t.Name, prefix) {
			continue
		}
		h, err := lookAt(ctx, c, t.Name)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		hs[t.Name] = h
		for d := range h.versions {
			modules[d] = true
		}
	}
	for d := range modules {
		name := owner(hs, d)
		if _, full, err := c.Module(ctx, name, d); err != nil || full != d {
			return nil, fmt.Errorf("policy %s of tenant %s: %s, %v", d, name, full, err)
		}
	}
	return hs, nil
}

// owner returns a tenant that has a version.
func owner(hs holdings, digest string) string {
	for name, h := range hs {
		if _, ok := h.versions[digest]; ok {
			return name
		}
	}
	return ""
}

func lookAt(ctx context.Context, c *client.Client, name string) (*holding, error) {
	h := newHolding()
	list, err := c.Policies(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		h.versions[p.Digest] = p.Name
	}
	r, err := c.Rollout(ctx, name)
	if err != nil {
		return nil, err
	}
	h.rollout = shown(r)
	for _, d := range h.rollout.names() {
		if _, ok := h.versions[d]; !ok {
			return nil, fmt.Errorf("the rollout names %s, which is none of %v", d, h.versions)
		}
	}
	tokens, err := c.Tokens(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		h.tokens[t.Name] = t.ID
	}
	return h, nil
}
