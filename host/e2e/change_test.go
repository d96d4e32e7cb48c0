package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/tenant/spec"
)

// change is a change of a tenant: how it is asked for, and what comes of it.
type change struct {
	entry
	ask  func(ctx context.Context, c *client.Client) error
	make func(hs holdings)
}

// entry is how the audit log knows a change.
type entry struct{ action, tenant, digest string }

// worker changes tenants of its own, one change after the other, and keeps
// count.
type worker struct {
	prefix string
	token  string // an operator's
	rng    *rand.Rand
	made   int // numbers what is made; no name is used twice

	believed holdings
	pending  *change // was under way when the host died
	count    map[entry]int
	secrets  map[string]string // of tokens of which there was an answer, by name
	acked    int
}

// The kinds of modules that are uploaded. Tenants share them.
const seeds = 24

// moduleOf returns a policy of its own for each seed.
func moduleOf(seed int) []byte {
	m := wasmtest.Guest()
	m.Data = append(m.Data, wasmtest.Data{Offset: 32 << 10, Bytes: fmt.Appendf(nil, "seed %d", seed)})
	return m.Bytes()
}

// run makes changes until the host is gone. counted is called before each.
func (w *worker) run(ctx context.Context, c *client.Client, counted func()) error {
	for {
		ch := w.choose()
		counted()
		err := ch.ask(ctx, c)
		if p := (*api.Problem)(nil); errors.As(err, &p) {
			return fmt.Errorf("%v: %w, with\n%v", ch.entry, err, w.believed)
		}
		if err != nil { // it may have been made
			w.pending = ch
			return nil
		}
		ch.make(w.believed)
		w.count[ch.entry]++
		w.acked++
	}
}

// verify holds what the host has to what is believed.
func (w *worker) verify(ctx context.Context, c *client.Client) error {
	found, err := look(ctx, c, w.prefix)
	if err != nil {
		return err
	}
	want := w.believed
	if found.String() != want.String() && w.pending != nil {
		want = w.believed.clone()
		w.pending.make(want)
		w.count[w.pending.entry]++
	}
	if found.String() != want.String() {
		return fmt.Errorf("after the restart there is\n%vwant\n%v(%v was under way)", found, w.believed, w.pending)
	}
	w.believed, w.pending = found, nil
	return w.bearers(ctx, c)
}

// bearers comes with a token of each tenant, and with one that was revoked.
func (w *worker) bearers(ctx context.Context, c *client.Client) error {
	gone := maps.Clone(w.secrets)
	for tenant, h := range w.believed {
		for name := range h.tokens {
			if w.secrets[name] == "" {
				continue // it was made, and nobody has been told
			}
			delete(gone, name)
			who, err := w.whoami(ctx, c, name)
			if err != nil || who.Tenant != tenant || who.Operator {
				return fmt.Errorf("the bearer of token %s of tenant %s: %+v, %w", name, tenant, who, err)
			}
		}
	}
	for name := range gone {
		if who, err := w.whoami(ctx, c, name); client.Kind(err) != api.KindUnauthorized {
			return fmt.Errorf("the bearer of token %s, which was revoked: %+v, %w", name, who, err)
		}
		break // who comes with many is refused for that
	}
	return nil
}

func (w *worker) whoami(ctx context.Context, c *client.Client, name string) (*api.Actor, error) {
	bearer, err := client.New(client.Config{Server: c.Server(), Token: w.secrets[name]})
	if err != nil {
		return nil, err
	}
	defer bearer.Close()
	return bearer.Whoami(ctx)
}

