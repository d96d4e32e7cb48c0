/* skirental holds an idle connection for what a reconnect is worth, or for a
 * random part of it. See README.md. */
#define WANT_GAPS
#include "quiet.h"
#include "params.h"
#include "explog.h"
#include "gaps.h"

/* Reasons, shown in logs, besides those of quiet.h. */
enum {
	BREAK_EVEN = QUIET_REASONS, /* held for the worth */
	DRAWN,                      /* held for a random time */
	SEEMS_LONG,                 /* the gap is predicted to be long: held for less */
	SEEMS_SHORT                 /* predicted to be short: held for more */
};

enum { DETERMINISTIC, RANDOM };

/* State on a connection: the time drawn for the idle period of the last ask. */
struct draw {
	u64 asked_ms;
	u32 tau;
};

static u32 mode, worth, lambda, look, prior;

static void defaults(void)
{
	mode = DETERMINISTIC;
	worth = 0; /* the operator's */
	lambda = 0; /* no prediction */
	look = 100;
	prior = 5;
}

static const char *set_mode(struct param *p)
{
	struct param value = { .key = p->value, .key_len = p->value_len };
	if (param_is(&value, "deterministic"))
		mode = DETERMINISTIC;
	else if (param_is(&value, "random"))
		mode = RANDOM;
	else
		return "want deterministic or random";
	return 0;
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "mode"))
		return set_mode(p);
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "look"))
		return param_duration(p, &look);
	if (param_is(p, "prior")) {
		complaint = param_whole(p, &prior);
		return !complaint && prior > 1000 ? "want a number of gaps, 0 to 1000" : complaint;
	}
	if (param_is(p, "lambda")) {
		complaint = param_thousandths(p, &lambda);
		return !complaint && lambda && (lambda < 100 || lambda > 1000) ? "want 0 (off), or 0.1 to 1" : complaint;
	}
	return UNKNOWN_KEY;
}

PARAMS_EXPORT

/* seems_long predicts whether the gap outlasts b: the majority of the client's
 * gaps that were no shorter than this one is now, among which the tenant's
 * count as `prior`. A client that did not come back had a long one. */
static int seems_long(u32 b)
{
	const struct gaps *g = &buffer.gaps;
	u32 idle = buffer.event.idle_ms;
	double longer = 0, shorter = 0, own = 0;
	for (u32 i = bin(idle); i < BINS; i++) {
		*(i > bin(b) ? &longer : &shorter) += g->returned[i];
		longer += g->gone[i];
	}
	for (u32 i = 0; i < BINS; i++)
		longer += g->cut[i];
	double weight = longer + shorter;
	own = weight > 0 ? prior * (longer - shorter) / weight : 0;
	for (u32 i = 0; i < CLIENT_GAPS && buffer.event.client_gaps[i]; i++) {
		u32 gap = buffer.event.client_gaps[i], ms = gap_ms(gap);
		if (gap_kind(gap) == GAP_KIND_CUT || ms > idle)
			own += gap_kind(gap) != GAP_KIND_RETURNED || ms > b ? 1 : -1;
	}
	return own > 0;
}

/* horizon is the longest hold, in units of the worth. */
static double horizon(u32 b, u32 *reason)
{
	*reason = mode == RANDOM ? DRAWN : BREAK_EVEN;
	if (!lambda)
		return 1;
	int longer = seems_long(b);
	*reason = longer ? SEEMS_LONG : SEEMS_SHORT;
	return longer ? lambda / 1000.0 : 1000.0 / lambda;
}

static u32 whole(double ms) { return ms < NEVER - 1 ? (u32)ms : NEVER - 1; }

/* drawn takes a time from 0 to top x b with density e^(t/b), once for each
 * idle period: until the connection has been used since the last ask, the
 * time drawn then holds. */
static u32 drawn(u32 b, double top)
{
	struct event *e = &buffer.event;
	struct draw *d = (struct draw *)e->state;
	if (d->asked_ms == 0 || e->now_ms < d->asked_ms || e->now_ms - d->asked_ms > e->idle_ms) {
		double u = (double)(long long)(e->random >> 11) * power_of_two(-53);
		d->tau = whole(b * ln_of(1 + u * (exp_of(top) - 1)));
	}
	d->asked_ms = e->now_ms;
	return d->tau;
}

static u32 first(void)
{
	return mode == DETERMINISTIC && !lambda ? price(worth) : look;
}

static u32 target(u32 *reason)
{
	u32 b = price(worth);
	double top = horizon(b, reason);
	return mode == RANDOM ? drawn(b, top) : whole(b * top);
}

QUIET_EXPORT
