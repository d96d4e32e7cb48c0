package v1

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"idlehost/host/internal/api"
)

// call is one request on its way. It belongs to the request's goroutine.
type call struct {
	*Handler
	access  Access
	w       http.ResponseWriter
	r       *http.Request
	id      string // names the request in answers and in the log
	route   *route // nil: none is found yet
	actor   api.Actor
	query   url.Values // checked: each name at most once
	read    bool       // all of the body
	started bool       // the answer's head has been sent
}

// dress sets what every answer has: it is for the caller only, and is nothing
// that a browser should make a page of.
func (c *call) dress() {
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Request-Id", c.id)
}

// reply answers with JSON.
func (c *call) reply(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.write(status, "application/json", append(body, '\n'))
	return nil
}

// tagged answers with JSON that has an entity tag, unless the caller has it.
func (c *call) tagged(status int, tag string, v any) error {
	if tag == "" {
		return c.reply(status, v)
	}
	c.w.Header().Set("ETag", tag)
	if c.r.Method == get || c.r.Method == http.MethodHead {
		if done, err := c.unchanged(tag); done || err != nil {
			return err
		}
	}
	return c.reply(status, v)
}

// unchanged evaluates the preconditions of a GET (RFC 9110 section 13.2.2),
// and answers if the caller has the representation already.
func (c *call) unchanged(tag string) (bool, error) {
	match, none, err := preconditions(c.r)
	switch {
	case err != nil:
		return false, err
	case match != nil && !match.has(tag, strong):
		return false, api.NewProblem(api.KindPrecondition, "its entity tag is another one")
	case none != nil && none.has(tag, weak):
		c.begin(0)
		c.w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	return false, nil
}

// created answers a request that has made something, or found it there.
func (c *call) created(made bool, location, tag string, v any) error {
	status := http.StatusOK
	if made {
		status = http.StatusCreated
		c.w.Header().Set("Location", location)
	}
	return c.tagged(status, tag, v)
}

// empty answers that it is done.
func (c *call) empty() error {
	c.begin(0)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// write sends an answer as a whole. A caller that breaks off has what it wants.
func (c *call) write(status int, kind string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.begin(len(body))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

// begin bounds how long a slow reader may take for so many bytes. The answer
// begins now: it cannot become a problem any more.
func (c *call) begin(size int) {
	c.started = true
	// Recorders of tests have no deadlines.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(allowance(size)))
}

// The pace of a peer that is still worth waiting for.
const (
	patience = 10 * time.Second // for the first byte and for any other
	slowest  = 64 << 10         // bytes per second
)

// allowance is how long the transfer of so many bytes may take.
func allowance(size int) time.Duration {
	return patience + time.Duration(size)*time.Second/slowest
}
