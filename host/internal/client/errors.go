package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"idlehost/host/internal/api"
)

// ClearTextError says that a token was not sent, for anybody between here and
// the server could have read it.
type ClearTextError struct{ Server string }

func (e *ClearTextError) Error() string {
	return "the token would go unencrypted to " + e.Server
}

// Hint tells what to do about it.
func (e *ClearTextError) Hint() string { return "use https://" }

// ConnectError says that a server did not answer at all.
type ConnectError struct {
	Server string // its URL
	Err    error
}

func (e *ConnectError) Error() string { return "no answer from " + e.Server + ": " + e.Err.Error() }
func (e *ConnectError) Unwrap() error { return e.Err }

// Hint tells what may be the matter.
func (e *ConnectError) Hint() string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "is the host running with --admin?"
	case errors.As(e.Err, &unknown):
		return "name the certificate to trust with --ca"
	case errors.As(e.Err, &name):
		return "the server's certificate is for another name"
	case strings.Contains(e.Err.Error(), "server gave HTTP response to HTTPS client"):
		return "the server speaks http://"
	}
	return ""
}

// AnswerError says that an answer was none of the API's.
type AnswerError struct {
	Request string // method and URL
	Status  int
	Text    string // what is wrong with it
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s: status %d: %s", e.Request, e.Status, e.Text)
}

// Hint tells what may be the matter.
func (e *AnswerError) Hint() string {
	switch {
	case strings.Contains(e.Text, "HTTP request to an HTTPS server"):
		return "the server speaks https://"
	case e.Status == http.StatusNotFound || e.Status < 300:
		return "is this the admin address of a host?"
	}
	return ""
}

// Kind returns the kind of a problem (api.KindNotFound and so on); empty for
// every other error.
func Kind(err error) string {
	var p *api.Problem
	if !errors.As(err, &p) {
		return ""
	}
	kind, _ := strings.CutPrefix(p.Type, api.TypePrefix)
	return kind
}

// cause takes the envelope of net/http off an error: it repeats the URL.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
