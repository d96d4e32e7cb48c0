package app

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
	"idlehost/host/internal/tenant/spec"
)

// TestConfigurationAndAPIAgree: what the file may say of a tenant, the API takes
// too, and the other way round.
func TestConfigurationAndAPIAgree(t *testing.T) {
	r := startMany(t, nil)
	n := 0
	both := func(toml string, s spec.Spec) (byFile, byAPI bool) {
		n++
		_, err := config.Parse("f.toml", []byte("[[tenant]]\nname = \"a\"\n"+toml))
		_, _, apiErr := r.control.PutTenant(t.Context(), operator, fmt.Sprintf("t%d", n), s, api.Precondition{Absent: true})
		var p *api.Problem
		if apiErr != nil && (!errors.As(apiErr, &p) || p.Type != api.TypePrefix+api.KindInvalid) {
			t.Fatalf("%s: %v", toml, apiErr)
		}
		return err == nil, apiErr == nil
	}
	agree := func(toml string, s spec.Spec, want bool) {
		t.Helper()
		if byFile, byAPI := both(toml, s); byFile != want || byAPI != want {
			t.Errorf("%s: the file takes it: %v, the API takes it: %v, want %v", toml, byFile, byAPI, want)
		}
	}
	for host, want := range map[string]bool{
		"a.example": true, "*.b.example": true, "C.example.": true, "_d.e-f": true, "192.0.2.1": true,
		"-a.example": false, "a-.example": false, "": false, "*": false, "a.*.b": false, "a..b": false, "a b": false,
		"a:80": false, strings.Repeat("a", 64) + ".b": false,
	} {
		agree(fmt.Sprintf("hosts = [%q]", host), spec.Spec{Hosts: []string{host}}, want)
	}
	for d, want := range map[string]bool{
		"192.0.2.2": true, "192.0.2.3:443": true, "198.51.100.0/24": true, "192.0.2.4:0": false, "fe80::1%eth0": false, "x": false,
	} {
		agree(fmt.Sprintf("destinations = [%q]", d), spec.Spec{Destinations: []string{d}}, want)
	}
	for u, want := range map[string]bool{
		"http://u.example": true, "tcp://u:1": true, "http://u:0": false, "http://u?": false, "http://u:p@u": false, "u": false, "tcp://u": false,
	} {
		agree(fmt.Sprintf("upstream = [%q]", u), spec.Spec{Upstreams: []string{u}}, want)
	}
	for _, c := range []struct {
		toml string
		spec spec.Spec
		want bool
	}{
		{`isolate = "own"`, spec.Spec{Isolate: "own"}, true}, {`isolate = "alone"`, spec.Spec{Isolate: "alone"}, false},
		{"limits.memory_pages = 65536", spec.Spec{Limits: spec.Limits{MemoryPages: 65536}}, true},
		{"limits.memory_pages = 65537", spec.Spec{Limits: spec.Limits{MemoryPages: 65537}}, false},
		{"limits.log_rate = -1", spec.Spec{Limits: spec.Limits{LogRate: -1}}, false},
		{`limits.cpu = "-1s"`, spec.Spec{Limits: spec.Limits{CPU: -1}}, false},
		{"limits.floor = \"2s\"\nlimits.ceiling = \"1s\"", spec.Spec{Limits: spec.Limits{Floor: 2, Ceiling: 1}}, false},
		{"guard.faults = -1", spec.Spec{Guard: spec.Guard{Faults: -1}}, true}, {"guard.faults = 1.5", spec.Spec{Guard: spec.Guard{Faults: 1.5}}, false},
		{"guard.min_samples = -1", spec.Spec{Guard: spec.Guard{MinSamples: -1}}, false},
	} {
		agree(c.toml, c.spec, c.want)
	}
}
