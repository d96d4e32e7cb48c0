package control_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
	"idlehost/host/internal/testnet"
)

// drama is a tenant "shop" with versions one, two, three.
type drama struct {
	*house
	one, two, three string
}

func newDrama(t *testing.T) *drama {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	return &drama{h, h.upload("shop", "one"), h.upload("shop", "two"), h.upload("shop", "three")}
}

// step takes a step such as "canary one 10 a=b".
func (d *drama) step(text string) (*api.Rollout, error) {
	d.t.Helper()
	words := strings.Fields(text)
	s := api.Step{}
	for _, w := range words[1:] {
		key, value, param := strings.Cut(w, "=")
		switch {
		case w == "one":
			s.Digest = d.one
		case w == "two":
			s.Digest = d.two
		case w == "three":
			s.Digest = d.three
		case w == "none" && s.Params == nil:
			s.Params = map[string]string{}
		case param:
			if s.Params == nil {
				s.Params = map[string]string{}
			}
			s.Params[key] = value
		default:
			if _, err := fmt.Sscan(w, &s.Percent); err != nil {
				d.t.Fatalf("step %q: %v", text, err)
			}
		}
	}
	s.Kind = api.StepKind(words[0])
	return d.Step(d.t.Context(), operator, "shop", s, api.Precondition{})
}

// now describes a rollout: "active one a=b, canary two 10, past three".
func (d *drama) now(r *api.Rollout) string {
	names := strings.NewReplacer(d.one, "one", d.two, "two", d.three, "three")
	var parts []string
	add := func(role string, rel *spec.Release, more string) {
		if rel == nil {
			return
		}
		text := role + " " + rel.Digest
		var params []string
		for k, v := range rel.Params {
			params = append(params, k+"="+v)
		}
		slices.Sort(params)
		parts = append(parts, strings.TrimSpace(text+" "+strings.Join(params, " ")+more))
	}
	add("active", r.Active, "")
	add("canary", r.Canary, fmt.Sprint(" ", r.Percent))
	add("shadow", r.Shadow, "")
	for i := range r.Past {
		add("past", &r.Past[i], "")
	}
	if r.Rollback != nil {
		parts = append(parts, fmt.Sprintf("verdict %s %t", r.Rollback.Digest, r.Rollback.Automatic))
	}
	text := names.Replace(strings.Join(parts, ", "))
	for strings.Contains(text, "  ") {
		text = strings.ReplaceAll(text, "  ", " ")
	}
	return text
}

