package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"idlehost/host/internal/policy"
)

// Remedies returns what answers where the policy cannot, by cause.
func (p Plugin) Remedies() policy.Remedies {
	r := policy.DefaultRemedies()
	for cause, name := range p.OnFault {
		fault, known := policy.ParseFault(cause)
		remedy, ok := policy.ParseRemedy(name)
		if known && ok {
			r[fault] = remedy
		}
	}
	return r
}

// Optional reports whether the host is to serve where the policy does not load.
func (p Plugin) Optional() bool { return p.OnLoadFailure == "native" }

func (k checker) remedies(plugin string, p Plugin) {
	if p.OnLoadFailure != "" {
		k.choice(plugin+".on_load_failure", p.OnLoadFailure, "error", "native")
	}
	for _, cause := range slices.Sorted(maps.Keys(p.OnFault)) {
		path := plugin + ".on_fault." + cause
		if _, ok := policy.ParseFault(cause); !ok {
			hint := nearest(cause, policy.FaultNames())
			if hint == "" {
				hint = "known: " + strings.Join(policy.FaultNames(), ", ")
			}
			k.bad(path, fmt.Sprintf("%q is no cause of a fault", cause), hint)
		}
		k.choice(path, p.OnFault[cause], policy.RemedyNames()...)
	}
}
