package control_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/tenant/spec"
)

func TestTenantIsCreatedAndShown(t *testing.T) {
	h := newHouse(t)
	spec := spec.Spec{
		Hosts: []string{"Shop.Example.", "*.shop.example"}, Destinations: []string{"::ffff:192.0.2.1", "192.0.2.77/24"},
		Upstreams: []string{"http://127.0.0.1:3000"}, RewriteHost: true,
		Limits: spec.Limits{Connections: 7, Floor: spec.Duration(time.Second)}, Guard: spec.Guard{Faults: -1}, RequireSignature: true,
	}
	got := h.create("shop", spec)
	want := spec
	want.Hosts = []string{"shop.example", "*.shop.example"}
	want.Destinations = []string{"192.0.2.1", "192.0.2.0/24"}
	if !reflect.DeepEqual(got.Spec, want) || got.Name != "shop" || got.Declared || got.Open != 3 || got.ETag == "" || got.Created.IsZero() {
		t.Errorf("created %+v", got)
	}
	again, err := h.Tenant(t.Context(), "shop")
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("shown %+v, %v", again, err)
	}
	if r := h.runtime.record("shop"); r == nil || !slices.Equal(r.Spec.Hosts, want.Hosts) {
		t.Errorf("in force when the answer came: %+v", r)
	}
	if got := h.log("shop"); !slices.Equal(got, []string{"olga tenant.create shop.example *.shop.example"}) {
		t.Errorf("log %q", got)
	}
}

func TestPutTenantPreconditions(t *testing.T) {
	h := newHouse(t)
	tag := h.create("shop", spec.Spec{}).ETag
	for _, c := range []struct {
		what, name string
		pre        api.Precondition
		want       string
	}{
		{"replace, nothing said", "shop", api.Precondition{}, api.KindPreconditionNeed},
		{"replace, must be absent", "shop", api.Precondition{Absent: true}, api.KindPrecondition},
		{"replace, old tag", "shop", api.Precondition{Match: `"s99999"`}, api.KindPrecondition},
		{"replace, weak tag", "shop", api.Precondition{Match: "W/" + tag}, api.KindPrecondition},
		{"replace, rubbish", "shop", api.Precondition{Match: "x"}, api.KindInvalid},
		{"replace, right tag, must be absent", "shop", api.Precondition{Match: tag, Absent: true}, api.KindPrecondition},
		{"replace, right tag", "shop", api.Precondition{Match: `"a", ` + tag}, ""},
		{"replace, any", "shop", api.Precondition{Match: "*"}, ""},
		{"create, any", "new", api.Precondition{Match: "*"}, api.KindPrecondition},
		{"create, a tag", "new", api.Precondition{Match: tag}, api.KindPrecondition},
		{"create, nothing said", "new", api.Precondition{}, ""},
		{"create, bad name", "New", api.Precondition{}, api.KindInvalid},
		{"create, path", "../x", api.Precondition{}, api.KindInvalid},
		{"create, declared", "default", api.Precondition{}, api.KindDeclared},
		{"replace, declared", "default", api.Precondition{Match: "*"}, api.KindDeclared},
	} {
		_, _, err := h.PutTenant(t.Context(), operator, c.name, spec.Spec{}, c.pre)
		wantKind(t, c.what, err, c.want)
	}
	h.runtime.do(func() { h.runtime.declared = nil })
	_, _, err := h.PutTenant(t.Context(), operator, "default", spec.Spec{}, api.Precondition{})
	wantKind(t, "create default, which is not declared", err, api.KindDeclared)
}

