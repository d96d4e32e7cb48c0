package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"idlehost/host/internal/proxy/upstream/h1"
)

// target is one server.
type target struct {
	url      *url.URL // scheme http, https or tcp; host with a port
	h2c      bool
	address  string          // host:port to dial
	h1       *h1.Client      // of http and https
	upgrades *h1.Client      // of https, for what HTTP/2 cannot do
	h2       *http.Transport // of h2c and https

	// speaksH2 is what an https server has chosen last.
	speaksH2 atomic.Bool
	handover handover
}

// via returns the client that a request needs; nil: HTTP/2's transport.
func (t *target) via(r *http.Request) *h1.Client {
	upgrade := r.Header["Upgrade"] != nil
	switch {
	case upgrade && t.h2c: // no upgrade over HTTP/2 (RFC 9113 section 8.6); a server may always decline one
		delete(r.Header, "Upgrade")
		delete(r.Header, "Connection")
		return nil
	case upgrade && t.upgrades != nil:
		return t.upgrades
	case t.h2c || t.speaksH2.Load():
		return nil
	}
	return t.h1
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
