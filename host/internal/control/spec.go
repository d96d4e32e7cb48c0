package control

import (
	"strings"
	"time"

	"idlehost/host/internal/tenant/spec"
)

// Bounds of what a Spec of the API lists: a record is read with every request of
// its tenant.
const (
	maxHosts        = 100
	maxDestinations = 100
	maxUpstreams    = 32
)

// readSpec checks a Spec and brings names and addresses into the one form that
// they are compared in.
func readSpec(in spec.Spec) (spec.Spec, error) {
	for _, l := range []struct {
		field       string
		items, most int
	}{
		{"spec.hosts", len(in.Hosts), maxHosts}, {"spec.destinations", len(in.Destinations), maxDestinations},
		{"spec.upstreams", len(in.Upstreams), maxUpstreams},
	} {
		if l.items > l.most {
			return in, invalid(l.field, "%s has %d items, at most %d", l.field, l.items, l.most)
		}
	}
	out, problems := spec.Normalize(in)
	for _, p := range problems {
		field := "spec." + p.Field
		return out, invalid(field, "%s: %s", field, strings.TrimSuffix(p.Text+": "+p.Hint, ": "))
	}
	return out, nil
}

// seconds rounds up, as Retry-After has it.
func seconds(d time.Duration) int { return int((max(d, 0) + time.Second - 1) / time.Second) }

// lower is ASCII's: Unicode has letters whose lower case is ASCII.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
