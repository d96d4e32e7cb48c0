package control

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// errUnchanged ends an edit of a record that has nothing to change.
var errUnchanged = errors.New("nothing to change")

// invalid is KindInvalid about a part of the request.
func invalid(field, format string, args ...any) error {
	p := api.NewProblem(api.KindInvalid, format, args...)
	p.Field = field
	return p
}

func noTenant(name string) error {
	return api.NewProblem(api.KindNotFound, "no tenant is called %q", clean(name, 63))
}

func noStore() error {
	return api.NewProblem(api.KindNoStore, "without a store nothing can be changed: set store.dir in the configuration")
}

func isDeclared(name, what string) error {
	return api.NewProblem(api.KindDeclared, "the configuration file declares %s of tenant %s: change it there", what, name)
}

// busy is KindBusy; d says when to try again.
func busy(d time.Duration, format string, args ...any) error {
	p := api.NewProblem(api.KindBusy, format, args...)
	p.RetryAfter = d
	return p
}

// kept makes an error of the store one of the Service. Problems, which edits
// return, pass.
func kept(err error, doing string) error {
	var p *api.Problem
	switch {
	case err == nil, errors.Is(err, errUnchanged):
		return err
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrClosed):
		return busy(time.Second, "the host is stopping")
	}
	return NoRoom(fmt.Errorf("%s: %w", doing, err))
}

// refused makes an error of the Runtime one of the Service.
func refused(err error, doing string) error {
	var r *Refusal
	if err == nil {
		return nil
	}
	if !errors.As(err, &r) {
		var p *api.Problem
		if errors.As(err, &p) {
			return p
		}
		return NoRoom(fmt.Errorf("%s: %w", doing, err))
	}
	kind := api.KindRefused
	switch {
	case r.RetryAfter > 0 && r.Cause == policy.FaultRate.String():
		kind = api.KindRate // the tenant's own doing
	case r.RetryAfter > 0:
		kind = api.KindBusy
	}
	p := api.NewProblem(kind, "%s", r.Text)
	p.Cause, p.Report, p.RetryAfter = r.Cause, r.Report, r.RetryAfter
	return p
}

// clean makes one printable line of anybody's text, of at most so many bytes
// and a mark of what is missing.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "..."
}

// checkLine holds a text that people will read to one printable line.
func checkLine(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return invalid(field, "%s has %d bytes, at most %d", field, len(text), limit)
	case !utf8.ValidString(text):
		return invalid(field, "%s is not UTF-8", field)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return invalid(field, "%s has the unprintable character %U", field, r)
		}
	}
	return nil
}