// TestStepsOfARollout: each step, and what is to be after it: a state, a kind
// of problem after "!", or "=": nothing changes, and nothing is noted.
func TestStepsOfARollout(t *testing.T) {
	for _, story := range [][]string{
		{"promote one", "active one", "promote one", "=", "promote two", "active two, past one",
			"rollback two", "active one", "rollback two", "=", "rollback", "", "rollback one", "=", "rollback", "!conflict"},
		{"promote one", "active one", "promote two", "active two, past one", "promote one", "active one, past two, past one",
			"promote two", "active two, past one, past two", "rollback", "active one, past two", "rollback", "active two", "rollback", ""},
		{"canary one 10", "canary one 10", "canary one 10", "=", "canary 20.5", "canary one 20.5", "canary one 5", "canary one 5",
			"promote", "active one", "promote", "!conflict"},
		{"promote one", "active one", "canary two 10 a=b", "active one, canary two a=b 10", "canary two 10", "=", "canary two 10 none", "active one, canary two 10",
			"canary two 10 a=c", "active one, canary two a=c 10", "promote two", "active two a=c, past one"},
		{"promote one", "active one", "canary two 10 a=b", "active one, canary two a=b 10", "promote a=z", "active two a=z, past one"},
		{"promote one", "active one", "canary two 10", "active one, canary two 10", "canary three 1", "active one, canary three 1",
			"promote two", "active two, canary three 1, past one", "rollback two", "!conflict", "rollback three", "active two, past one, verdict three false",
			"rollback three", "=", "promote three", "active three, past two, past one"},
		{"promote one", "active one", "canary two 10", "active one, canary two 10", "rollback", "active one, verdict two false",
			"canary three 10", "active one, canary three 10, verdict two false", "rollback one", "!conflict"},
		{"shadow one", "shadow one", "shadow one", "=", "shadow two a=b", "shadow two a=b", "shadow two", "=", "shadow", "", "shadow", "="},
		{"shadow one a=b", "shadow one a=b", "canary one 10", "canary one a=b 10", "shadow one", "!conflict", "shadow two", "canary one a=b 10, shadow two",
			"promote two", "active two, canary one a=b 10"},
		{"promote one", "active one", "shadow one", "!conflict", "canary one 10", "!conflict", "shadow one a=b", "active one, shadow one a=b",
			"promote one", "active one a=b, past one"},
		{"promote one a=b", "active one a=b", "promote one", "=", "promote one a=c", "active one a=c, past one a=b", "rollback", "active one a=b"},
		{"promote one", "active one", "promote two", "active two, past one", "shadow one", "active two, shadow one, past one", "rollback", "active one"},
		{"promote", "!conflict", "canary 10", "!invalid", "canary one", "!invalid", "canary one 101", "!invalid", "canary one -1", "!invalid",
			"canary one NaN", "!invalid", "promote one 10", "!invalid", "rollback a=b", "!invalid", "rollback one 5", "!invalid"},
		{"promote one bad=x", "!policy-refused", "canary one 10 bad=x", "!policy-refused", "shadow one bad=x", "!policy-refused", "promote one", "active one"},
	} {
		d := newDrama(t)
		last := ""
		for i := 0; i+1 < len(story); i += 2 {
			before, want := len(d.log("shop")), story[i+1]
			r, err := d.step(story[i])
			noted := len(d.log("shop")) - before
			if k, problem := strings.CutPrefix(want, "!"); problem {
				wantKind(t, fmt.Sprint(story[:i+1]), err, k)
				if noted != 0 {
					t.Errorf("%q: noted, but refused", story[:i+1])
				}
				continue
			}
			if err != nil {
				t.Errorf("%q: %v", story[:i+1], err)
				break
			}
			if want == "=" {
				if noted != 0 {
					t.Errorf("%q: noted, but changes nothing", story[:i+1])
				}
				want = last
			} else if noted != 1 {
				t.Errorf("%q: %d entries in the log", story[:i+1], noted)
			}
			if last = d.now(r); last != want {
				t.Errorf("%q: %q, want %q", story[:i+1], last, want)
			}
			if rec := d.runtime.record("shop"); rec.RolloutRevision != 0 && fmt.Sprintf(`"r%d"`, rec.RolloutRevision) != r.ETag && r.ETag != `"r0"` {
				t.Errorf("%q: in force is %d, answered %s", story[:i+1], rec.RolloutRevision, r.ETag)
			}
		}
	}
}

