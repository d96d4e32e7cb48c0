package v1_test

import (
	"context"
	"strings"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

func (h *house) MayUpload(_ context.Context, tenant string) (func(), error) {
	_, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if h.mayUpload != nil {
		return h.mayUpload()
	}
	return func() { h.mu.Lock(); h.released++; h.mu.Unlock() }, nil
}

func (h *house) Upload(_ context.Context, who api.Actor, tenant string, u api.Upload) (*api.Policy, bool, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	h.uploaded = u
	if strings.HasPrefix(string(u.Wasm), "bad") {
		p := api.NewProblem(api.KindRefused, "byte 0: no magic")
		p.Cause, p.Report = "refused", []byte(`{"verdict":"refused"}`)
		return nil, false, p
	}
	p, made := r.add(u, who.Name)
	return &p, made, nil
}

func (h *house) Policies(_ context.Context, tenant string) (list []api.Policy, err error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, p := range r.policies {
		p.Report = nil
		list = append(list, p)
	}
	return list, nil
}

func (h *house) Policy(_ context.Context, tenant, digest string) (*api.Policy, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for d, p := range r.policies {
		if len(digest) >= 8 && strings.HasPrefix(d, digest) {
			return &p, nil
		}
	}
	return nil, api.NewProblem(api.KindNotFound, "no policy has the digest %q", digest)
}

func (h *house) Module(ctx context.Context, tenant, digest string) ([]byte, string, error) {
	p, err := h.Policy(ctx, tenant, digest)
	if err != nil {
		return nil, "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tenants[tenant].modules[p.Digest], p.Digest, nil
}

func (h *house) DeletePolicy(ctx context.Context, _ api.Actor, tenant, digest string) error {
	p, err := h.Policy(ctx, tenant, digest)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tenants[tenant].policies, p.Digest)
	return nil
}

func (h *house) Rollout(_ context.Context, tenant string) (*api.Rollout, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	shown := r.rollout
	shown.Sides = []api.RoleStats{{Role: "active", Digest: sum(module), Loaded: true, Asks: 10, Faults: 1, Causes: map[string]uint64{"trap": 1}, LastFault: "unreachable"}}
	shown.Comparison = &api.Comparison{Asks: 3, Same: 2, WouldClose: 1, DeadlineRatio: 0.5}
	shown.Rollback = &spec.Rollback{Digest: sum(module), Automatic: true, Reason: "faults", At: then}
	return &shown, nil
}

func (h *house) Step(_ context.Context, _ api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err == nil {
		err = holds(pre, true, r.rollout.ETag)
	}
	if err != nil {
		return nil, err
	}
	h.steps = append(h.steps, s)
	switch to := (&spec.Release{Digest: s.Digest, Params: s.Params}); s.Kind {
	case api.StepShadow:
		r.rollout.Shadow = to
	case api.StepCanary:
		r.rollout.Canary, r.rollout.Percent = to, s.Percent
	case api.StepPromote:
		r.rollout.Active = to
	case api.StepRollback:
		r.rollout.Canary = nil
	}
	r.rollout.ETag = `"r2"`
	shown := r.rollout
	return &shown, nil
}

func (h *house) Connections(_ context.Context, tenant string, q api.ConnectionQuery) (page api.Page[api.Connection], err error) {
	_, err = h.enter(tenant)
	defer h.mu.Unlock()
	h.query = q
	if err == nil {
		page.Items = []api.Connection{{ID: 77, Side: "accepted", Protocol: "http2", Phase: "idle", Peer: "203.0.113.9:52100", Opened: then, DueMs: -1}}
		page.Next = "77"
	}
	return page, err
}

var decision = api.Decision{
	At: then, Conn: 77, Client: "a41c", Event: "timeout", Phase: "idle", Side: "accepted", Protocol: "http2",
	Action: "extend", DeadlineMs: 30000, Source: "policy", Role: "active", TookNs: 940,
}

func (h *house) Decisions(ctx context.Context, tenant string, send func(api.Decision) error) error {
	_, err := h.enter(tenant)
	hook := h.decisions
	h.mu.Unlock()
	if err != nil {
		return err
	}
	if hook != nil {
		return hook(ctx, send)
	}
	return send(decision) // and that is all
}

func (h *house) Audit(_ context.Context, tenant string, before uint64, limit int) (page api.Page[api.Entry], err error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return page, err
	}
	for _, e := range r.entries {
		if (before == 0 || e.Seq < before) && len(page.Items) < limit {
			page.Items = append(page.Items, e)
		}
	}
	return page, nil
}

var _ api.Service = (*house)(nil)
