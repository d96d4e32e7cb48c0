package control_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/tenant/spec"
)

func TestBadSpecs(t *testing.T) {
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("h%d.example", i))
		}
		return list
	}
	for field, s := range map[string]spec.Spec{
		"spec.hosts":                     {Hosts: many(101)},
		"spec.hosts[1]":                  {Hosts: []string{"a.example", "A.example."}},
		"spec.hosts[2]":                  {Hosts: []string{"a", "b", "?"}},
		"spec.destinations[0]":           {Destinations: []string{"x"}},
		"spec.destinations[1]":           {Destinations: []string{"192.0.2.1/24", "192.0.2.0/24"}},
		"spec.upstreams[0]":              {Upstreams: []string{"x"}},
		"spec.upstreams":                 {Upstreams: many(33)},
		"spec.limits.connections":        {Limits: spec.Limits{Connections: -1}},
		"spec.limits.client_connections": {Limits: spec.Limits{ClientConnections: -1}},
		"spec.limits.fuel_per_second":    {Limits: spec.Limits{FuelPerSecond: math.MinInt64}},
		"spec.limits.memory_pages":       {Limits: spec.Limits{MemoryPages: 65537}},
		"spec.limits.log_rate":           {Limits: spec.Limits{LogRate: -1}},
		"spec.limits.log_burst":          {Limits: spec.Limits{LogBurst: -1}},
		"spec.limits.floor":              {Limits: spec.Limits{Floor: 2, Ceiling: 1}},
		"spec.limits.store_bytes":        {Limits: spec.Limits{StoreBytes: -1}},
		"spec.limits.ceiling":            {Limits: spec.Limits{Ceiling: -1}},
		"spec.guard.faults":              {Guard: spec.Guard{Faults: math.NaN()}},
		"spec.guard.early_closes":        {Guard: spec.Guard{EarlyCloses: 1.5}},
		"spec.guard.late_requests":       {Guard: spec.Guard{LateRequests: math.Inf(-1)}},
		"spec.guard.min_samples":         {Guard: spec.Guard{MinSamples: -1}},
	} {
		_, err := control.ReadSpec(s)
		if p := wantKind(t, field, err, api.KindInvalid); p.Field != field || !strings.HasPrefix(p.Detail, field) {
			t.Errorf("%s: field %q, %s", field, p.Field, p.Detail)
		}
	}
	if _, err := control.ReadSpec(spec.Spec{Hosts: many(100), Limits: spec.Limits{Floor: 2}}); err != nil {
		t.Error(err)
	}
}

func TestPreconditions(t *testing.T) {
	const tag = `"r7"`
	for match, want := range map[string]string{
		tag: "", `"a", "r7"`: "", `"a","b" , ` + tag: "", "*": "", " * ": "", `,, "r7",`: "", `"a,b", "r7"`: "",
		`"a"`: api.KindPrecondition, `W/"r7"`: api.KindPrecondition, `"r7 "`: api.KindInvalid, `"R7"`: api.KindPrecondition,
		"r7": api.KindInvalid, `"r7`: api.KindInvalid, `"r7" "r7"`: api.KindInvalid, `"r7"x`: api.KindInvalid, " ": api.KindInvalid, ",": api.KindInvalid,
		`*, "r7"`: api.KindInvalid, `w/"r7"`: api.KindInvalid, `"r7", x`: api.KindInvalid,
	} {
		wantKind(t, match, control.CheckPre(api.Precondition{Match: match}, tag, true), want)
	}
	wantKind(t, "* of nothing", control.CheckPre(api.Precondition{Match: "*"}, "", false), api.KindPrecondition)
	wantKind(t, "absent", control.CheckPre(api.Precondition{Absent: true}, "", false), "")
	wantKind(t, "there", control.CheckPre(api.Precondition{Absent: true}, tag, true), api.KindPrecondition)
	wantKind(t, "nothing said", control.CheckPre(api.Precondition{}, tag, true), "")
}

func FuzzPrecondition(f *testing.F) {
	for _, s := range []string{"*", `"r7"`, `W/"r7", "x"`, `"`, "W/", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k := kind(control.CheckPre(api.Precondition{Match: s}, `"r7"`, true))
		if !slices.Contains([]string{"", api.KindPrecondition, api.KindInvalid}, k) {
			t.Errorf("%q: %s", s, k)
		}
		if k == "" && s != "" && !strings.Contains(s, `"r7"`) && strings.Trim(s, " \t") != "*" {
			t.Errorf("%q matches", s)
		}
	})
}
