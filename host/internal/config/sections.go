package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

func (k checker) routes() {
	seen := map[string]bool{}
	for i, r := range k.c.Routes {
		path := Index("route", i)
		if !strings.HasPrefix(r.Prefix, "/") {
			k.bad(path+".prefix", fmt.Sprintf("%q does not begin with /", r.Prefix), "")
		}
		if seen[r.Prefix] {
			k.bad(path+".prefix", fmt.Sprintf("%q has a class already", r.Prefix), "")
		}
		seen[r.Prefix] = true
		if r.Class < 1 || r.Class > MaxClass {
			k.bad(path+".class", fmt.Sprintf("%d is not from 1 to %d", r.Class, MaxClass), "requests without a route have class 0")
		}
	}
}

func (k checker) timeouts() {
	t := k.c.Timeouts
	if t.Ceiling > 0 && t.Floor > t.Ceiling {
		k.bad("timeouts.floor", fmt.Sprintf("floor %s is above the ceiling %s", t.Floor, t.Ceiling), "")
	}
	if t.Header > 0 && t.HeaderIdle > t.Header {
		k.bad("timeouts.header_idle", fmt.Sprintf("a pause of %s does not fit into header = %q", t.HeaderIdle, t.Header), "")
	}
	if k.c.Upstream.DialTimeout == 0 {
		k.bad("upstream.dial_timeout", "must be above 0", "")
	}
	if k.c.Drain.Timeout == 0 {
		k.bad("drain.timeout", "must be above 0", "")
	}
}

func (k checker) numbers() {
	c := k.c
	for _, n := range []struct {
		path string
		v    int64
	}{
		{"timeouts.body_min_rate", c.Timeouts.BodyMinRate},
		{"timeouts.write_min_rate", c.Timeouts.WriteMinRate},
		{"limits.connections", int64(c.Limits.Connections)},
		{"limits.tenant_connections", int64(c.Limits.TenantConnections)},
		{"worker.processes", int64(c.Worker.Processes)},
		{"log.rate", int64(c.Log.Rate)},
		{"log.burst", int64(c.Log.Burst)},
	} {
		if n.v < 0 {
			k.bad(n.path, strconv.FormatInt(n.v, 10)+" is negative", "")
		}
	}
	// A record is about 250 bytes: the largest table is 4 GB.
	if c.Limits.Clients < 1 || c.Limits.Clients > 1<<24 {
		k.bad("limits.clients", fmt.Sprintf("%d is not from 1 to %d", c.Limits.Clients, 1<<24), "")
	}
}

func (k checker) admin() {
	a := k.c.Admin
	if a.Address == Off {
		return
	}
	k.address("admin.address", a.Address)
	if a.TokenEnv != "" && a.TokenFile != "" {
		k.bad("admin.token_file", "token_env names the token already", "keep one of the two")
	}
	if a.Open && !a.Guarded() && a.Address != "" && !Loopback(a.Address) {
		k.bad("admin.address", fmt.Sprintf("%s is not a loopback address, and no token protects it", a.Address),
			"set token_env or token_file in [admin], or listen on 127.0.0.1")
	}
	if (a.TLSCert == "") != (a.TLSKey == "") {
		k.bad("admin.tls_cert", "tls_cert and tls_key belong together", "")
	}
	k.clients()
}

// Guarded reports whether the configuration names somebody who may come in.
func (a Admin) Guarded() bool {
	return a.TokenEnv != "" || a.TokenFile != "" || a.ClientCA != "" && len(a.Clients) > 0
}

func (k checker) clients() {
	a := k.c.Admin
	if a.ClientCA != "" && a.TLSCert == "" {
		k.bad("admin.client_ca", "clients' certificates need TLS", "set tls_cert and tls_key")
	}
	seen := map[string]bool{}
	for i, c := range a.Clients {
		path := Index("admin.client", i)
		if c.Name == "" {
			k.bad(path+".name", "is missing", "the common name of the certificate")
		}
		if seen[c.Name] {
			k.bad(path+".name", fmt.Sprintf("%q is named already", c.Name), "")
		}
		seen[c.Name] = true
		if a.ClientCA == "" {
			k.bad(path, "nobody's certificates are trusted", "set client_ca")
		}
	}
}

// Loopback reports whether only this machine reaches host:port.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (k checker) log() {
	k.choice("log.format", k.c.Log.Format, "text", "json")
	k.choice("log.level", k.c.Log.Level, "debug", "info", "warn", "error")
}
