package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// target is one server.
type target struct {
	url       *url.URL // scheme http, https or tcp; host with a port
	h2c       bool
	address   string // host:port to dial
	transport *http.Transport
	upgrades  *http.Transport // of an https target, for what HTTP/2 cannot do
}

// via returns the transport that a request needs.
func (t *target) via(r *http.Request) *http.Transport {
	if r.Header["Upgrade"] == nil {
		return t.transport
	}
	if t.h2c { // no upgrade over HTTP/2 (RFC 9113 section 8.6); a server may always decline one
		delete(r.Header, "Upgrade")
		delete(r.Header, "Connection")
	}
	if t.upgrades != nil {
		return t.upgrades
	}
	return t.transport
}

// parseTarget reads http://, https://, h2c:// and tcp:// URLs.
func parseTarget(s string) (*target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	t := &target{url: u}
	port := ""
	switch u.Scheme {
	case "h2c":
		t.h2c, u.Scheme, port = true, "http", "80"
	case "http":
		port = "80"
	case "https":
		port = "443"
	case "tcp":
		if u.Path != "" && u.Path != "/" {
			return nil, errors.New("a tcp target has no path")
		}
		if u.Port() == "" {
			return nil, errors.New("a tcp target needs a port")
		}
	case "":
		return nil, errors.New("scheme is missing: want http, https, h2c or tcp")
	default:
		return nil, fmt.Errorf("scheme %q: want http, https, h2c or tcp", u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return nil, errors.New("host is missing")
	case u.User != nil:
		return nil, errors.New("user and password are not supported")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("query and fragment are not supported")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	t.address = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// String names the target in logs.
func (t *target) String() string {
	if t.h2c {
		return "h2c://" + t.url.Host
	}
	return t.url.Scheme + "://" + t.url.Host
}

// aim points u at the target; asked is the URL as the client sent it. The path
// is passed on as it was escaped: what %2F means is the upstream's affair.
func (t *target) aim(u, asked *url.URL) {
	u.Scheme, u.Host = t.url.Scheme, t.url.Host
	if t.url.Path == "" || t.url.Path == "/" || asked.Path == "*" {
		u.Path, u.RawPath = asked.Path, asked.RawPath
		return
	}
	u.Path = joinPath(t.url.Path, asked.Path)
	u.RawPath = joinPath(t.url.EscapedPath(), asked.EscapedPath())
}

func joinPath(base, path string) string {
	return strings.TrimSuffix(base, "/") + "/" + strings.TrimPrefix(path, "/")
}
