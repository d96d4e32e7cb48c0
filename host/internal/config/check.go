package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"idlehost/host/internal/tenant/spec"
)

// Check returns every problem of a completed configuration as Problems, or
// nil.
func (c *Config) Check() error {
	var ps Problems
	c.check(&ps)
	return ps.err()
}

// check also takes a configuration that is not complete: what Complete fills
// in may be missing.
func (c *Config) check(ps *Problems) {
	k := checker{c: c, problems: ps}
	k.listeners()
	k.targets("upstream.targets", c.Upstream.Targets)
	k.remedies("plugin", k.c.Plugin)
	k.routes()
	k.timeouts()
	k.numbers()
	k.admin()
	k.log()
	k.tenants()
	k.record()
}

type checker struct {
	c        *Config
	problems *Problems
}

func (k checker) bad(path, text, hint string) { k.problems.add(k.c.origin(path), path, text, hint) }

func (k checker) listeners() {
	names, addresses := map[string]bool{}, map[string]bool{}
	for i, l := range k.c.Listeners {
		path := Index("listener", i)
		k.address(path+".address", l.Address)
		if l.Name != "" && names[l.Name] {
			k.bad(path+".name", fmt.Sprintf("%q names another listener already", l.Name), "")
		}
		if l.Address != "" && addresses[l.Address] && !strings.HasSuffix(l.Address, ":0") {
			k.bad(path+".address", fmt.Sprintf("%s is listened on already", l.Address), "")
		}
		names[l.Name], addresses[l.Address] = true, true
		k.choice(path+".protocol", l.Protocol, "http", "tcp")
		k.owner(path, l)
		k.targets(path+".upstream", l.Upstream)
		k.networks(path+".proxy_from", l.ProxyFrom)
		k.fits(path, l)
		k.networks(path+".trusted_proxies", l.TrustedProxies)
		k.certificates(path+".tls", l.TLS)
	}
}

// owner checks how the tenants of a listener are told apart. One that is named
// may also be in the store, which is not looked into here.
func (k checker) owner(path string, l Listener) {
	k.choice(path+".tenant_by", l.TenantBy, "listener", "sni", "host", "destination")
	names := []string{k.c.Tenants.Default}
	for _, t := range k.c.Declared {
		names = append(names, t.Name)
	}
	if l.Tenant != "" && k.c.Store.Dir == "" && !slices.Contains(names, l.Tenant) {
		k.bad(path+".tenant", fmt.Sprintf("no tenant is called %q", l.Tenant), nearest(l.Tenant, names))
	}
	switch {
	case l.Tenant != "" && l.TenantBy != "" && l.TenantBy != "listener":
		k.bad(path+".tenant_by", fmt.Sprintf("every connection is %s's already", l.Tenant), "keep one of tenant and tenant_by")
	case l.TenantBy == "sni" && len(l.TLS) == 0:
		k.bad(path+".tenant_by", "a listener without TLS sees no server name", `use "host"`)
	case l.TenantBy == "host" && l.Protocol == "tcp":
		k.bad(path+".tenant_by", "a tcp listener sees no requests", "")
	case l.TenantBy == "destination" && len(l.ProxyFrom) == 0:
		k.bad(path+".tenant_by", "only the PROXY protocol names destinations", "set proxy_from")
	}
}

// fits checks that what the listener takes in can go where it sends it.
func (k checker) fits(path string, l Listener) {
	targets, where := l.Upstream, path+".upstream"
	if len(targets) == 0 {
		targets, where = k.c.Upstream.Targets, path+".protocol"
	}
	if l.Protocol == "tcp" && len(targets) == 0 {
		k.bad(where, "a tcp listener needs an upstream", `add upstream = ["tcp://host:port"]`)
	}
	for _, t := range targets {
		if isTCP := strings.HasPrefix(t, "tcp://"); isTCP != (l.Protocol == "tcp") {
			want := "an http, https or h2c target"
			if l.Protocol == "tcp" {
				want = "a tcp target"
			}
			k.bad(where, fmt.Sprintf("the listener needs %s, %s is not", want, t), `a listener's own targets go into its key "upstream"`)
		}
	}
}

func (k checker) address(path, address string) {
	if address == "" {
		k.bad(path, "is missing", `write host:port, such as "127.0.0.1:8080" or ":8080"`)
		return
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		k.bad(path, fmt.Sprintf("%q is not host:port", address), `such as "127.0.0.1:8080" or ":8080"`)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		k.bad(path, fmt.Sprintf("%q is not a port", port), "a port is a number up to 65535")
	}
}

func (k checker) targets(path string, targets []string) {
	for i, t := range targets {
		if text, hint := spec.CheckUpstream(t); text != "" {
			k.bad(Index(path, i), text, hint)
		}
	}
}

func (k checker) networks(path string, networks []string) {
	for i, n := range networks {
		if _, err := netip.ParsePrefix(n); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(n); err != nil {
			k.bad(Index(path, i), fmt.Sprintf("%q is neither an address nor a network", n), `such as "10.0.0.0/8"`)
		}
	}
}

func (k checker) certificates(path string, pairs []Certificate) {
	for i, p := range pairs {
		if p.Cert == "" {
			k.bad(Index(path, i)+".cert", "is missing", "name the PEM file of the certificate chain")
		}
		if p.Key == "" {
			k.bad(Index(path, i)+".key", "is missing", "name the PEM file of the private key")
		}
	}
}

func (k checker) choice(path, value string, choices ...string) {
	if value == "" || slices.Contains(choices, value) {
		return
	}
	hint := nearest(value, choices)
	if hint == "" {
		hint = "choose from " + strings.Join(choices, ", ")
	}
	k.bad(path, fmt.Sprintf("unknown value %q", value), hint)
}
