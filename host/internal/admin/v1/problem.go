package v1

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"idlehost/host/internal/api"
)

// instance begins Problem.Instance.
const instance = "urn:idlehost:request:"

// fail answers with a problem. What is none is the host's own fault: it is
// logged, and the caller learns under which name.
func (c *call) fail(err error) {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || p.Status < 400 {
		if c.ctx().Err() == nil {
			c.cfg.Logger.Error("admin request failed", "request", c.id, "route", c.name(), "error", err)
		}
		p = api.NewProblem(api.KindInternal, "the host's log says more about this request")
	}
	if c.started {
		panic(http.ErrAbortHandler) // the caller must not take it for complete
	}
	copied := *p
	copied.Instance = instance + c.id
	if late := p.Status == http.StatusRequestEntityTooLarge || p.Status == http.StatusRequestTimeout; late && c.r.ProtoMajor == 1 {
		c.w.Header().Set("Connection", "close") // what is left of the body is not read
	}
	c.started = true
	Refuse(c.w, c.r, &copied)
	c.linger()
}

// name is how the log calls what was asked for.
func (c *call) name() string {
	if c.route == nil {
		return "none"
	}
	return c.route.id
}

// caught makes a panic a problem of this request alone.
func (c *call) caught() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	c.cfg.Logger.Error("admin request panicked", "request", c.id, "route", c.name(), "panic", v, "stack", string(debug.Stack()))
	if c.started {
		panic(http.ErrAbortHandler)
	}
	c.fail(api.NewProblem(api.KindInternal, "the host's log says more about this request"))
}

// invalid returns a problem with a part of the request.
func invalid(field, format string, args ...any) *api.Problem {
	p := api.NewProblem(api.KindInvalid, "%s: %s", field, fmt.Sprintf(format, args...))
	p.Field = field
	return p
}

// Refuse answers a request with a problem (RFC 9457).
func Refuse(w http.ResponseWriter, r *http.Request, p *api.Problem) {
	h := w.Header()
	h.Set("Content-Type", api.ProblemType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", challenge(r))
	}
	body, err := json.Marshal(p)
	if err != nil { // its report is no JSON
		q := *p
		q.Report = nil
		body, _ = json.Marshal(q)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// challenge says how to come in (RFC 6750 section 3). It does not say what is
// wrong with a token: it is wrong.
func challenge(r *http.Request) string {
	if r.Header.Get("Authorization") == "" {
		return `Bearer realm="host admin"`
	}
	return `Bearer realm="host admin", error="invalid_token"`
}
