package observe

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// LinesConfig configures Lines.
type LinesConfig struct {
	// Logger must not block.
	Logger *slog.Logger
	// Digest names the policy that plays a role for a tenant, shortened for
	// people; empty where the native one rules.
	Digest func(tenant string, role policy.Role) string
	// Rate is how many lines a tenant may cause per second, 0: any number;
	// Burst how many at once, 0: as many as Rate.
	Rate, Burst int
	// Metrics counts the lines left out; may be nil.
	Metrics *Metrics
}

// Lines writes one explained line for every connection that the host ended,
// one for every decision that a policy wants logged, and what policies say.
// Safe for concurrent use; create it with NewLines.
type Lines struct {
	cfg    LinesConfig
	quotas *quotas
}

// NewLines returns a writer of lines.
func NewLines(cfg LinesConfig) *Lines {
	if cfg.Digest == nil {
		cfg.Digest = func(string, policy.Role) string { return "" }
	}
	l := &Lines{cfg: cfg, quotas: newQuotas()}
	l.SetRate(cfg.Rate, cfg.Burst)
	return l
}

// SetRate changes how many lines a tenant may cause that has no rate of its
// own.
func (l *Lines) SetRate(rate, burst int) {
	l.quotas.setRate(newLineRate(rate, burst))
}

// SetTenantRate gives a tenant a rate of its own, with a burst of 0 as of
// LinesConfig. A rate of 0: the host's again.
func (l *Lines) SetTenantRate(tenant string, rate, burst int) {
	l.quotas.setOwn(tenant, newLineRate(rate, burst))
}

// Forget gives up what is kept for a tenant that was removed.
func (l *Lines) Forget(tenant string) {
	l.quotas.forget(tenant)
}

// Asked logs the decision if the policy wants that.
func (l *Lines) Asked(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	if !v.Log || !l.pass(a, slog.LevelInfo) {
		return
	}
	e := &ask.Event
	l.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "policy decision",
		slog.String("tenant", a.Name), slog.String("policy", l.cfg.Digest(a.Name, v.Role)), slog.String("role", v.Role.String()),
		slog.Uint64("conn", e.Conn), slog.String("event", abi.Kind(e.Kind).String()),
		slog.String("side", abi.Side(e.Side).String()), slog.String("protocol", abi.Protocol(e.Protocol).String()),
		slog.String("phase", abi.Phase(e.Phase).String()), slog.String("action", v.Action.String()),
		span("deadline", v.Deadline), slog.Int("reason", int(v.Reason)),
		span("idle", time.Duration(e.IdleMs)*time.Millisecond), slog.Uint64("asks", uint64(e.Asks)),
		slog.Duration("took", took))
}

// Ended logs the end of a connection: at info if the host ended it or the
// policy wanted the line, at debug otherwise.
func (l *Lines) Ended(e *idle.End) {
	level := slog.LevelDebug
	if e.Reason.Host() || e.Log {
		level = slog.LevelInfo
	}
	if !l.pass(e.Account, level) {
		return
	}
	l.cfg.Logger.LogAttrs(context.Background(), level, "connection closed",
		slog.String("tenant", e.Account.Name), slog.String("policy", l.cfg.Digest(e.Account.Name, e.Verdict.Role)), slog.String("role", e.Verdict.Role.String()),
		slog.Uint64("conn", e.ID), slog.String("side", e.Side.String()), slog.String("protocol", e.Protocol.String()),
		slog.String("phase", e.Phase.String()), slog.String("reason", e.Reason.String()),
		span("idle", e.Idle), span("age", e.Age), slog.Uint64("asks", uint64(e.Asks)), span("deadline", e.Deadline),
		slog.Uint64("bytes_in", e.BytesIn), slog.Uint64("bytes_out", e.BytesOut),
		slog.Uint64("requests", uint64(e.Requests)), slog.Int("unread", e.Unread),
		slog.String("peer", e.Peer.String()), slog.String("explain", explain(e)))
}

// Reused is not logged: it is once per request.
func (l *Lines) Reused(*idle.Account, time.Duration) {}

// Late logs a request that the host's own close has lost.
func (l *Lines) Late(a *idle.Account, client uint64, after time.Duration, lost bool) {
	if lost && l.pass(a, slog.LevelWarn) {
		l.cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, "request lost to an idle close",
			slog.String("tenant", a.Name), slog.String("client", pseudonym(client)), span("after", after))
	}
}

// Returned is not logged: it is an ordinary thing to do.
func (l *Lines) Returned(*idle.Account, uint64, time.Duration) {}

// Said logs what a tenant's policy says. Its text is anybody's: the log format
// quotes it.
func (l *Lines) Said(a *idle.Account, policy string, level slog.Level, text string) {
	if l.pass(a, level) {
		l.cfg.Logger.LogAttrs(context.Background(), level, "policy says",
			slog.String("tenant", a.Name), slog.String("policy", policy), slog.String("text", text))
	}
}

// pass reports whether a tenant's line may be written, and says first how
// many were not.
func (l *Lines) pass(a *idle.Account, level slog.Level) bool {
	if !l.cfg.Logger.Enabled(context.Background(), level) {
		return false
	}
	left, ok := l.quotas.take(a.Name, time.Now())
	if !ok && l.cfg.Metrics != nil {
		l.cfg.Metrics.of(a).leftOut().Inc()
	}
	if left > 0 {
		l.sayLeft(a.Name, left)
	}
	return ok
}

// Flush says how many lines were left out since the last that was written.
func (l *Lines) Flush() {
	for tenant, n := range l.quotas.suppressed() {
		l.sayLeft(tenant, n)
	}
}

func (l *Lines) sayLeft(tenant string, n uint64) {
	l.cfg.Logger.Warn("connection lines left out", "tenant", tenant, "lines", n)
}

// pseudonym writes a client's key as the API does.
func pseudonym(client uint64) string { return fmt.Sprintf("%016x", client) }

// span is a duration to the millisecond, as text in every log format: slog's
// JSON would give nanoseconds without saying so.
func span(key string, d time.Duration) slog.Attr {
	return slog.String(key, d.Round(time.Millisecond).String())
}

var _ idle.Observer = (*Lines)(nil)
