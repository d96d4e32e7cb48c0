package admin

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"

	"idlehost/host/internal/api"
)

// Client is the bearer of a certificate.
type Client struct {
	// Name is the common name of the certificate, or one of its DNS, e-mail or
	// URI names; whole, without wildcards.
	Name string
	// Tenant is the only one that it may look after; empty: it is an operator.
	Tenant string
}

// certificates knows the bearers of certificates.
type certificates struct {
	authorities *x509.CertPool // nil: there are none
	clients     []Client
}

// bearer finds whom a connection's certificate belongs to. The certificate is
// verified again at each request: connections last, and meanwhile it may have
// expired, or a reload may have taken its authority away.
func (c certificates) bearer(state *tls.ConnectionState) (api.Actor, bool) {
	if c.authorities == nil || state == nil || len(state.PeerCertificates) == 0 {
		return api.Actor{}, false
	}
	leaf, between := state.PeerCertificates[0], x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: c.authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return api.Actor{}, false
	}
	for _, who := range c.clients { // the first that fits
		if names(leaf, who.Name) {
			return api.Actor{Operator: who.Tenant == "", Tenant: who.Tenant, Name: "certificate " + who.Name}, true
		}
	}
	return api.Actor{}, false
}

// names reports whether a certificate is for that name.
func names(cert *x509.Certificate, name string) bool {
	if cert.Subject.CommonName == name || slices.Contains(cert.EmailAddresses, name) {
		return true
	}
	for _, u := range cert.URIs {
		if u.String() == name {
			return true
		}
	}
	return slices.ContainsFunc(cert.DNSNames, func(s string) bool { return strings.EqualFold(s, name) })
}
