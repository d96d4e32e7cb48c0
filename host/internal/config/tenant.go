package config

import (
	"fmt"
	"strings"
)

// Tenants says how tenants are told apart.
type Tenants struct {
	// Default is the name of the tenant that [upstream], [plugin], [timeouts]
	// and [limits] speak of. They are the start of every other's.
	Default string `toml:"default"`
	// Unknown is who gets a connection that names no tenant, or one that there
	// is not: "default" or "refuse".
	Unknown string `toml:"unknown"`
	// RestAfter is how long nobody asks a policy before its instance is let
	// go; what it has learned is kept.
	RestAfter Duration `toml:"rest_after"`
}

// Store is where tenants, policies and rollouts are kept.
type Store struct {
	// Dir is a directory, made where there is none. Empty: nothing is kept,
	// and the admin API changes nothing.
	Dir string `toml:"dir,omitempty"`
	// MaxBytes is what Dir and the recordings of tenants may take together. 0:
	// what the disk has.
	MaxBytes Size `toml:"max_bytes"`
	// TenantBytes is what a tenant may have of that, unless it has a limit of
	// its own. 0: any.
	TenantBytes Size `toml:"tenant_bytes"`
	// ReserveBytes are left free on the disk for small records: uploads and
	// recordings end before.
	ReserveBytes Size `toml:"reserve_bytes"`
}

// Tenant is a tenant that the operator declares.
type Tenant struct {
	Name string `toml:"name"`
	// Hosts are its names: "a.example", or "*.example" for every name below.
	Hosts []string `toml:"hosts,omitempty"`
	// Destinations are addresses that the PROXY protocol names.
	Destinations []string `toml:"destinations,omitempty"`
	// Upstream replaces the targets of [upstream].
	Upstream    []string `toml:"upstream,omitempty"`
	RewriteHost bool     `toml:"rewrite_host,omitempty"`
	// Isolate is "shared", or "own": its policies run in a worker process that no
	// other tenant's are in. Empty: "shared".
	Isolate string `toml:"isolate,omitempty"`
	// Plugin is its policy. Without one, it may upload its own.
	Plugin Plugin       `toml:"plugin,omitempty"`
	Limits TenantLimits `toml:"limits,omitempty"`
	Guard  Guard        `toml:"guard,omitempty"`
}

// IsolateOwn is the Isolate of a tenant with a worker process of its own.
const IsolateOwn = "own"

// TenantLimits bound a tenant. 0: the host's own value.
type TenantLimits struct {
	// Connections is how many accepted connections it may have open,
	// ClientConnections how many of them a client.
	Connections       int `toml:"connections,omitempty"`
	ClientConnections int `toml:"client_connections,omitempty"`
	// FuelPerSecond is what its policies may use, in units of fuel.
	FuelPerSecond int64 `toml:"fuel_per_second,omitempty"`
	// CPU is the processor time that its policies may use in a second, in worker
	// processes.
	CPU Duration `toml:"cpu,omitempty"`
	// MemoryPages is a policy's memory in pages of 64 KiB.
	MemoryPages int `toml:"memory_pages,omitempty"`
	// LogRate and LogBurst are lines about connections per second, and at once.
	LogRate  int `toml:"log_rate,omitempty"`
	LogBurst int `toml:"log_burst,omitempty"`
	// Floor and Ceiling bound the deadlines of its policy.
	Floor   Duration `toml:"floor,omitempty"`
	Ceiling Duration `toml:"ceiling,omitempty"`
	// StoreBytes is what it may have on the disk.
	StoreBytes Size `toml:"store_bytes,omitempty"`
}

// Guard says by how much a canary may be worse than the active version, in
// parts of one, before it is taken back. 0: 0.02; negative: by any amount.
type Guard struct {
	Faults       float64 `toml:"faults,omitempty"`
	EarlyCloses  float64 `toml:"early_closes,omitempty"`
	LateRequests float64 `toml:"late_requests,omitempty"`
	// MinSamples is how much it must have seen before that counts. 0: 100.
	MinSamples int `toml:"min_samples,omitempty"`
}

