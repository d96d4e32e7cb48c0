// Package client calls the admin API of a host (package api) over HTTP: a
// method a route. It trusts neither the network nor the server: answers are
// bounded, the token goes to the configured server only and never in clear
// text to another machine, unless that is asked for.
package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// DefaultServer is where a host serves its API if nothing else is configured.
const DefaultServer = "http://127.0.0.1:9900"

// Config says which server, and who calls. The zero value calls DefaultServer
// without a token.
type Config struct {
	// Server is the URL of the host's admin listener; empty: DefaultServer.
	Server string
	// Token is a bearer token; empty: none is sent.
	Token string
	// CA names a PEM file with the certificates to trust; empty: the system's.
	CA string
	// Cert and Key name the PEM files of a client certificate, both or neither.
	Cert, Key string
	// Insecure lets the token go over http:// to other machines.
	Insecure bool
	// HTTP sends the requests; nil: a client made from the above. One that is
	// given brings its own trust, and excludes CA, Cert and Key. Its
	// CheckRedirect and Timeout are not used.
	HTTP *http.Client
}

// Client calls one server. It is safe for concurrent use.
type Client struct {
	server *url.URL
	token  string
	http   *http.Client
}

// New returns a client. It reads the files that c names and opens no
// connection.
func New(c Config) (*Client, error) {
	server, err := parseServer(c.Server)
	if err != nil {
		return nil, err
	}
	if err := checkToken(c, server); err != nil {
		return nil, err
	}
	h := &http.Client{}
	if c.HTTP == nil {
		if h.Transport, err = newTransport(c); err != nil {
			return nil, err
		}
	} else if c.CA != "" || c.Cert != "" || c.Key != "" {
		return nil, errors.New("an HTTP client of one's own excludes CA, Cert and Key")
	} else {
		h.Transport, h.Jar = c.HTTP.Transport, c.HTTP.Jar
	}
	// An admin API has no reason to send its callers elsewhere; what it says
	// of that becomes an error, and the token stays here.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{server: server, token: c.Token, http: h}, nil
}

// Server returns the URL that is called.
func (c *Client) Server() string { return c.server.String() }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// parseServer reads the URL of a server.
func parseServer(text string) (*url.URL, error) {
	if text == "" {
		text = DefaultServer
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("server %q is not a URL such as https://host.example:9900", text)
	case u.User != nil:
		return nil, errors.New("the server's URL holds a password: give a token instead")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("server %q: want a scheme, a host and perhaps a port and a path", text)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// checkToken keeps the token out of clear text and out of errors.
func checkToken(c Config, server *url.URL) error {
	if c.Token == "" {
		return nil
	}
	for _, r := range c.Token {
		if r <= ' ' || r >= 0x7f {
			return errors.New("the token holds a character that no token has")
		}
	}
	if server.Scheme == "http" && !loopback(server.Hostname()) && !c.Insecure {
		return &ClearTextError{Server: server.String()}
	}
	return nil
}

// loopback reports whether a host is this machine (RFC 6761 section 6.3 for
// the name).
func loopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// How long a server may take, and how large the head of its answer may be.
const (
	dialWait   = 10 * time.Second
	expectWait = time.Second
	maxHeader  = 64 << 10
)

func newTransport(c Config) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("trusted certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("trusted certificates: %s holds no PEM certificate", c.CA)
		}
	}
	if c.Cert != "" || c.Key != "" {
		if c.Cert == "" || c.Key == "" {
			return nil, errors.New("a client certificate needs both its certificate and its key")
		}
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialWait}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    dialWait,
		ForceAttemptHTTP2:      true,
		ExpectContinueTimeout:  expectWait,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        time.Minute,
	}, nil
}
