package config

import (
	"strings"
	"testing"

	"idlehost/host/internal/policy"
)

func TestRemediesByCause(t *testing.T) {
	c, err := Parse("host.toml", []byte("[plugin.on_fault]\ntrap = \"previous\"\nrate = \"default\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Remedies{policy.FaultTrap: policy.RemedyPrevious}
	if got := c.Plugin.Remedies(); got != want {
		t.Fatalf("remedies %v, want %v", got, want)
	}
	if got := (Plugin{}).Remedies(); got != policy.DefaultRemedies() {
		t.Fatalf("remedies of no section %v, want %v", got, policy.DefaultRemedies())
	}
}

func TestRemediesThatMakeNoSense(t *testing.T) {
	_, err := Parse("host.toml", []byte("[plugin.on_fault]\ntrep = \"previous\"\ntrap = \"close\"\n"))
	for _, want := range []string{
		`host.toml:2: plugin.on_fault.trep: "trep" is no cause of a fault`,
		`host.toml:3: plugin.on_fault.trap: unknown value "close"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
