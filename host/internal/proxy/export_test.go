package proxy

import "crypto/tls"

// TLSConfig is what a listener with c uses.
func TLSConfig(c *Certificates) *tls.Config { return c.config("h2", "http/1.1") }

// Sniff, Sorry are internals under test.
var (
	Sniff = sniff
	Sorry = refusal
)
