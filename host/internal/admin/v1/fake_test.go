package v1_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// When everything in the fake happened.
var then = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// house is an api.Service in memory, with the rules that a caller can see over
// HTTP: who is who, entity tags, and what is there.
type house struct {
	calls atomic.Int64 // of everything but Authenticate

	mu      sync.Mutex // guards the following fields
	bearers map[string]api.Actor
	tenants map[string]*room
	edits   int
	// hooks of single tests; nil: the fake's own.
	mayUpload func() (func(), error)
	decisions func(ctx context.Context, send func(api.Decision) error) error
	fail      error
	query     api.ConnectionQuery // that was asked for last
	uploaded  api.Upload
	steps     []api.Step
	released  int
}

type room struct {
	tenant   api.Tenant
	keys     api.Keys
	tokens   []api.Token
	policies map[string]api.Policy
	modules  map[string][]byte
	rollout  api.Rollout
	entries  []api.Entry
}

var module = []byte("\x00asm\x01\x00\x00\x00")

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// newHouse returns a house with the tenants shop and bank, who have a token, a
// policy and a rollout each.
func newHouse() *house {
	h := &house{bearers: map[string]api.Actor{"token-of-the-operator": {Operator: true, Name: "token op (boss)"}}, tenants: map[string]*room{}}
	for _, name := range []string{"bank", "shop"} {
		r := newRoom(name, spec.Spec{Hosts: []string{name + ".example"}, Limits: spec.Limits{Ceiling: spec.Duration(time.Minute)}})
		r.add(api.Upload{Name: "first", Wasm: module}, "boss")
		r.rollout.Active = &spec.Release{Digest: sum(module), Params: map[string]string{"idle": "30s"}}
		r.rollout.Since = then
		r.tokens = []api.Token{{ID: "t1", Name: "ci", Tenant: name, Created: then, By: "boss", Expires: then.Add(time.Hour)}}
		r.keys.Keys = []api.Key{{ID: "k1", Public: "RWQ", Added: then}}
		r.entries = []api.Entry{{Seq: 7, At: then, Actor: "boss", Tenant: name, Action: "tenant.create"}}
		h.tenants[name] = r
		h.bearers["token-of-"+name] = api.Actor{Tenant: name, Name: "token t1 (ci)"}
	}
	h.tenants[""] = newRoom("", spec.Spec{}) // holds the operators' tokens
	h.tenants[""].tokens = []api.Token{{ID: "t1", Name: "root", Created: then, By: "boss"}}
	return h
}

func newRoom(name string, spec spec.Spec) *room {
	return &room{
		tenant:   api.Tenant{Name: name, Created: then, Changed: then, Spec: spec, ETag: `"s1"`},
		keys:     api.Keys{ETag: `"k1"`},
		policies: map[string]api.Policy{}, modules: map[string][]byte{},
		rollout: api.Rollout{ETag: `"r1"`},
	}
}

func (r *room) add(u api.Upload, by string) (api.Policy, bool) {
	d := sum(u.Wasm)
	if p, ok := r.policies[d]; ok {
		p.Known = true
		return p, false
	}
	p := api.Policy{
		Digest: d, Name: u.Name, Size: len(u.Wasm), State: api.StateUploaded, Uploaded: then, By: by,
		Report: json.RawMessage(`{"verdict":"accepted"}`),
	}
	r.policies[d], r.modules[d] = p, u.Wasm
	return p, true
}

// enter locks the house and finds a tenant.
func (h *house) enter(name string) (*room, error) {
	h.calls.Add(1)
	h.mu.Lock()
	if h.fail != nil {
		return nil, h.fail
	}
	if r := h.tenants[name]; r != nil {
		return r, nil
	}
	return nil, api.NewProblem(api.KindNotFound, "no tenant is called %q", name)
}

// holds evaluates a precondition by strong comparison.
func holds(pre api.Precondition, there bool, tag string) error {
	list := strings.Split(pre.Match, ", ")
	match := pre.Match == "" || there && (pre.Match == "*" || slices.Contains(list, tag))
	if !match || pre.Absent && there {
		return api.NewProblem(api.KindPrecondition, "")
	}
	return nil
}

