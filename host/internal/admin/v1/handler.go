// Package v1 serves version 1 of the admin API: it holds a request to its
// route, to what its sender may do and to limits, and puts it to an
// api.Service. openapi.json describes it.
package v1

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"idlehost/host/internal/api"
	"idlehost/host/internal/ratelimit"
)

// Config configures a Handler. Its limits hold for each caller, who is a
// tenant, whatever tokens it has, or one operator.
type Config struct {
	Service api.Service
	// Recordings is asked for recordings; nil: there are none.
	Recordings api.Recordings
	// UploadBytes is the size of the largest policy. 0: 4 MiB.
	UploadBytes int
	// Rate is how many requests per second a caller may make, and Burst how
	// many at once. 0: 50 and 100; a negative Rate: any number.
	Rate  float64
	Burst int
	// TenantRate and TenantBurst are those of a tenant. 0: as Rate and Burst.
	TenantRate  float64
	TenantBurst int
	// Concurrent is how many requests of a caller are served at a time,
	// streams not counted. 0: 16.
	Concurrent int
	// Streams is how many streams of decisions a tenant may have open, and the
	// operators may have open of it. 0: 8.
	Streams int
	// Downloads is how many recordings a caller may download at a time. 0: 4.
	Downloads int
	// Logger is told what is the host's own fault; nil: nobody is told.
	Logger *slog.Logger
}

// maxCallers bounds the table of callers whose rate is known. Who is forgotten
// starts with a full bucket.
const maxCallers = 16 << 10

// Handler serves the API. It is safe for concurrent use, and what it counts
// holds over all the servers that it is served by.
type Handler struct {
	service api.Service
	cfg     Config
	paths   []*path
	edition string             // entity tag of the document
	rates   *ratelimit.Limiter // of operators; nil: any
	shares  *ratelimit.Limiter // of tenants; nil: any
	busy    *keyedCounter      // requests, by caller
	streams *keyedCounter      // by tenant and kind of caller

	downloads *keyedCounter      // of recordings, by caller
	pieces    *ratelimit.Limiter // of what is downloaded, by caller
}

// Access is what the server of a Handler knows of callers.
type Access struct {
	// Authenticate says who sent a request. It returns a *api.Problem for who
	// may not come in, and must not read the body. Streams call it again.
	Authenticate func(*http.Request) (api.Actor, error)
	// Draining is closed when streams are to end. nil: they may go on.
	Draining <-chan struct{}
}

// New returns a handler. Serve gives it its callers.
func New(cfg Config) *Handler {
	cfg.UploadBytes = cmp.Or(cfg.UploadBytes, 4<<20)
	cfg.Burst = cmp.Or(cfg.Burst, 100)
	cfg.Concurrent = cmp.Or(cfg.Concurrent, 16)
	cfg.Streams = cmp.Or(cfg.Streams, 8)
	cfg.Downloads = cmp.Or(cfg.Downloads, 4)
	cfg.Rate = cmp.Or(cfg.Rate, 50)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		service: cfg.Service, cfg: cfg, paths: byPath(routes()), edition: documentTag(),
		busy: newKeyedCounter(cfg.Concurrent), streams: newKeyedCounter(cfg.Streams),
		downloads: newKeyedCounter(cfg.Downloads), pieces: ratelimit.New(piecesASecond, piecesAtOnce, maxCallers),
	}
	h.cfg.TenantRate = cmp.Or(cfg.TenantRate, cfg.Rate)
	h.cfg.TenantBurst = cmp.Or(cfg.TenantBurst, cfg.Burst)
	if cfg.Rate > 0 {
		h.rates = ratelimit.New(rate.Limit(cfg.Rate), cfg.Burst, maxCallers)
	}
	if h.cfg.TenantRate > 0 {
		h.shares = ratelimit.New(rate.Limit(h.cfg.TenantRate), h.cfg.TenantBurst, maxCallers)
	}
	return h
}

// Serve returns a server's view of the handler.
func (h *Handler) Serve(a Access) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Handler: h, access: a, w: w, r: r, id: rand.Text()[:12]}
		c.dress()
		defer c.caught()
		if err := c.run(); err != nil {
			c.fail(err)
		}
	})
}

// run finds the route, and whether the sender may take it now.
func (c *call) run() error {
	var err error
	if c.route, err = c.find(c.w, c.r); err != nil {
		return err
	}
	if c.route.audience != anybody {
		if c.actor, err = c.access.Authenticate(c.r); err != nil {
			return err
		}
		if err := c.route.allows(c.r, c.actor); err != nil {
			return err
		}
		leave, err := c.admit()
		if err != nil {
			return err
		}
		defer leave()
	}
	if c.query, err = parseQuery(c.r, c.route.query); err != nil {
		return err
	}
	return c.route.handle(c)
}

// admit holds the caller to its rate and concurrency.
func (c *call) admit() (leave func(), err error) {
	key := caller(c.actor)
	limiter, rate := c.limiter()
	if limiter != nil {
		if wait := limiter.Take(time.Now(), key); wait > 0 {
			p := api.NewProblem(api.KindRate, "more than %g requests per second", rate)
			return nil, c.later(p, wait)
		}
	}
	if c.route.stream {
		return func() {}, nil // counted apart
	}
	if !c.busy.enter(key) {
		p := api.NewProblem(api.KindRate, "more than %d requests at a time", c.cfg.Concurrent)
		return nil, c.later(p, time.Second)
	}
	return func() { c.busy.leave(key) }, nil
}

// refusal is how long an answer 429 is delayed. It says when to try again; a
// caller that ignores that would else be refused as often as the processors
// allow.
const refusal = 100 * time.Millisecond

// later completes a refusal that says when to try again, and delays it.
func (c *call) later(p *api.Problem, wait time.Duration) *api.Problem {
	p.RetryAfter = wait
	hold := time.NewTimer(refusal)
	defer hold.Stop()
	select {
	case <-hold.C:
	case <-c.ctx().Done():
	case <-c.access.Draining:
	}
	return p
}

// limiter returns the one that holds for the caller; nil: none does.
func (c *call) limiter() (*ratelimit.Limiter, float64) {
	if c.actor.Operator {
		return c.rates, c.cfg.Rate
	}
	return c.shares, c.cfg.TenantRate
}

// listed charges the caller for a long page as for several requests.
func (c *call) listed(items int) {
	if limiter, _ := c.limiter(); limiter != nil && items > requestItems {
		limiter.Charge(time.Now(), caller(c.actor), (items-1)/requestItems)
	}
}

// caller is whom limits hold for. A tenant can make tokens, so they do not
// count each.
func caller(a api.Actor) string {
	if a.Operator {
		return "operator " + a.Name
	}
	return "tenant " + a.Tenant
}

// ctx is the request's.
func (c *call) ctx() context.Context { return c.r.Context() }
