package app

import (
	"errors"
	"os"
	"testing"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
)

// TestTenantsPay for what they ask of the API: a step, and every upload, also of
// what the host has. Operators do not, and rolling back is never refused.
func TestTenantsPay(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	wasm, err := os.ReadFile(learner(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	s := v1.Metered(r.control, account{r.hosting})
	tenant, quota := api.Actor{Tenant: "a", Name: "token"}, r.tenants.get("a").quota
	upload := func() *api.Policy {
		t.Helper()
		release, err := s.MayUpload(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		p, _, err := s.Upload(t.Context(), tenant, "a", api.Upload{Wasm: wasm})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	digest := upload().Digest
	step := func(who api.Actor) error {
		_, err := s.Step(t.Context(), who, "a", api.Step{Kind: api.StepPromote, Digest: digest}, api.Precondition{})
		return err
	}
	if err := step(operator); err != nil {
		t.Fatal(err)
	}
	quota.Charge(quota.LoadSaved() - 100*time.Millisecond) // of which the check has used some
	const earns = 400                                      // a second earns 2.5 ms
	begun := time.Now()
	for n := time.Duration(0); quota.RetryAfter() == 0; n++ {
		upload()
		had := 100*time.Millisecond + time.Since(begun)/earns
		if n > 1+had/v1.PriceOfUpload {
			t.Fatalf("%d uploads cost less than %v", n, had)
		}
	}
	quota.Charge(time.Second) // which is not earned back while the test goes on
	if err := step(operator); err != nil {
		t.Errorf("an operator has to pay: %v", err)
	}
	rate := func(what string, err error) {
		t.Helper()
		var p *api.Problem
		if !errors.As(err, &p) || p.Type != api.TypePrefix+api.KindRate || p.RetryAfter <= 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = s.MayUpload(t.Context(), "a")
	rate("an upload", err)
	rate("a promotion", step(tenant))
	_, err = s.Step(t.Context(), tenant, "a", api.Step{Kind: api.StepCanary, Percent: 5}, api.Precondition{})
	rate("a canary", err)
	_, err = s.Step(t.Context(), tenant, "a", api.Step{Kind: api.StepShadow}, api.Precondition{})
	rate("a shadow", err)

	before := quota.RetryAfter()
	if _, err := s.Step(t.Context(), tenant, "a", api.Step{Kind: api.StepRollback}, api.Precondition{}); err != nil {
		t.Errorf("a rollback: %v", err)
	}
	if quota.RetryAfter() <= before {
		t.Error("a rollback costs nothing")
	}
}

func TestUploadsAndStepsAreCounted(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	wasm, err := os.ReadFile(learner(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	s := v1.Metered(r.control, account{r.hosting})
	upload := func(wasm []byte) string {
		release, err := s.MayUpload(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		p, _, err := s.Upload(t.Context(), operator, "a", api.Upload{Name: "p", Wasm: wasm})
		if err != nil {
			return ""
		}
		return p.Digest
	}
	digest := upload(wasm)
	upload(wasm)
	if upload([]byte("no policy")) != "" {
		t.Error("taken")
	}
	if _, err := s.MayUpload(t.Context(), "nobody"); err == nil {
		t.Error("nobody may upload")
	}
	if _, err := s.Step(t.Context(), operator, "a", api.Step{Kind: api.StepPromote, Digest: digest}, api.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Step(t.Context(), operator, "a", api.Step{Kind: api.StepCanary, Digest: "00000000", Percent: 1}, api.Precondition{}); err == nil {
		t.Error("a canary that there is not")
	}
	wants(t, r.metricsText(),
		`host_policy_uploads_total{outcome="created"} 1`, `host_policy_uploads_total{outcome="known"} 1`,
		`host_policy_uploads_total{outcome="refused"} 1`, `host_policy_uploads_total{outcome="error"} 1`,
		`host_rollout_steps_total{step="promote"} 1`, `host_rollout_steps_total{step="canary"} 0`)
}
