package control_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
)

func TestHosts(t *testing.T) {
	label63, long := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a"
	for in, want := range map[string]string{
		"a.example": "a.example", "A.Example": "a.example", "a.example.": "a.example", "*.a.example": "*.a.example",
		"localhost": "localhost", "192.0.2.1": "192.0.2.1", "xn--bcher-kva.example": "xn--bcher-kva.example", "_a.b-c": "_a.b-c",
		label63 + ".b": label63 + ".b", long: long,
		"": "", ".": "", "*": "", "*.": "", "a..b": "", ".a": "", "a.*.b": "", "*a.b": "", "**.b": "", "*.*.b": "", "-a.b": "", "a-.b": "",
		"a b": "", "a:80": "", "http://a": "", "bücher.example": "", "\u212a.example": "", "a\x00": "", "[::1]": "", label63 + "a.b": "", long + "a": "", "a/b": "",
	} {
		got, err := control.ReadHost(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestDestinations(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:443": "192.0.2.1:443", "192.0.2.9/24": "192.0.2.0/24", "2001:DB8::1": "2001:db8::1",
		"[2001:db8::1]:1": "[2001:db8::1]:1", "2001:db8::/32": "2001:db8::/32", "::ffff:192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1:5",
		"": "", "a": "", "192.0.2.1:0": "", "192.0.2.1:70000": "", "fe80::1%eth0": "", "[fe80::1%eth0]:1": "", "192.0.2.1/33": "", "192.0.2.256": "", "::ffff:0:0/96": "",
	} {
		got, err := control.ReadDestination(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestUpstreams(t *testing.T) {
	for in, ok := range map[string]bool{
		"http://127.0.0.1:3000": true, "https://a.example": true, "https://a.example/base": true, "h2c://a:1": true, "tcp://a:1": true, "http://[::1]:80": true,
		"": false, "a": false, "//a": false, "ftp://a": false, "http://": false, "http://a:0": false, "http://a:99999": false, "http://a:b": false,
		"http://u:p@a": false, "http://a?b": false, "http://a?": false, "http://a#b": false, "tcp://a": false, "tcp://a:1/x": false,
		"http://a\n": false, "http://" + strings.Repeat("a", 1024): false,
	} {
		got, err := control.ReadUpstream(in)
		if (err == nil) != ok || ok && got != in {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestBadSpecs(t *testing.T) {
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("h%d.example", i))
		}
		return list
	}
	for field, s := range map[string]api.Spec{
		"spec.hosts":                     {Hosts: many(101)},
		"spec.hosts[1]":                  {Hosts: []string{"a.example", "A.example."}},
		"spec.hosts[2]":                  {Hosts: []string{"a", "b", "?"}},
		"spec.destinations[0]":           {Destinations: []string{"x"}},
		"spec.destinations[1]":           {Destinations: []string{"192.0.2.1/24", "192.0.2.0/24"}},
		"spec.upstreams[0]":              {Upstreams: []string{"x"}},
		"spec.upstreams":                 {Upstreams: many(33)},
		"spec.limits.connections":        {Limits: api.Limits{Connections: -1}},
		"spec.limits.client_connections": {Limits: api.Limits{ClientConnections: -1}},
		"spec.limits.fuel_per_second":    {Limits: api.Limits{FuelPerSecond: math.MinInt64}},
		"spec.limits.memory_pages":       {Limits: api.Limits{MemoryPages: 65537}},
		"spec.limits.log_rate":           {Limits: api.Limits{LogRate: -1}},
		"spec.limits.log_burst":          {Limits: api.Limits{LogBurst: -1}},
		"spec.limits.floor":              {Limits: api.Limits{Floor: 2, Ceiling: 1}},
		"spec.limits.store_bytes":        {Limits: api.Limits{StoreBytes: -1}},
		"spec.limits.ceiling":            {Limits: api.Limits{Ceiling: -1}},
		"spec.guard.faults":              {Guard: api.Guard{Faults: math.NaN()}},
		"spec.guard.early_closes":        {Guard: api.Guard{EarlyCloses: 1.5}},
		"spec.guard.late_requests":       {Guard: api.Guard{LateReturns: math.Inf(-1)}},
		"spec.guard.min_samples":         {Guard: api.Guard{MinSamples: -1}},
	} {
		_, err := control.ReadSpec(s)
		if p := wantKind(t, field, err, api.KindInvalid); p.Field != field || !strings.HasPrefix(p.Detail, field) {
			t.Errorf("%s: field %q, %s", field, p.Field, p.Detail)
		}
	}
	if _, err := control.ReadSpec(api.Spec{Hosts: many(100), Limits: api.Limits{Floor: 2}}); err != nil {
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

func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.example", "*.A.", "xn--", "\u212a", "*", "-", strings.Repeat("a.", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := control.ReadHost(s)
		if err != nil {
			if host != "" || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%q: %q, %q", s, host, err)
			}
			return
		}
		if again, err := control.ReadHost(host); err != nil || again != host {
			t.Errorf("%q is %q is %q, %v", s, host, again, err)
		}
		if strings.Trim(strings.TrimPrefix(host, "*."), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || len(host) > 255 {
			t.Errorf("%q is %q", s, host)
		}
	})
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

func FuzzTargets(f *testing.F) {
	for _, s := range []string{"http://a", "tcp://a:1", "192.0.2.1/8", "[::1]:1", "http://[::1%25a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := control.ReadDestination(s); err == nil {
			if again, err := control.ReadDestination(d); err != nil || again != d {
				t.Errorf("%q is %q is %q, %v", s, d, again, err)
			}
		}
		if _, err := control.ReadUpstream(s); err != nil && strings.ContainsAny(err.Error(), "\x1b\n\x00") {
			t.Errorf("%q: %q", s, err)
		}
	})
}
