/* quantile holds an idle connection until a given part of the client's gaps
 * would have ended. See README.md. */
#define WANT_GAPS
#include "quiet.h"
#include "params.h"
#include "gaps.h"

/* Reasons, shown in logs, besides those of quiet.h. */
enum {
	REACHED = QUIET_REASONS, /* the quantile */
	NOBODY                   /* no gap is known that ends in time */
};

static u32 quantile, prior, look, cap, worth;

static void defaults(void)
{
	quantile = 900;
	prior = 5;
	look = 100;
	cap = 0; /* the worth */
	worth = 0; /* the operator's */
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "look"))
		return param_duration(p, &look);
	if (param_is(p, "most"))
		return param_duration(p, &cap);
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "prior")) {
		complaint = param_whole(p, &prior);
		return !complaint && (prior == 0 || prior > 1000) ? "want a number of gaps, 1 to 1000" : complaint;
	}
	if (param_is(p, "quantile")) {
		complaint = param_thousandths(p, &quantile);
		return !complaint && (quantile == 0 || quantile > 1000) ? "want a part of the gaps, over 0 to 1" : complaint;
	}
	return UNKNOWN_KEY;
}

PARAMS_EXPORT

/* Weights of gaps by bin, of those that ended in another request. */
static float ended[BINS];

/* count fills ended in bins from first to last, and returns the sum. The
 * client's own gaps count one each, and the tenant's `prior` together, where
 * there are so many. Gaps without a return do not speak: most never get one,
 * and a cut gap that does is moved by the host to where it belongs. */
static float count(u32 from, u32 last)
{
	const struct gaps *g = &buffer.gaps;
	float tenant = 0, unit = g->unit ? (float)g->unit : 1;
	for (u32 i = from; i <= last; i++)
		tenant += (float)g->returned[i];
	float scale = tenant > (float)prior * unit ? (float)prior / tenant : 1 / unit, sum = tenant * scale;
	for (u32 i = from; i <= last; i++)
		ended[i] = (float)g->returned[i] * scale;
	for (u32 i = 0; i < CLIENT_GAPS && buffer.event.client_gaps[i]; i++) {
		u32 gap = buffer.event.client_gaps[i], b = bin(gap_ms(gap));
		if (gap_kind(gap) != GAP_KIND_RETURNED || b < from || b > last)
			continue;
		ended[b] += 1;
		sum += 1;
	}
	return sum;
}

/* past is the end of the bin in which the quantile of a sum of gaps lies. The
 * last bins may hold a rounding error more than there is. */
static u32 past(float sum, u32 from, u32 last)
{
	float want = sum * (float)quantile / 1000, seen = 0;
	u32 tau = from;
	for (u32 i = from; i <= last && seen < want; i++)
		if (ended[i] > 0) {
			seen += ended[i];
			tau = i;
		}
	return bin_low(tau + 1);
}

static u32 first(void) { return look; }

static u32 target(u32 *reason)
{
	u32 from = bin(look), last = bin(cap ? cap : price(worth));
	float sum = from <= last ? count(from, last) : 0;
	*reason = REACHED;
	if (sum > 0)
		return past(sum, from, last);
	if (buffer.event.client_gap_count == 0 && buffer.gaps.generation <= 1) {
		*reason = NO_DATA;
		return LEAVE;
	}
	*reason = NOBODY;
	return 0;
}

QUIET_EXPORT
