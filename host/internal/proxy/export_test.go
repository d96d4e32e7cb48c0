package proxy

import "crypto/tls"

// TLSConfig is what a listener with c uses.
func TLSConfig(c *Certificates) *tls.Config { return c.config("h2", "http/1.1") }

// Sniff, Sorry are internals under test.
var (
	Sniff = sniff
	Sorry = refusal
)

// One is the Router of a host with one tenant.
type One Tenant

// Route returns the tenant.
func (o One) Route(*Hello) (Tenant, error) { return Tenant(o), nil }
