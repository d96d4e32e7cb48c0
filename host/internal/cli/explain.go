package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
)

// hintedError is an error with something to do about it.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// Hint returns what to do.
func (e *hintedError) Hint() string { return e.hint }

func hintf(hint, format string, args ...any) error {
	return &hintedError{err: fmt.Errorf(format, args...), hint: hint}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// explain adds to a problem of the API's what the caller can do about it.
func explain(err error) error {
	var p *api.Problem
	if err == nil || !errors.As(err, &p) || hintOf(err) != "" {
		return err
	}
	text := plain(err.Error())
	if p.Field != "" && !strings.Contains(text, p.Field) {
		text += " (" + plain(p.Field) + ")"
	}
	return &hintedError{err: &answered{text, p}, hint: advice(p)}
}

// answered is a problem in the words of the command line.
type answered struct {
	text    string
	problem *api.Problem
}

func (e *answered) Error() string { return e.text }
func (e *answered) Unwrap() error { return e.problem }

func advice(p *api.Problem) string {
	switch client.Kind(p) {
	case api.KindUnauthorized:
		return "give a token in $" + envToken + " or with --token-file"
	case api.KindForbidden:
		return "the token is another tenant's, or this is for operators"
	case api.KindPrecondition:
		return "somebody else was faster: look again, and repeat it if it still is what you want"
	case api.KindDeclared:
		return "change the configuration file, and have the host reload it"
	case api.KindNoStore:
		return "start the host with a [store] in its configuration"
	case api.KindStorage:
		if p.Limit > 0 {
			return "host policy rm makes room, within minutes; an operator can allow more: host tenant set --store-bytes, or store.max_bytes in the configuration"
		}
		return "uploads are accepted again as soon as the host's disk has room"
	case api.KindRefused:
		return "host check FILE shows the whole report"
	case api.KindSignature:
		return "minisign -S -m FILE makes FILE.minisig; give it with --signature"
	}
	if p.RetryAfter > 0 {
		return "again in " + p.RetryAfter.Round(time.Second).String()
	}
	if p.Status == http.StatusInternalServerError && p.Instance != "" {
		return "the host's log tells more of " + plain(p.Instance)
	}
	return ""
}