func TestSameSpecChangesNothing(t *testing.T) {
	h := newHouse(t)
	first := h.create("shop", spec.Spec{Hosts: []string{"a.example"}})
	same, created, err := h.PutTenant(t.Context(), operator, "shop", spec.Spec{Hosts: []string{"A.example"}}, api.Precondition{Match: first.ETag})
	if err != nil || created || !reflect.DeepEqual(same, first) {
		t.Errorf("%+v, created %t, %v; want %+v", same, created, err, first)
	}
	other, _, err := h.PutTenant(t.Context(), operator, "shop",
		spec.Spec{Hosts: []string{"a.example"}, Limits: spec.Limits{LogRate: 1}, RequireSignature: true}, api.Precondition{Match: first.ETag})
	if err != nil || other.ETag == first.ETag || !other.Changed.After(first.Changed) || !other.Created.Equal(first.Created) {
		t.Errorf("%+v, %v", other, err)
	}
	want := []string{"olga tenant.change limits require_signature", "olga tenant.create a.example"}
	if got := h.log("shop"); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	if r := h.runtime.record("shop"); r.Spec.Limits.LogRate != 1 {
		t.Errorf("in force: %+v", r.Spec)
	}
}

// TestOneOfTwoWins: who has seen the same and changes it at once does not
// overwrite.
func TestOneOfTwoWins(t *testing.T) {
	h := newHouse(t)
	tag := h.create("shop", spec.Spec{}).ETag
	const people = 8
	errs := make([]error, people)
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			_, _, errs[i] = h.PutTenant(t.Context(), operator, "shop",
				spec.Spec{Limits: spec.Limits{Connections: i + 1}}, api.Precondition{Match: tag})
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantKind(t, "who lost", err, api.KindPrecondition)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d won", won, people)
	}
	if n := h.left(); n != 0 {
		t.Errorf("%d rooms are left", n)
	}
}