// choose returns a change that the rules allow.
func (w *worker) choose() *change {
	for {
		if len(w.believed) < 2 || len(w.believed) < 4 && w.rng.IntN(20) == 0 {
			return w.create()
		}
		name := pick(w.rng, slices.Sorted(maps.Keys(w.believed)))
		kinds := []func(string, *holding) *change{
			w.upload, w.upload, w.promote, w.promote, w.promote, w.canary, w.shadow, w.rollback, w.rollback, w.remove, w.issue, w.revoke, w.upload, w.delete,
		}
		if ch := pick(w.rng, kinds)(name, w.believed[name]); ch != nil {
			return ch
		}
	}
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// next returns a name that nothing has had.
func (w *worker) next() string {
	w.made++
	return fmt.Sprint(w.prefix, w.made)
}

func (w *worker) create() *change {
	name := w.next()
	spec := spec.Spec{Hosts: []string{name + ".example"}}
	return &change{entry{"tenant.create", name, ""}, func(ctx context.Context, c *client.Client) error {
		_, _, err := c.PutTenant(ctx, name, spec, api.Precondition{Absent: true})
		return err
	}, func(hs holdings) { hs[name] = newHolding() }}
}

func (w *worker) delete(name string, _ *holding) *change {
	if w.rng.IntN(3) > 0 {
		return nil
	}
	return &change{entry{"tenant.delete", name, ""}, func(ctx context.Context, c *client.Client) error {
		return c.DeleteTenant(ctx, name, api.Precondition{Match: "*"})
	}, func(hs holdings) { delete(hs, name) }}
}

func (w *worker) upload(name string, h *holding) *change {
	wasm := moduleOf(w.rng.IntN(seeds))
	digest := fmt.Sprintf("%x", digestOf(wasm))
	if _, ok := h.versions[digest]; ok {
		return nil
	}
	title := w.next()
	return &change{entry{"policy.upload", name, digest}, func(ctx context.Context, c *client.Client) error {
		p, created, err := c.Upload(ctx, name, api.Upload{Name: title, Wasm: wasm}, nil)
		if err == nil && (p.Digest != digest || !created) {
			return api.NewProblem(api.KindInternal, "%+v, %t: want %s", p, created, digest)
		}
		return err
	}, func(hs holdings) { hs[name].versions[digest] = title }}
}

// step is a change of a rollout. The answer must be what comes of it.
func (w *worker) step(action, name, digest string, take func(ctx context.Context, c *client.Client) (*api.Rollout, error), change_ func(*rollout)) *change {
	want := w.believed.clone()[name].rollout
	change_(&want)
	return &change{entry{action, name, digest}, func(ctx context.Context, c *client.Client) error {
		r, err := take(ctx, c)
		if err != nil {
			return err
		}
		if got := shown(r); fmt.Sprint(got) != fmt.Sprint(want) {
			return api.NewProblem(api.KindInternal, "the answer says %v, want %v", got, want)
		}
		return nil
	}, func(hs holdings) { change_(&hs[name].rollout) }}
}

// version returns one of the tenant's that plays none of the roles; "": none.
func (w *worker) version(h *holding, not ...string) string {
	list := slices.DeleteFunc(slices.Sorted(maps.Keys(h.versions)), func(d string) bool { return slices.Contains(not, d) })
	if len(list) == 0 {
		return ""
	}
	return pick(w.rng, list)
}

func (w *worker) promote(name string, h *holding) *change {
	d := w.version(h, h.rollout.active)
	if d == "" {
		return nil
	}
	return w.step("rollout.promote", name, d, func(ctx context.Context, c *client.Client) (*api.Rollout, error) {
		return c.Step(ctx, name, api.Step{Kind: api.StepPromote, Digest: d}, api.Precondition{})
	}, func(r *rollout) { r.promote(d) })
}

func (w *worker) canary(name string, h *holding) *change {
	d := w.version(h, h.rollout.active, h.rollout.canary)
	if d == "" {
		return nil
	}
	percent := float64(1 + w.rng.IntN(100))
	return w.step("rollout.canary", name, d, func(ctx context.Context, c *client.Client) (*api.Rollout, error) {
		return c.Step(ctx, name, api.Step{Kind: api.StepCanary, Digest: d, Percent: percent}, api.Precondition{})
	}, func(r *rollout) { r.startCanary(d, percent) })
}

func (w *worker) shadow(name string, h *holding) *change {
	r := h.rollout
	d := w.version(h, r.active, r.canary, r.shadow)
	if d == "" {
		return nil
	}
	return w.step("rollout.shadow", name, d, func(ctx context.Context, c *client.Client) (*api.Rollout, error) {
		return c.Step(ctx, name, api.Step{Kind: api.StepShadow, Digest: d}, api.Precondition{})
	}, func(r *rollout) { r.shadow = d })
}

func (w *worker) rollback(name string, h *holding) *change {
	d := h.rollout.canary
	if d == "" {
		d = h.rollout.active
	}
	if d == "" {
		return nil
	}
	return w.step("rollout.rollback", name, d, func(ctx context.Context, c *client.Client) (*api.Rollout, error) {
		return c.Step(ctx, name, api.Step{Kind: api.StepRollback, Digest: d}, api.Precondition{})
	}, (*rollout).rollback)
}

func (w *worker) remove(name string, h *holding) *change {
	d := w.version(h, h.rollout.names()...)
	if d == "" {
		return nil
	}
	return &change{entry{"policy.delete", name, d}, func(ctx context.Context, c *client.Client) error {
		return c.DeletePolicy(ctx, name, d)
	}, func(hs holdings) { delete(hs[name].versions, d) }}
}

func (w *worker) issue(name string, h *holding) *change {
	title := w.next()
	id := ""
	return &change{entry{"token.create", name, ""}, func(ctx context.Context, c *client.Client) error {
		t, err := c.CreateToken(ctx, name, api.NewToken{Name: title})
		if err == nil {
			id, w.secrets[title] = t.ID, t.Secret
		}
		return err
	}, func(hs holdings) { hs[name].tokens[title] = id }}
}

func (w *worker) revoke(name string, h *holding) *change {
	if len(h.tokens) == 0 {
		return nil
	}
	title := pick(w.rng, slices.Sorted(maps.Keys(h.tokens)))
	id := h.tokens[title]
	return &change{entry{"token.revoke", name, ""}, func(ctx context.Context, c *client.Client) error {
		return c.RevokeToken(ctx, name, id)
	}, func(hs holdings) { delete(hs[name].tokens, title) }}
}