func TestStatesOfVersions(t *testing.T) {
	d := newDrama(t)
	four := d.upload("shop", "four")
	for _, s := range []string{"promote one", "promote two", "canary three 10", "shadow one"} {
		if _, err := d.step(s); err != nil {
			t.Fatal(err)
		}
	}
	states := func() string {
		list, err := d.Policies(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range list {
			if p.Report != nil || p.By != "olga" || p.Size != len(p.Name) {
				t.Errorf("listed: %+v", p)
			}
			out = append(out, p.Name+" "+p.State)
		}
		return strings.Join(out, ", ")
	}
	if got := states(); got != "four uploaded, three canary, two active, one shadow" {
		t.Errorf("%s", got)
	}
	for what, digest := range map[string]string{"active": d.two, "canary": d.three, "shadow": d.one} {
		wantKind(t, "delete the "+what, d.DeletePolicy(t.Context(), operator, "shop", digest), api.KindConflict)
	}
	if err := d.DeletePolicy(t.Context(), operator, "shop", four[:8]); err != nil {
		t.Error(err)
	}
	wantKind(t, "delete again", d.DeletePolicy(t.Context(), operator, "shop", four), api.KindNotFound)
	for _, s := range []string{"shadow", "rollback"} {
		if _, err := d.step(s); err != nil {
			t.Fatal(err)
		}
	}
	if got := states(); got != "three retired, two active, one retired" {
		t.Errorf("%s", got)
	}
	wantKind(t, "delete what a rollback needs", d.DeletePolicy(t.Context(), operator, "shop", d.one), api.KindConflict)
}

// TestDeletedVersionLeavesThePast: a rollback never goes to what is gone.
func TestDeletedVersionLeavesThePast(t *testing.T) {
	d := newDrama(t)
	for _, s := range []string{"promote one", "promote two", "promote three"} {
		if _, err := d.step(s); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := d.Rollout(t.Context(), "shop")
	if err := d.DeletePolicy(t.Context(), operator, "shop", d.one); err != nil {
		t.Fatal(err)
	}
	after, err := d.Rollout(t.Context(), "shop")
	if err != nil || d.now(after) != "active three, past two" || after.ETag == before.ETag {
		t.Errorf("%s, tag %s then %s, %v", d.now(after), before.ETag, after.ETag, err)
	}
}

func TestPastIsBounded(t *testing.T) {
	d := newDrama(t)
	for i := range spec.PastKept + 5 {
		if _, err := d.step(fmt.Sprintf("promote one n=%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := d.Rollout(t.Context(), "shop")
	if err != nil || len(r.Past) != spec.PastKept || r.Past[0].Params["n"] != "13" {
		t.Errorf("%+v, %v", r.Past, err)
	}
}

// TestPastHasNoMoreParamsThanFit: a tenant's record is read with every request.
func TestPastHasNoMoreParamsThanFit(t *testing.T) {
	d := newDrama(t)
	var r *api.Rollout
	for i := range 5 {
		step := api.Step{Kind: api.StepPromote, Digest: d.one, Params: map[string]string{"n": fmt.Sprint(i), "note": strings.Repeat("x", 10<<10)}}
		var err error
		if r, err = d.Step(t.Context(), operator, "shop", step, api.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Past) != 1 || r.Past[0].Params["n"] != "3" {
		t.Errorf("%d releases are remembered", len(r.Past))
	}
	if r, err := d.Step(t.Context(), operator, "shop", api.Step{Kind: api.StepRollback}, api.Precondition{}); err != nil || r.Active.Params["n"] != "3" {
		t.Errorf("back to %+v, %v", r, err)
	}
}

func TestRefusedStepChangesNothing(t *testing.T) {
	d := newDrama(t)
	before, _ := d.Rollout(t.Context(), "shop")
	_, err := d.Step(t.Context(), operator, "shop", api.Step{Kind: api.StepPromote, Digest: d.one, Params: map[string]string{"bad": "worth is no duration"}}, api.Precondition{})
	p := wantKind(t, "promote", err, api.KindRefused)
	if p.Cause != "configure" || p.Detail != "worth is no duration" {
		t.Errorf("problem %+v, want configure: worth is no duration", p)
	}
	after, _ := d.Rollout(t.Context(), "shop")
	if !reflect.DeepEqual(before, after) {
		t.Errorf("%+v, then %+v", before, after)
	}
}

func TestStepPreconditions(t *testing.T) {
	d := newDrama(t)
	promote := func(digest, match string) (*api.Rollout, error) {
		return d.Step(t.Context(), operator, "shop", api.Step{Kind: api.StepPromote, Digest: digest}, api.Precondition{Match: match})
	}
	_, err := promote(d.one, `"r77"`)
	wantKind(t, "old tag", err, api.KindPrecondition)
	if d.runtime.tried() != 0 {
		t.Error("it was tried all the same")
	}
	r, err := promote(d.one, `"r0"`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = promote(d.two, `"r0"`)
	wantKind(t, "tag of before", err, api.KindPrecondition)
	_, err = promote(d.one, `"r0"`)
	wantKind(t, "tag of before, nothing to change", err, api.KindPrecondition)
	if _, err = promote(d.two, r.ETag); err != nil {
		t.Error(err)
	}
	// What is not the rollout's does not change its tag.
	r, _ = d.Rollout(t.Context(), "shop")
	d.upload("shop", "four")
	if again, _ := d.Rollout(t.Context(), "shop"); again.ETag != r.ETag {
		t.Errorf("an upload made %s of %s", again.ETag, r.ETag)
	}
}

func TestOneStepAtATime(t *testing.T) {
	d := newDrama(t)
	var mu sync.Mutex
	now, most := 0, 0
	d.runtime.do(func() {
		d.runtime.onTry = func(string) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			defer func() { mu.Lock(); now--; mu.Unlock() }()
			_, _ = d.store.Tenant(context.Background(), "shop")
		}
	})
	tag, won := `"r0"`, 0
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			_, err := d.Step(t.Context(), operator, "shop",
				api.Step{Kind: api.StepPromote, Digest: []string{d.one, d.two, d.three}[i%3], Params: map[string]string{"n": fmt.Sprint(i)}}, api.Precondition{Match: tag})
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			} else {
				wantKind(t, "who lost", err, api.KindPrecondition)
			}
		})
	}
	all.Wait()
	if left := d.left(); won != 1 || most != 1 || left != 0 {
		t.Errorf("%d won, %d were tried at once, %d rooms are left", won, most, left)
	}
}

// TestStepWaitsWithItsContext: who hangs up does not wait for others.
func TestStepWaitsWithItsContext(t *testing.T) {
	d := newDrama(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	d.runtime.do(func() { d.runtime.onTry = func(string) { close(inside); <-leave } })
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := d.step("promote one"); err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for what, wait := range map[string]func() error{
		"promote": func() error {
			_, err := d.Step(ctx, operator, "shop", api.Step{Kind: api.StepPromote, Digest: d.two}, api.Precondition{})
			return err
		},
		"delete": func() error { return d.DeletePolicy(ctx, operator, "shop", d.two) },
		"remove": func() error { return d.DeleteTenant(ctx, operator, "shop", api.Precondition{Match: "*"}) },
		"put": func() error {
			_, _, err := d.PutTenant(ctx, operator, "shop", spec.Spec{RewriteHost: true}, api.Precondition{Match: "*"})
			return err
		},
		"keys": func() error {
			_, err := d.PutKeys(ctx, operator, "shop", api.Keys{Keys: []api.Key{{Public: publicKey(t, "alice.pub")}}, RequireSignature: true}, api.Precondition{})
			return err
		},
		"token": func() error {
			_, err := d.CreateToken(ctx, operator, "shop", api.NewToken{Name: "x"})
			return err
		},
	} {
		others.Go(func() {
			if err := wait(); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	testnet.Eventually(t, "all seven wait", func() bool { return d.InRoom("shop") == 7 })
	cancel()
	others.Wait()
	close(leave)
	first.Wait()
	if n := d.left(); n != 0 {
		t.Errorf("%d rooms are left", n)
	}
}

// TestOtherProcessIsFaster: what it has made of the record while a step was
// tried has not been tried.
func TestOtherProcessIsFaster(t *testing.T) {
	d := newDrama(t)
	if _, err := d.step("canary one 10"); err != nil {
		t.Fatal(err)
	}
	d.runtime.do(func() {
		d.runtime.onTry = func(string) {
			_, err := d.store.Update(context.Background(), "shop", func(r *store.Tenant) (store.Entry, error) {
				r.Rollout.Canary = &spec.Release{Digest: d.two}
				r.RolloutRevision = r.Revision
				return store.Entry{Action: "elsewhere"}, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	_, err := d.step("promote")
	wantKind(t, "promote of another canary", err, api.KindPrecondition)
	r, err := d.Rollout(t.Context(), "shop")
	if err != nil || d.now(r) != "canary two 10" {
		t.Errorf("%s, %v", d.now(r), err)
	}
}

func TestVersionThatGoesWhileItIsTried(t *testing.T) {
	d := newDrama(t)
	d.runtime.do(func() {
		d.runtime.onTry = func(string) {
			_, err := d.store.Update(context.Background(), "shop", func(r *store.Tenant) (store.Entry, error) {
				r.Versions = r.Versions[1:]
				return store.Entry{Action: "elsewhere"}, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	_, err := d.step("promote one")
	wantKind(t, "promote", err, api.KindNotFound)
}

func TestGuardTakesTheCanaryBack(t *testing.T) {
	d := newDrama(t)
	for _, s := range []string{"promote one", "canary two 10"} {
		if _, err := d.step(s); err != nil {
			t.Fatal(err)
		}
	}
	why := "faults: 12.0 % of 1,240 answers\x1b against 0.1 % of 11,204"
	for range 2 { // the second finds nothing to do
		if err := d.Revert(t.Context(), "shop", d.two, why); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Revert(t.Context(), "shop", d.one, why); err != nil {
		t.Fatal(err)
	}
	r, err := d.Rollout(t.Context(), "shop")
	if err != nil || d.now(r) != "active one, verdict two true" || !strings.HasPrefix(r.Rollback.Reason, "faults: 12.0 %") || strings.Contains(r.Rollback.Reason, "\x1b") {
		t.Errorf("%s %+v, %v", d.now(r), r.Rollback, err)
	}
	if got := d.log("shop")[0]; !strings.HasPrefix(got, "guard rollout.revert canary: faults: 12.0 %") || !strings.HasPrefix(d.log("shop")[1], "olga rollout.canary 10 %") {
		t.Errorf("log %q", got)
	}
	if rec := d.runtime.record("shop"); rec.Rollout.Canary != nil {
		t.Error("the canary is still in force")
	}
}

// TestStepIsInForceWhateverTheCallerDoes: it is kept, so it holds.
func TestStepIsInForceWhateverTheCallerDoes(t *testing.T) {
	h := newHouseWith(t, func(s store.Store) store.Store { return &hangUp{Store: s} })
	h.create("shop", spec.Spec{})
	one := h.upload("shop", "one")
	ctx, cancel := context.WithCancel(t.Context())
	_, _ = h.Step(context.WithValue(ctx, hangUp{}, cancel), operator, "shop", api.Step{Kind: api.StepPromote, Digest: one}, api.Precondition{})
	if r := h.runtime.record("shop"); r == nil || r.Rollout.Active == nil {
		t.Errorf("in force: %+v", r)
	}
}

// hangUp cancels the caller's context as soon as a change is kept.
type hangUp struct{ store.Store }

func (s *hangUp) Update(ctx context.Context, name string, edit func(*store.Tenant) (store.Entry, error)) (*store.Tenant, error) {
	t, err := s.Store.Update(ctx, name, edit)
	if cancel, ok := ctx.Value(hangUp{}).(context.CancelFunc); ok {
		cancel()
	}
	return t, err
}

// Watch is nobody's, so that only the step itself can put it in force.
func (s *hangUp) Watch(func(string)) (stop func()) { return func() {} }

func TestDigestPrefixes(t *testing.T) {
	rec := &store.Tenant{Name: "shop"}
	for _, d := range []string{"aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb1"} {
		rec.Versions = append(rec.Versions, store.Version{Digest: d + strings.Repeat("0", 64-len(d))})
	}
	for _, c := range []struct{ prefix, want string }{
		{"aaaaaaaa1", ""}, {"AAAAAAAA2", ""}, {"bbbbbbbb", ""}, {rec.Versions[0].Digest, ""},
		{"aaaaaaaa", api.KindConflict}, {"cccccccc", api.KindNotFound}, {"bbbbbbb", api.KindInvalid},
		{"", api.KindInvalid}, {"bbbbbbbg", api.KindInvalid}, {strings.Repeat("b", 65), api.KindInvalid},
	} {
		v, err := control.FindVersion(rec, c.prefix)
		p := wantKind(t, c.prefix, err, c.want)
		if err == nil && !strings.HasPrefix(v.Digest, strings.ToLower(c.prefix)) {
			t.Errorf("%s stands for %s", c.prefix, v.Digest)
		}
		if c.want == api.KindConflict && (!strings.Contains(p.Detail, rec.Versions[0].Digest) || !strings.Contains(p.Detail, rec.Versions[1].Digest)) {
			t.Errorf("%s: it does not say which: %s", c.prefix, p.Detail)
		}
	}
}

func FuzzDigestPrefix(f *testing.F) {
	rec := &store.Tenant{Name: "shop", Versions: []store.Version{{Digest: strings.Repeat("0a", 32)}, {Digest: strings.Repeat("0a", 31) + "0b"}}}
	for _, s := range []string{"", "0a0a0a0a", strings.Repeat("0A", 32), "\xff", strings.Repeat("0", 9000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := control.FindVersion(rec, s)
		if err == nil && (len(s) < 8 || !strings.EqualFold(v.Digest[:len(s)], s)) {
			t.Errorf("%q stands for %s", s, v.Digest)
		}
		if err != nil && kind(err) == "?" {
			t.Errorf("%q: %v", s, err)
		}
	})
}