// TestOneOfTwoIsCreated: the same name, and the same host, given away at once.
func TestOneOfTwoIsCreated(t *testing.T) {
	for _, c := range []struct{ what, name string }{{"name", "same"}, {"host", "a%d"}} {
		h := newHouse(t)
		var mu sync.Mutex
		created, all := 0, sync.WaitGroup{}
		for i := range 8 {
			name := c.name
			if strings.Contains(name, "%") {
				name = fmt.Sprintf(name, i)
			}
			all.Go(func() {
				_, ok, err := h.PutTenant(t.Context(), operator, name, spec.Spec{Hosts: []string{"same.example"}}, api.Precondition{Absent: true})
				if k := kind(err); k != "" && k != api.KindPrecondition && k != api.KindConflict {
					t.Errorf("%s: %v", c.what, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					created++
				}
			})
		}
		all.Wait()
		if created != 1 {
			t.Errorf("same %s: %d were created", c.what, created)
		}
	}
}

func TestSpecThatContradictsAnother(t *testing.T) {
	h := newHouse(t)
	h.create("a", spec.Spec{Hosts: []string{"a.example"}})
	_, _, err := h.PutTenant(t.Context(), operator, "b", spec.Spec{Hosts: []string{"b.example", "a.example"}}, api.Precondition{})
	if p := wantKind(t, "a host of another", err, api.KindConflict); p.Field != "spec.hosts[1]" {
		t.Errorf("field %q", p.Field)
	}
	_, err = h.Tenant(t.Context(), "b")
	wantKind(t, "what was refused", err, api.KindNotFound)
	h.create("b", spec.Spec{Hosts: []string{"b.example"}}) // the claim is gone
}

func TestTenantIsDeleted(t *testing.T) {
	h := newHouse(t)
	tag := h.create("shop", spec.Spec{}).ETag
	h.upload("shop", "one")
	token, err := h.CreateToken(t.Context(), operator, "shop", api.NewToken{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "nothing said", h.DeleteTenant(t.Context(), operator, "shop", api.Precondition{}), api.KindPreconditionNeed)
	wantKind(t, "old tag", h.DeleteTenant(t.Context(), operator, "shop", api.Precondition{Match: `"s99999"`}), api.KindPrecondition)
	wantKind(t, "absent", h.DeleteTenant(t.Context(), operator, "shop", api.Precondition{Absent: true}), api.KindPrecondition)
	wantKind(t, "declared", h.DeleteTenant(t.Context(), operator, "default", api.Precondition{Match: "*"}), api.KindDeclared)
	wantKind(t, "unknown", h.DeleteTenant(t.Context(), operator, "nobody", api.Precondition{Match: "*"}), api.KindNotFound)
	if err := h.DeleteTenant(t.Context(), operator, "shop", api.Precondition{Match: tag}); err != nil {
		t.Fatal(err)
	}
	if h.runtime.record("shop") != nil || !slices.Contains(h.runtime.removed, "shop") {
		t.Error("it is still in force")
	}
	_, err = h.Authenticate(t.Context(), token.Secret)
	wantKind(t, "its token", err, api.KindUnauthorized)
	wantKind(t, "again", h.DeleteTenant(t.Context(), operator, "shop", api.Precondition{Match: tag}), api.KindNotFound)

	// Who gets the name next has nothing of what was.
	if again := h.create("shop", spec.Spec{}); again.ETag == tag || again.Active != "" {
		t.Errorf("made again: %+v", again)
	}
	if list, err := h.Policies(t.Context(), "shop"); err != nil || len(list) != 0 {
		t.Errorf("policies %v, %v", list, err)
	}
	if got := h.log("shop"); !slices.Equal(got, []string{"olga tenant.create "}) {
		t.Errorf("log %q", got)
	}
	if all := h.log(""); len(all) != 5 {
		t.Errorf("the whole log has %q", all)
	}
}

func TestTenantsAreListed(t *testing.T) {
	h := newHouse(t)
	h.runtime.do(func() {
		h.runtime.declared = []api.Tenant{{Name: "default"}, {Name: "b"}, {Name: "gone"}}
	})
	for _, name := range []string{"c", "a", "e"} {
		h.create(name, spec.Spec{})
	}
	h.upload("b", "one") // makes a record
	h.upload("gone", "one")
	h.runtime.do(func() { h.runtime.declared = h.runtime.declared[:2] })
	var got []string
	for after, n := "", 0; n < 10; n++ {
		page, err := h.Tenants(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.Items {
			got = append(got, x.Name)
		}
		if after = page.Next; after == "" {
			break
		}
		got = append(got, "|")
	}
	if s := strings.Join(got, " "); s != "a b | c default | e" {
		t.Errorf("pages %s", s)
	}
	_, err := h.Tenants(t.Context(), "", -1)
	wantKind(t, "limit -1", err, api.KindInvalid)
}

func TestDeclaredTenantIsReadOnly(t *testing.T) {
	h := newHouse(t)
	digest := strings.Repeat("ab", 32)
	h.runtime.do(func() {
		h.runtime.declared = append(h.runtime.declared,
			api.Tenant{Name: "file", Spec: spec.Spec{Hosts: []string{"file.example"}}, Active: digest}, api.Tenant{Name: "free"})
		h.runtime.fixed["file"] = true
	})
	got, err := h.Tenant(t.Context(), "file")
	if err != nil || !got.Declared || got.Active != digest || !slices.Equal(got.Spec.Hosts, []string{"file.example"}) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = h.MayUpload(t.Context(), "file")
	wantKind(t, "may upload", err, api.KindDeclared)
	_, _, err = h.Upload(t.Context(), operator, "file", api.Upload{Wasm: []byte("x")})
	wantKind(t, "upload", err, api.KindDeclared)
	_, err = h.Step(t.Context(), operator, "file", api.Step{Kind: api.StepPromote}, api.Precondition{})
	wantKind(t, "promote", err, api.KindDeclared)
	if r, err := h.Rollout(t.Context(), "file"); err != nil || r.Active == nil || r.Active.Digest != digest {
		t.Errorf("rollout %+v, %v", r, err)
	}

	// One without a policy in the file brings its own.
	one := h.upload("free", "one")
	r, err := h.Step(t.Context(), operator, "free", api.Step{Kind: api.StepPromote, Digest: one}, api.Precondition{Match: `"r0"`})
	if err != nil || r.Active.Digest != one {
		t.Fatalf("%+v, %v", r, err)
	}
	if rec := h.runtime.record("free"); rec == nil || !rec.Declared || rec.Rollout.Active.Digest != one {
		t.Errorf("in force: %+v", rec)
	}
	// Until the file names one.
	h.runtime.do(func() { h.runtime.fixed["free"], h.runtime.declared[2].Active = true, digest })
	if x, err := h.Policy(t.Context(), "free", one); err != nil || x.State != api.StateRetired {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestTenantThatTheFileForgets: it is gone, and who is made under its name has
// nothing of it.
func TestTenantThatTheFileForgets(t *testing.T) {
	h := newHouse(t)
	h.runtime.do(func() { h.runtime.declared = append(h.runtime.declared, api.Tenant{Name: "file"}) })
	one := h.upload("file", "one")
	token, err := h.CreateToken(t.Context(), operator, "file", api.NewToken{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Authenticate(t.Context(), token.Secret); err != nil {
		t.Fatal(err)
	}
	forget := func(yes bool) {
		h.runtime.do(func() { h.runtime.declared = h.runtime.declared[:1] })
		if !yes {
			h.runtime.do(func() { h.runtime.declared = append(h.runtime.declared, api.Tenant{Name: "file"}) })
		}
		if err := h.Sync(t.Context(), "file"); err != nil {
			t.Fatal(err)
		}
	}
	forget(true)
	_, err = h.Policies(t.Context(), "file")
	wantKind(t, "its policies", err, api.KindNotFound)
	_, err = h.Authenticate(t.Context(), token.Secret)
	wantKind(t, "its token", err, api.KindUnauthorized)
	if h.runtime.record("file") != nil {
		t.Error("it is in force")
	}
	forget(false)
	if list, err := h.Policies(t.Context(), "file"); err != nil || len(list) != 1 || list[0].Digest != one {
		t.Errorf("back in the file: %+v, %v", list, err)
	}
	forget(true)
	h.create("file", spec.Spec{})
	if list, err := h.Policies(t.Context(), "file"); err != nil || len(list) != 0 {
		t.Errorf("made anew: %+v, %v", list, err)
	}
	_, err = h.Authenticate(t.Context(), token.Secret)
	wantKind(t, "the token of who had the name before", err, api.KindUnauthorized)
}

func TestWithoutAStore(t *testing.T) {
	rt := newRuntime()
	rt.declared = append(rt.declared, api.Tenant{Name: "file"})
	c := control.New(control.Config{Runtime: rt})
	defer c.Close()
	ctx := t.Context()
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	page, err := c.Tenants(ctx, "", 0)
	if err != nil || len(page.Items) != 2 {
		t.Errorf("%+v, %v", page, err)
	}
	for what, err := range map[string]error{
		"tokens":   func() error { _, err := c.Tokens(ctx, "file"); return err }(),
		"keys":     func() error { _, err := c.Keys(ctx, "file"); return err }(),
		"policies": func() error { _, err := c.Policies(ctx, "file"); return err }(),
		"rollout":  func() error { _, err := c.Rollout(ctx, "file"); return err }(),
		"audit":    func() error { _, err := c.Audit(ctx, "", 0, 0); return err }(),
		"limits":   func() error { _, err := c.Limits(ctx, "file"); return err }(),
	} {
		wantKind(t, what, err, "")
	}
	for what, err := range map[string]error{
		"put": func() error {
			_, _, err := c.PutTenant(ctx, operator, "a", spec.Spec{}, api.Precondition{})
			return err
		}(),
		"delete": c.DeleteTenant(ctx, operator, "file", api.Precondition{Match: "*"}),
		"upload": func() error { _, err := c.MayUpload(ctx, "file"); return err }(),
		"promote": func() error {
			_, err := c.Step(ctx, operator, "file", api.Step{Kind: api.StepPromote}, api.Precondition{})
			return err
		}(),
		"token":   func() error { _, err := c.CreateToken(ctx, operator, "", api.NewToken{Name: "x"}); return err }(),
		"revoke":  c.RevokeToken(ctx, operator, "", "aaaaaaaaaa"),
		"putkeys": func() error { _, err := c.PutKeys(ctx, operator, "file", api.Keys{}, api.Precondition{}); return err }(),
		"rm":      c.DeletePolicy(ctx, operator, "file", "00000000"),
	} {
		wantKind(t, what, err, api.KindNoStore)
	}
	_, err = c.Authenticate(ctx, "idh_x_y")
	wantKind(t, "authenticate", err, api.KindUnauthorized)
}

// TestUnknownTenants: what is in a path may be anything.
func TestUnknownTenants(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for _, name := range []string{"", "nobody", "A", "../default", "a\x00b", strings.Repeat("a", 100), "ä"} {
		for what, err := range map[string]error{
			"tenant":     func() error { _, err := h.Tenant(ctx, name); return err }(),
			"limits":     func() error { _, err := h.Limits(ctx, name); return err }(),
			"keys":       func() error { _, err := h.Keys(ctx, name); return err }(),
			"put keys":   func() error { _, err := h.PutKeys(ctx, operator, name, api.Keys{}, api.Precondition{}); return err }(),
			"may upload": func() error { _, err := h.MayUpload(ctx, name); return err }(),
			"upload":     func() error { _, _, err := h.Upload(ctx, operator, name, api.Upload{Wasm: []byte("x")}); return err }(),
			"policies":   func() error { _, err := h.Policies(ctx, name); return err }(),
			"policy":     func() error { _, err := h.Policy(ctx, name, "00000000"); return err }(),
			"module":     func() error { _, _, err := h.Module(ctx, name, "00000000"); return err }(),
			"rm":         h.DeletePolicy(ctx, operator, name, "00000000"),
			"rollout":    func() error { _, err := h.Rollout(ctx, name); return err }(),
			"rollback": func() error {
				_, err := h.Step(ctx, operator, name, api.Step{Kind: api.StepRollback}, api.Precondition{})
				return err
			}(),
			"connections": func() error { _, err := h.Connections(ctx, name, api.ConnectionQuery{}); return err }(),
			"decisions":   h.Decisions(ctx, name, nil),
			"delete":      h.DeleteTenant(ctx, operator, name, api.Precondition{Match: "*"}),
			"revert":      h.Revert(ctx, name, "x", "y"),
		} {
			wantKind(t, what+" of "+name, err, api.KindNotFound)
		}
	}
}

func TestStoreThatIsClosed(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := h.Tenant(t.Context(), "shop")
	if p := wantKind(t, "read", err, api.KindBusy); p.RetryAfter <= 0 {
		t.Error("it does not say when to try again")
	}
}

// TestChangeThatCannotBePutInForce: it is kept, and the caller hears of it.
func TestChangeThatCannotBePutInForce(t *testing.T) {
	h := newHouse(t)
	broken := errors.New("no more memory")
	h.runtime.do(func() { h.runtime.failing = broken })
	_, _, err := h.PutTenant(t.Context(), operator, "shop", spec.Spec{}, api.Precondition{})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "is kept") {
		t.Errorf("%v", err)
	}
	if _, err := h.store.Tenant(t.Context(), "shop"); err != nil {
		t.Error(err)
	}
	// Who repeats it when that is over has it in force.
	h.runtime.do(func() { h.runtime.failing = nil })
	if _, _, err := h.PutTenant(t.Context(), operator, "shop", spec.Spec{}, api.Precondition{Match: "*"}); err != nil || h.runtime.record("shop") == nil {
		t.Errorf("repeated: %v", err)
	}
	one := h.upload("shop", "one")
	h.runtime.do(func() { h.runtime.failing = broken })
	promote := func() error {
		_, err := h.Step(t.Context(), operator, "shop", api.Step{Kind: api.StepPromote, Digest: one}, api.Precondition{})
		return err
	}
	if err := promote(); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	h.runtime.do(func() { h.runtime.failing = nil })
	if err := promote(); err != nil || h.runtime.record("shop").Rollout.Active == nil {
		t.Errorf("repeated: %v", err)
	}
}
