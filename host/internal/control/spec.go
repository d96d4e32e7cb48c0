package control

import (
	"fmt"
	"strings"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// Bounds of what a Spec lists.
const (
	maxHosts        = 100
	maxDestinations = 100
	maxUpstreams    = 32
)

// What Spec.Isolate says.
const (
	isolateOwn    = "own"
	isolateShared = "shared"
)

// readSpec checks a Spec and brings names and addresses into the one form that
// they are compared in.
func readSpec(in api.Spec) (out store.Spec, err error) {
	out.RewriteHost, out.Own = in.RewriteHost, in.Isolate == isolateOwn
	if in.Isolate != "" && in.Isolate != isolateOwn && in.Isolate != isolateShared {
		return out, invalid("spec.isolate", "spec.isolate: %q is neither %s nor %s", in.Isolate, isolateOwn, isolateShared)
	}
	if out.Hosts, err = readList("spec.hosts", in.Hosts, maxHosts, readHost); err != nil {
		return out, err
	}
	if out.Destinations, err = readList("spec.destinations", in.Destinations, maxDestinations, readDestination); err != nil {
		return out, err
	}
	if out.Upstreams, err = readList("spec.upstreams", in.Upstreams, maxUpstreams, readUpstream); err != nil {
		return out, err
	}
	if out.Limits, err = readLimits(in.Limits); err != nil {
		return out, err
	}
	out.Guard, err = readGuard(in.Guard)
	return out, err
}

// readList reads each item; none may come twice. Of no items it makes nil.
func readList(field string, in []string, limit int, read func(string) (string, error)) (out []string, err error) {
	if len(in) > limit {
		return nil, invalid(field, "%s has %d items, at most %d", field, len(in), limit)
	}
	seen := map[string]bool{}
	for i, text := range in {
		at := fmt.Sprintf("%s[%d]", field, i)
		item, err := read(text)
		if err != nil {
			return nil, invalid(at, "%s: %s", at, err)
		}
		if seen[item] {
			return nil, invalid(at, "%s: %s is there twice", at, item)
		}
		seen[item] = true
		out = append(out, item)
	}
	return out, nil
}

func readLimits(in api.Limits) (out store.Limits, err error) {
	for _, n := range []struct {
		key string
		v   int64
	}{
		{"connections", int64(in.Connections)}, {"client_connections", int64(in.ClientConnections)},
		{"fuel_per_second", in.FuelPerSecond}, {"memory_pages", int64(in.MemoryPages)},
		{"log_rate", int64(in.LogRate)}, {"log_burst", int64(in.LogBurst)},
		{"cpu", int64(in.CPU)}, {"floor", int64(in.Floor)}, {"ceiling", int64(in.Ceiling)}, {"store_bytes", in.StoreBytes},
	} {
		if n.v < 0 {
			return out, invalid("spec.limits."+n.key, "spec.limits.%s is negative", n.key)
		}
	}
	if in.MemoryPages > maxMemoryPages {
		return out, invalid("spec.limits.memory_pages", "spec.limits.memory_pages: %d is more than WebAssembly has, %d", in.MemoryPages, maxMemoryPages)
	}
	floor, ceiling := time.Duration(in.Floor), time.Duration(in.Ceiling)
	if ceiling > 0 && floor > ceiling {
		return out, invalid("spec.limits.floor", "spec.limits.floor: %s is above the ceiling, %s", floor, ceiling)
	}
	return store.Limits{
		Connections: in.Connections, ClientConnections: in.ClientConnections,
		FuelPerSecond: in.FuelPerSecond, CPU: time.Duration(in.CPU), MemoryPages: in.MemoryPages,
		LogRate: in.LogRate, LogBurst: in.LogBurst, Floor: floor, Ceiling: ceiling,
		StoreBytes: in.StoreBytes,
	}, nil
}

// maxMemoryPages is what a 32-bit memory can have.
const maxMemoryPages = 1 << 16

func readGuard(in api.Guard) (out store.Guard, err error) {
	for _, m := range []struct {
		key string
		v   float64
	}{{"faults", in.Faults}, {"early_closes", in.EarlyCloses}, {"late_requests", in.LateReturns}} {
		if !(m.v >= -1 && m.v <= 1) { // NaN is neither
			return out, invalid("spec.guard."+m.key, "spec.guard.%s: %v is not from -1 to 1: a margin in parts of one", m.key, m.v)
		}
	}
	if in.MinSamples < 0 {
		return out, invalid("spec.guard.min_samples", "spec.guard.min_samples is negative")
	}
	return store.Guard(in), nil
}

// showSpec is the inverse of readSpec.
func showSpec(t *store.Tenant) api.Spec {
	l := t.Spec.Limits
	isolate := ""
	if t.Spec.Own {
		isolate = isolateOwn
	}
	return api.Spec{
		Hosts: t.Spec.Hosts, Destinations: t.Spec.Destinations, Upstreams: t.Spec.Upstreams, RewriteHost: t.Spec.RewriteHost,
		Isolate: isolate,
		Limits: api.Limits{
			Connections: l.Connections, ClientConnections: l.ClientConnections,
			FuelPerSecond: l.FuelPerSecond, CPU: api.Duration(l.CPU), MemoryPages: l.MemoryPages,
			LogRate: l.LogRate, LogBurst: l.LogBurst,
			Floor: api.Duration(l.Floor), Ceiling: api.Duration(l.Ceiling), StoreBytes: l.StoreBytes,
		},
		Guard: api.Guard(t.Spec.Guard), RequireSignature: t.RequireSignature,
	}
}

// seconds rounds up, as Retry-After has it.
func seconds(d time.Duration) int { return int((max(d, 0) + time.Second - 1) / time.Second) }

// readHost reads the name of a host: a DNS name, or "*." before one. It may be
// an address too, since requests name those as well.
func readHost(text string) (string, error) {
	host := strings.TrimSuffix(lower(text), ".")
	name := strings.TrimPrefix(host, "*.")
	if len(name) > 253 {
		return "", fmt.Errorf("%d bytes are too long for a host name, at most 253", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if problem := checkLabel(label); problem != "" {
			return "", fmt.Errorf("%q is no host name such as a.example or *.a.example: %s", clean(text, 80), problem)
		}
	}
	return host, nil
}

// checkLabel says what is wrong with a part of a host name. The underscore is
// no letter of DNS host names, but names with it are in use.
func checkLabel(label string) string {
	switch {
	case label == "":
		return "a label is empty"
	case len(label) > 63:
		return "a label is longer than 63"
	case label == "*":
		return "only the whole first label may be *"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a label begins or ends with -"
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return "it is not in ASCII: write an internationalised name as xn--"
		default:
			return "it has more than letters, digits and -"
		}
	}
	return ""
}

// lower is ASCII's: Unicode has letters whose lower case is ASCII.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
