package app

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"idlehost/host/internal/config"
)

// trust returns whom https targets are believed to be; nil: whom the system
// trusts.
func trust(c *config.Config) (*tls.Config, error) {
	u := c.Upstream
	if u.CA == "" && !u.Insecure {
		return nil, nil
	}
	t := &tls.Config{InsecureSkipVerify: u.Insecure}
	var err error
	t.RootCAs, err = authorities(c, "upstream.ca", u.CA)
	return t, err
}

// authorities reads a file of certificates; nil: none is named.
func authorities(c *config.Config, key, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, c.Problem(key, err.Error(), "")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, c.Problem(key, file+" holds no certificate in PEM form", "")
	}
	return pool, nil
}