// Many reports whether there may be other tenants than the default one.
func (c *Config) Many() bool { return len(c.Declared) > 0 || c.Store.Dir != "" }

// tenantBy is how a listener that does not say so knows its tenants.
func (c *Config) tenantBy(l Listener) string {
	switch {
	case l.TenantBy != "":
		return l.TenantBy
	case l.Tenant != "" || !c.Many() || l.Protocol == "tcp":
		return "listener"
	case len(l.TLS) > 0:
		return "sni"
	}
	return "host"
}

// tenants checks names, and what may be said of each tenant.
func (k checker) tenants() {
	k.name("tenants.default", k.c.Tenants.Default)
	k.choice("tenants.unknown", k.c.Tenants.Unknown, "default", "refuse")
	names := map[string]string{k.c.Tenants.Default: "the default tenant"}
	hosts := map[string]string{}
	for i, t := range k.c.Declared {
		path := Index("tenant", i)
		k.name(path+".name", t.Name)
		if who := names[t.Name]; who != "" {
			k.bad(path+".name", fmt.Sprintf("%q names %s already", t.Name, who), "")
		}
		names[t.Name] = "another tenant"
		for j, h := range t.Hosts {
			at := Index(path+".hosts", j)
			if text := checkHost(h); text != "" {
				k.bad(at, text, `such as "a.example" or "*.a.example"`)
			} else if who, taken := hosts[h]; taken {
				k.bad(at, fmt.Sprintf("%s belongs to %s already", h, who), "")
			}
			hosts[h] = t.Name
		}
		k.destinations(path+".destinations", t.Destinations)
		k.targets(path+".upstream", t.Upstream)
		k.remedies(path+".plugin", t.Plugin)
		k.choice(path+".isolate", t.Isolate, IsolateOwn, "shared")
		k.tenantLimits(path+".limits", t.Limits)
		k.guard(path+".guard", t.Guard)
	}
}

func (k checker) guard(path string, g Guard) {
	if g.MinSamples < 0 {
		k.bad(path+".min_samples", fmt.Sprintf("%d is negative", g.MinSamples), "")
	}
	for _, m := range []struct {
		key string
		v   float64
	}{{"faults", g.Faults}, {"early_closes", g.EarlyCloses}, {"late_requests", g.LateRequests}} {
		if !(m.v >= -1 && m.v <= 1) { // NaN is neither
			k.bad(path+"."+m.key, fmt.Sprintf("%v is not from -1 to 1", m.v), "a margin in parts of one: 0.02 is two in a hundred")
		}
	}
}

// MaxName is the length of the longest name of a tenant.
const MaxName = 63

// name holds a tenant's name to what a metric label, a file name, a URL and a
// DNS label take.
func (k checker) name(path, name string) {
	rest := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-")
	if name == "" || len(name) > MaxName || rest != "" || name[0] == '-' || name[len(name)-1] == '-' {
		k.bad(path, fmt.Sprintf("%q is not a name", name),
			fmt.Sprintf("up to %d of a-z, 0-9 and -, not - at either end", MaxName))
	}
}

// checkHost says in words what is wrong with a host name, or "".
func checkHost(h string) string {
	name := strings.TrimPrefix(h, "*.")
	if name == "" || len(name) > 253 {
		return fmt.Sprintf("%q is not a host name", h)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Sprintf("%q is not a host name in lower case", h)
		}
	}
	return ""
}

func (k checker) tenantLimits(path string, l TenantLimits) {
	for _, n := range []struct {
		key string
		v   int64
	}{
		{"connections", int64(l.Connections)}, {"client_connections", int64(l.ClientConnections)},
		{"fuel_per_second", l.FuelPerSecond}, {"memory_pages", int64(l.MemoryPages)},
		{"log_rate", int64(l.LogRate)}, {"log_burst", int64(l.LogBurst)},
	} {
		if n.v < 0 {
			k.bad(path+"."+n.key, fmt.Sprintf("%d is negative", n.v), "")
		}
	}
	if l.Ceiling > 0 && l.Floor > l.Ceiling {
		k.bad(path+".floor", fmt.Sprintf("floor %s is above the ceiling %s", l.Floor, l.Ceiling), "")
	}
}
