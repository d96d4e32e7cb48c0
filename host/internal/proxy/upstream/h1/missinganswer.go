package h1

import (
	"errors"
	"net/http"
	"os"
)

// MissingAnswerError is the error of a request of whose answer no byte has come.
type MissingAnswerError struct {
	Err error
	// Sent says that a byte of the request has left this host.
	Sent bool
	// Begun says that its content may have been read.
	Begun bool
}

func (e *MissingAnswerError) Error() string { return e.Err.Error() }
func (e *MissingAnswerError) Unwrap() error { return e.Err }

// Repeatable reports whether r, which failed with e, can safely be sent again:
// nothing of it has left, or the server had just closed an idle connection and
// r does no harm when it is served twice (RFC 9110 section 9.2.2). One that
// the host gave up waiting for is not repeated: the server is too slow already.
func (e *MissingAnswerError) Repeatable(r *http.Request) bool {
	switch {
	case e.Begun:
		return false
	case !e.Sent:
		return true
	case errors.Is(e.Err, os.ErrDeadlineExceeded):
		return false
	}
	return idempotent(r) && (outgoing(r) == 0 || r.GetBody != nil)
}

// idempotent reports whether r may be served twice, by the rules of
// http.Transport.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	// A client that sets one of these says so; an empty list is an opt-in
	// that is not sent.
	_, key := r.Header["Idempotency-Key"]
	_, extended := r.Header["X-Idempotency-Key"]
	return key || extended
}
