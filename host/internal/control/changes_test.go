package control_test

import (
	"errors"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// TestATenantDoesNotFloodTheAuditLog: which is everybody's. What takes
// something back it may always do, and an operator may do anything.
func TestATenantDoesNotFloodTheAuditLog(t *testing.T) {
	h := newHouse(t)
	h.create("a", spec.Spec{})
	h.create("b", spec.Spec{})
	digest := h.upload("a", "module")
	ctx, a := t.Context(), api.Actor{Tenant: "a", Name: "token x (a)"}
	canary := func(who api.Actor, i int) error {
		_, err := h.Step(ctx, who, "a", api.Step{Kind: api.StepCanary, Digest: digest, Percent: float64(1 + i%99)}, api.Precondition{})
		return err
	}
	made := 0
	for i := range 5000 {
		err := canary(a, i)
		var p *api.Problem
		if errors.As(err, &p) && p.Type == api.TypePrefix+api.KindRate {
			if p.RetryAfter <= 0 || p.RetryAfter > 10*time.Second+1 {
				t.Errorf("try again in %s", p.RetryAfter)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		made++
	}
	if made < 1000 || made > 1010 {
		t.Fatalf("%d changes, want about 1000", made)
	}
	refused := func(what string, err error) {
		t.Helper()
		if p, ok := errors.AsType[*api.Problem](err); !ok || p.Type != api.TypePrefix+api.KindRate {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := h.CreateToken(ctx, a, "a", api.NewToken{Name: "more"})
	refused("a token", err)
	_, _, err = h.Upload(ctx, a, "a", api.Upload{Wasm: []byte("another")})
	refused("an upload", err)
	_, err = h.PutKeys(ctx, a, "a", api.Keys{Keys: []api.Key{{Public: publicKey(t, "alice.pub")}}}, api.Precondition{})
	refused("keys", err)
	if err := canary(operator, 50); err != nil {
		t.Errorf("an operator: %v", err)
	}
	if _, err := h.Step(ctx, a, "a", api.Step{Kind: api.StepRollback}, api.Precondition{}); err != nil {
		t.Errorf("a rollback: %v", err)
	}
	if _, err := h.CreateToken(ctx, api.Actor{Tenant: "b", Name: "token y (b)"}, "b", api.NewToken{Name: "n"}); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	h.pass(10 * time.Second)
	if err := canary(a, 1); err != nil {
		t.Errorf("ten seconds later: %v", err)
	}
	refused("twice", canary(a, 2))
	page, err := h.Audit(ctx, "", 0, 1)
	if err != nil || len(page.Items) != 1 || page.Items[0].Seq > uint64(made)+20 {
		t.Errorf("the log has come to %+v, %v", page.Items, err)
	}
}
