package client

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"idlehost/host/internal/api"
)

// How often a call is tried, and how long it waits for the next time. A server
// that wants to be left alone for longer is reported instead.
const (
	maxAttempts = 4
	maxRest     = 30 * time.Second
)

// send sends a request until it is answered with something else than "later",
// and returns an answer with a status of success, or an error. The body is the
// caller's to close.
func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		res, err := c.once(ctx, q)
		var p *api.Problem
		if err == nil || !q.repeat || attempt == maxAttempts || !errors.As(err, &p) {
			return res, err
		}
		if !later(p) || !rest(ctx, p.RetryAfter) {
			return nil, err
		}
	}
}

// later reports whether a problem says that the same request may be sent again
// after a while that is worth waiting for.
func later(p *api.Problem) bool {
	again := p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
	return again && p.RetryAfter > 0 && p.RetryAfter <= maxRest
}

// rest waits, unless ctx would be done before: then there is no use.
func rest(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once sends a request once.
func (c *Client) once(ctx context.Context, q call) (*http.Response, error) {
	r, err := c.request(ctx, q)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &ConnectError{Server: c.Server(), Err: cause(err)}
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, failure(r, res)
}

// retryAfter reads a Retry-After field (RFC 9110 section 10.2.3): seconds, or
// a date; 0: there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return max(time.Duration(n)*time.Second, time.Millisecond)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), time.Millisecond)
	}
	return 0
}
