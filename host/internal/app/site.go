package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"idlehost/host/internal/config"
	"idlehost/host/internal/demo"
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/host/internal/proxy/upstream"
)

// groups are the upstreams by what they were made from, so that a reload
// which changes nothing keeps their pools.
type groups map[string]*upstream.Group

// group returns the group of a target list, from old if it is there.
func (a *App) group(c *config.Config, targets []string, old, now groups) (*upstream.Group, error) {
	u := c.Upstream
	key := fmt.Sprint(strings.Join(targets, " "), "|", u.DialTimeout, "|", u.CA, "|", u.Insecure)
	g := now[key]
	if g == nil && u.CA == "" { // a CA file may have changed
		g = old[key]
	}
	if g == nil {
		trust, err := trust(c)
		if err != nil {
			return nil, err
		}
		g, err = upstream.New(upstream.Config{
			Governor: a.governor, Account: a.dialled, Targets: targets, TLS: trust, DialTimeout: u.DialTimeout.D(),
		})
		if err != nil {
			return nil, c.Problem("upstream.targets", err.Error(), "")
		}
	}
	now[key] = g
	return g, nil
}

// trust returns whom https targets are believed to be; nil: whom the system
// trusts.
func trust(c *config.Config) (*tls.Config, error) {
	u := c.Upstream
	if u.CA == "" && !u.Insecure {
		return nil, nil
	}
	t := &tls.Config{InsecureSkipVerify: u.Insecure}
	if u.CA != "" {
		pem, err := os.ReadFile(u.CA)
		if err != nil {
			return nil, c.Problem("upstream.ca", err.Error(), "")
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, c.Problem("upstream.ca", u.CA+" holds no certificate in PEM form", "")
		}
	}
	return t, nil
}

// targets returns where a listener sends what it takes in; none: the demo.
func targets(c *config.Config, l config.Listener) []string {
	if len(l.Upstream) > 0 {
		return l.Upstream
	}
	return c.Upstream.Targets
}

// site returns what serves a listener's requests.
func (a *App) site(c *config.Config, l config.Listener, old, now groups) (*httpproxy.Site, error) {
	s := &httpproxy.Site{RewriteHost: c.Upstream.RewriteHost}
	for _, r := range c.Routes {
		s.Routes = append(s.Routes, httpproxy.Route{Prefix: r.Prefix, Class: uint16(r.Class)})
	}
	for _, n := range l.TrustedProxies {
		if p, err := netip.ParsePrefix(n); err == nil {
			s.Trusted = append(s.Trusted, p.Masked())
		} else if ip, err := netip.ParseAddr(n); err == nil {
			s.Trusted = append(s.Trusted, netip.PrefixFrom(ip, ip.BitLen()))
		}
	}
	list := targets(c, l)
	if len(list) == 0 {
		s.Local = demo.New()
		return s, nil
	}
	var err error
	s.Upstream, err = a.group(c, list, old, now)
	return s, err
}