func (h *house) Authenticate(_ context.Context, token string) (api.Actor, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if who, ok := h.bearers[token]; ok {
		return who, nil
	}
	return api.Actor{}, api.NewProblem(api.KindUnauthorized, "%s: revoked, expired or whatever", token)
}

func (h *house) Tenants(_ context.Context, after string, limit int) (page api.Page[api.Tenant], err error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return page, h.fail
	}
	for name, r := range h.tenants {
		if name > after {
			page.Items = append(page.Items, r.tenant)
		}
	}
	slices.SortFunc(page.Items, func(a, b api.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		page.Next = page.Items[limit-1].Name
	}
	return page, nil
}

func (h *house) Tenant(_ context.Context, name string) (*api.Tenant, error) {
	r, err := h.enter(name)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	t := r.tenant
	return &t, nil
}

func (h *house) PutTenant(_ context.Context, _ api.Actor, name string, spec spec.Spec, pre api.Precondition) (*api.Tenant, bool, error) {
	r, _ := h.enter(name)
	defer h.mu.Unlock()
	if h.fail != nil {
		return nil, false, h.fail
	}
	there := r != nil
	if there && pre == (api.Precondition{}) {
		return nil, false, api.NewProblem(api.KindPreconditionNeed, "it is there")
	}
	tag := ""
	if there {
		tag = r.tenant.ETag
	}
	if err := holds(pre, there, tag); err != nil {
		return nil, false, err
	}
	if !there {
		r = newRoom(name, spec)
		h.tenants[name] = r
	}
	h.edits++
	r.tenant.Spec, r.tenant.ETag = spec, fmt.Sprintf(`"s%d"`, h.edits+1)
	t := r.tenant
	return &t, !there, nil
}

func (h *house) DeleteTenant(_ context.Context, _ api.Actor, name string, pre api.Precondition) error {
	r, err := h.enter(name)
	defer h.mu.Unlock()
	if err == nil {
		err = holds(pre, true, r.tenant.ETag)
	}
	if err == nil {
		delete(h.tenants, name)
	}
	return err
}

func (h *house) Limits(_ context.Context, tenant string) (*api.EffectiveLimits, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &api.EffectiveLimits{Configured: r.tenant.Spec.Limits, Effective: r.tenant.Spec.Limits, UploadBytes: 4 << 20}, nil
}

func (h *house) Tokens(_ context.Context, tenant string) ([]api.Token, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.tokens), nil
}

func (h *house) CreateToken(_ context.Context, who api.Actor, tenant string, asked api.NewToken) (*api.Token, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	t := api.Token{ID: "t2", Name: asked.Name, Tenant: tenant, Created: then, By: who.Name, Secret: "idh_t2_secret"}
	if asked.ExpiresIn != 0 {
		t.Expires = then.Add(time.Duration(asked.ExpiresIn))
	}
	r.tokens = append(r.tokens, t)
	return &t, nil
}

func (h *house) RevokeToken(_ context.Context, _ api.Actor, tenant, id string) error {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.tokens, func(t api.Token) bool { return t.ID == id })
	if i < 0 {
		return api.NewProblem(api.KindNotFound, "no token has the id %q", id)
	}
	r.tokens = slices.Delete(r.tokens, i, i+1)
	return nil
}

func (h *house) Keys(_ context.Context, tenant string) (*api.Keys, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	k := r.keys
	return &k, nil
}

func (h *house) PutKeys(_ context.Context, _ api.Actor, tenant string, k api.Keys, pre api.Precondition) (*api.Keys, error) {
	r, err := h.enter(tenant)
	defer h.mu.Unlock()
	if err == nil {
		err = holds(pre, true, r.keys.ETag)
	}
	if err != nil {
		return nil, err
	}
	k.ETag = `"k2"`
	r.keys = k
	return &k, nil
}
