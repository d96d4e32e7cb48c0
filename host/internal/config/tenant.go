package config

import (
	"fmt"
	"strings"

	"idlehost/host/internal/tenant/spec"
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
	// Plugin is its policy. Without one, it may upload its own.
	Plugin Plugin `toml:"plugin,omitempty"`
	spec.Spec
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
		normal, problems := spec.Normalize(t.Spec)
		for _, p := range problems {
			// The key is a singular, as in the other sections.
			k.bad(path+"."+strings.Replace(p.Field, "upstreams", "upstream", 1), p.Text, p.Hint)
		}
		for j, h := range normal.Hosts {
			if who, taken := hosts[h]; h != "" && taken && who != t.Name {
				k.bad(Index(path+".hosts", j), fmt.Sprintf("%s belongs to %s already", h, who), "")
			}
			hosts[h] = t.Name
		}
		k.remedies(path+".plugin", t.Plugin)
	}
}

// name holds a tenant's name to what a metric label, a file name, a URL and a
// DNS label take.
func (k checker) name(path, name string) {
	if problem := spec.CheckName(name); problem != "" {
		k.bad(path, problem, spec.NameHint)
	}
}
