/* histogram is the hybrid histogram policy of Serverless in the Wild, for
 * connections. See README.md. */
#define WANT_GAPS
#include "quiet.h"
#include "params.h"
#include "gaps.h"

/* Reasons, shown in logs, besides those of quiet.h. */
enum {
	OWN = QUIET_REASONS, /* the client's own histogram */
	TENANT,              /* its tenant's */
	FALLBACK,            /* neither is representative */
	RARE                 /* most gaps outlast the range */
};

static u32 percentile, margin, range, worth, spread, enough, out, fallback, rare, look;

static void defaults(void)
{
	percentile = 990;
	margin = 100;
	range = 0; /* the worth */
	worth = 0; /* the operator's */
	spread = 2000;
	enough = 8;
	out = 500;
	fallback = 0; /* the host's own time */
	rare = 1000;
	look = 100;
}

static const char *set_part(struct param *p, u32 *to)
{
	const char *complaint = param_thousandths(p, to);
	return !complaint && *to > 1000 ? "want a part, 0 to 1" : complaint;
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "percentile"))
		return set_part(p, &percentile);
	if (param_is(p, "out"))
		return set_part(p, &out);
	if (param_is(p, "margin")) {
		complaint = param_thousandths(p, &margin);
		return !complaint && margin > 10000 ? "want 0 to 10" : complaint;
	}
	if (param_is(p, "cv")) {
		complaint = param_thousandths(p, &spread);
		return !complaint && spread > 10000 ? "want 0 to 10" : complaint;
	}
	if (param_is(p, "range")) {
		complaint = param_duration(p, &range);
		return !complaint && range > 86400000 ? "want at most 24h" : complaint;
	}
	if (param_is(p, "enough")) {
		complaint = param_whole(p, &enough);
		return !complaint && (enough == 0 || enough > CLIENT_GAPS) ? "want a number of gaps, 1 to 32" : complaint;
	}
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "fallback"))
		return param_duration(p, &fallback);
	if (param_is(p, "rare"))
		return param_duration(p, &rare);
	if (param_is(p, "look"))
		return param_duration(p, &look);
	return UNKNOWN_KEY;
}

PARAMS_EXPORT

/* counts is a histogram of gaps that ended within the range. */
static struct counts {
	float at[BINS];
	float outside; /* gaps that ended later, or in no return */
} counts;

static u32 last; /* bin of the range */

static void count_own(void)
{
	counts.outside = 0;
	for (u32 i = 0; i < BINS; i++)
		counts.at[i] = 0;
	for (u32 i = 0; i < CLIENT_GAPS && buffer.event.client_gaps[i]; i++) {
		u32 gap = buffer.event.client_gaps[i], b = bin(gap_ms(gap));
		*(gap_kind(gap) == GAP_KIND_RETURNED && b <= last ? &counts.at[b] : &counts.outside) += 1;
	}
}

static void count_tenant(void)
{
	const struct gaps *g = &buffer.gaps;
	float unit = g->unit ? (float)g->unit : 1;
	counts.outside = 0;
	for (u32 i = 0; i < BINS; i++) {
		float returned = (float)g->returned[i] / unit;
		counts.at[i] = i <= last ? returned : 0;
		counts.outside += ((float)g->gone[i] + (float)g->cut[i]) / unit + (i <= last ? 0 : returned);
	}
}

enum finding { TOO_FEW, OUTSIDE, SPREAD_OUT, REPRESENTATIVE };

/* judge says whether the counts can be relied on. Their coefficient of
 * variation is that of the bins: of n bins with sum s and sum of squares q,
 * n q / s^2 - 1 is its square. It is low where gaps are of all lengths alike. */
static enum finding judge(float *inside)
{
	float sum = 0, squares = 0, n = (float)(last + 1), cv = (float)spread / 1000;
	for (u32 i = 0; i <= last; i++) {
		sum += counts.at[i];
		squares += counts.at[i] * counts.at[i];
	}
	*inside = sum;
	if (sum + counts.outside < (float)enough)
		return TOO_FEW;
	if (counts.outside * 1000 > (sum + counts.outside) * (float)out)
		return OUTSIDE;
	return n * squares < (1 + cv * cv) * sum * sum ? SPREAD_OUT : REPRESENTATIVE;
}

/* held is the percentile of the counts, which sum to inside, and the margin. */
static u32 held(float inside)
{
	float want = inside * (float)percentile / 1000, sum = 0;
	u32 i = 0;
	for (; i < last; i++) {
		sum += counts.at[i];
		if (sum >= want)
			break;
	}
	return (u32)((u64)bin_low(i + 1) * (1000 + margin) / 1000);
}

static u32 otherwise(u32 tau) { return tau ? tau : LEAVE; }

static u32 first(void) { return look; }

static u32 target(u32 *reason)
{
	float inside;
	last = bin(range ? range : price(worth));
	count_own();
	enum finding own = judge(&inside);
	*reason = OWN;
	if (own == TOO_FEW) {
		count_tenant();
		own = judge(&inside);
		*reason = TENANT;
	}
	if (own == REPRESENTATIVE)
		return held(inside);
	*reason = own == TOO_FEW ? NO_DATA : own == OUTSIDE ? RARE : FALLBACK;
	return otherwise(own == OUTSIDE ? rare : fallback);
}

QUIET_EXPORT
