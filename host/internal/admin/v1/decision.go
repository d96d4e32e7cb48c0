package v1

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"idlehost/host/internal/api"
)

// The media types of a stream of decisions.
const (
	linesType  = "application/x-ndjson"
	eventsType = "text/event-stream"
)

// recheck is how often a stream shows that it lives, and how often its caller
// is asked for again: a revoked token ends it.
const recheck = 15 * time.Second

// decisions streams a tenant's decisions until the caller, the tenant or the
// server has gone.
func (c *call) decisions() error {
	key := c.of()
	if c.actor.Operator {
		key = "operators\x00" + key // a tenant cannot take all places of its own
	}
	if !c.streams.enter(key) {
		p := api.NewProblem(api.KindRate, "%d streams of the tenant are open already", c.cfg.Streams)
		return c.later(p, recheck)
	}
	defer c.streams.leave(key)
	if _, err := c.service.Tenant(c.ctx(), c.of()); err != nil {
		return err // as long as it can be told
	}
	s := newStream(c.w, wantsEvents(c.r.Header.Values("Accept")))
	c.started = true
	s.open()
	if c.r.Method == http.MethodHead {
		return nil
	}
	return c.stream(s)
}

// stream runs a stream that has been opened. It returns when its keeper has
// ended too.
func (c *call) stream(s *stream) error {
	ctx, cancel := context.WithCancel(c.ctx())
	var keeper sync.WaitGroup
	keeper.Go(func() {
		defer cancel()
		s.keep(ctx, c.access.Draining, c.mayStay)
	})
	err := c.service.Decisions(ctx, c.of(), s.send)
	ended := ctx.Err() != nil || s.broken()
	cancel()
	keeper.Wait()
	// The keeper ends, when the server drains, while the last decision may be
	// on its way to be sent: now all of them have been.
	s.pulse(false)
	if p, ok := errors.AsType[*api.Problem](err); ended || ok && p.Status == http.StatusNotFound {
		return nil // its reader or the tenant has gone
	}
	return err
}

// mayStay reports whether the caller would be let in now.
func (c *call) mayStay() bool {
	who, err := c.access.Authenticate(c.r)
	if err == nil {
		return c.route.allows(c.r, who) == nil
	}
	p, ok := errors.AsType[*api.Problem](err)
	return !ok || p.Status != http.StatusUnauthorized // otherwise it is not known
}

// wantsEvents reports whether an Accept field prefers server-sent events.
func wantsEvents(accept []string) bool {
	var events, lines float64
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			q, _ = strconv.ParseFloat(text, 64)
		}
		switch kind {
		case eventsType:
			events = max(events, q)
		case linesType:
			lines = max(lines, q)
		}
	}
	return events > lines
}
