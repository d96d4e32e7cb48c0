package app

import (
	"os"
	"testing"

	"idlehost/host/internal/api"
)

func TestUploadsAndStepsAreCounted(t *testing.T) {
	r := startMany(t, nil)
	r.create("a")
	wasm, err := os.ReadFile(learner(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	s := counted{r.control, r.metrics}
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
