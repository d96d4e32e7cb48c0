/* adaptive holds an idle connection for as long as it pays, by what the host
 * remembers of this client and of its tenant. See README.md. */
#define WANT_GAPS
#include "policy.h"
#include "params.h"

/* Reasons, shown in logs. */
enum {
	NOT_MINE = 0,    /* a phase or side that is left to the host */
	LEARNT = 1,      /* the least expected cost */
	NO_DATA = 2,     /* nothing is known yet, of anybody */
	UNUSED = 3,      /* no request has come yet: the host's own timeout */
	BEAT = 4,        /* a tunnel that has been as quiet before */
	AT_CEILING = 5,  /* the operator's ceiling cut the answer */
	AT_FLOOR = 6,    /* the operator's floor raised it */
	UNKNOWN_HOST = 7 /* the host writes a smaller event than this policy reads */
};

/* State on a connection: the host's own leases, as they were at accept, and how
 * long was promised to wait in the idle time before this one, or in this. */
struct memory {
	u32 idle, stream_idle, promised;
};

static u32 look, worth, prior, alike, habits, quantile, lambda, relax_from, relax_to;

/* shorter[n] is the product of (alike + i) / (prior + i) for all i < n. */
static double shorter[CLIENT_GAPS + 1];

static void shorten(void)
{
	shorter[0] = 1;
	for (u32 i = 0; i < CLIENT_GAPS; i++)
		shorter[i + 1] = shorter[i] * (alike + i * 1000.0) / (prior + i * 1000.0);
}

static void defaults(void)
{
	look = 100;
	worth = 0; /* the operator's */
	prior = 2000;
	alike = 500000;
	habits = 250;
	quantile = 0; /* no promise */
	lambda = 0;   /* no clamp */
	relax_from = 800;
	relax_to = 950;
	shorten();
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "look"))
		return param_duration(p, &look);
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "prior") || param_is(p, "alike")) {
		u32 *to = param_is(p, "prior") ? &prior : &alike;
		complaint = param_thousandths(p, to);
		if (!complaint && (*to == 0 || *to > 1000000))
			complaint = "want a number of gaps, over 0 to 1000";
		else
			shorten();
		return complaint;
	}
	if (param_is(p, "habits")) {
		complaint = param_thousandths(p, &habits);
		return !complaint && habits > 1000 ? "want a share, 0 to 1" : complaint;
	}
	if (param_is(p, "quantile")) {
		complaint = param_thousandths(p, &quantile);
		return !complaint && quantile > 999 ? "want 0 (off) to 0.999" : complaint;
	}
	if (param_is(p, "lambda")) {
		complaint = param_thousandths(p, &lambda);
		return !complaint && lambda > 1000 ? "want 0 (off) to 1" : complaint;
	}
	if (param_is(p, "relax_from") || param_is(p, "relax_to")) {
		u32 *to = param_is(p, "relax_to") ? &relax_to : &relax_from;
		complaint = param_thousandths(p, to);
		return !complaint && *to > 1000 ? "want a pressure, 0 to 1" : complaint;
	}
	return UNKNOWN_KEY;
}

PARAMS_EXPORT

/* Bins as in the ABI: bin 0 under 16 ms, then four an octave. */
static u32 bin(u32 ms)
{
	ms = most(ms, 15);
	u32 o = 31 - (u32)__builtin_clz(ms);
	return least((o - 4) * 4 + (ms >> (o - 2) & 3) + 1, BINS - 1);
}

static u32 bin_width(u32 i) { return i == 0 ? 16 : 1u << ((i - 1) / 4 + 2); }

static u32 bin_low(u32 i)
{
	return i == 0 ? 0 : (4 + (i - 1) % 4) << ((i - 1) / 4 + 2);
}

/* IGNORANCE is how many gaps of which nothing is known stand beside the
 * tenant's. */
#define IGNORANCE 5.0f

/* The client's own gaps by bin, and those that end past the last bin that
 * matters. All zero between two asks: what weigh_own fills in, weigh and hold
 * take out. */
enum { PAST = BINS, OWN };

static float own[OWN][2]; /* returned, gone */

/* Kinds of gap: those that ended in a request by octaves, of which bin 0 is the
 * first and bins 4k-3 to 4k are k, and those that the client ended by leaving,
 * however long. */
enum { LAST_OCTAVE = BINS / 4, LEFT, KINDS };

static struct kind {
	float tenant; /* weight of the tenant's gaps */
	float own;    /* number of the client's so far */
} kinds[KINDS];

/* evidence is how many gaps speak, in gaps. */
struct evidence {
	float scale;          /* what a unit of the tenant's weights counts */
	float unknown;        /* gaps of unknown length, per bin up to the price's */
	float cut;            /* gaps that outlive every hold */
	float returned, gone; /* gaps that end past bin last */
	u32 last;             /* the bin at which holding stops paying, whatever else */
	u32 priced;           /* the price's own bin */
};

/* two returns the weights in bins i and i+1, one above the other. Weights of one
 * histogram sum to less than 2^32, so that pairs can be added as they are. */
static u64 two(const u32 *w, u32 i)
{
	return (u64)w[i] | (u64)w[i + 1] << 32;
}

static float both(u64 pair) { return (float)(u32)((u32)pair + (u32)(pair >> 32)); }

/* sum adds the weights in bins from to to, an even number of them. */
static float sum(const u32 *w, u32 from, u32 to)
{
	u64 n = 0;
	for (; to - from >= 8; from += 8)
		n += two(w, from) + two(w, from + 2) + two(w, from + 4) + two(w, from + 6);
	for (; from < to; from += 2)
		n += two(w, from);
	return both(n);
}

/* sort_tenant sorts the tenant's gaps into kinds. It returns their weight, and
 * leaves what ends past e->last in e. */
static float sort_tenant(struct evidence *e)
{
	const u32 *w = buffer.gaps.returned, *g = buffer.gaps.gone;
	u32 even = (e->last + 2) & ~1u;
	float all = (float)w[0], head = 0;
	kinds[0] = (struct kind){ all, 0 };
	for (u32 k = 1; k <= LAST_OCTAVE; k++) {
		u32 i = 4 * k - 3;
		float n = k < LAST_OCTAVE ? both(two(w, i) + two(w, i + 2)) : both(two(w, i)) + (float)w[i + 2];
		kinds[k] = (struct kind){ n, 0 };
		all += n;
		head = i <= e->last ? all : head;
	}
	e->returned = all - head;
	float near = sum(g, 0, even), far = sum(g, even, BINS);
	kinds[LEFT] = (struct kind){ near + far, 0 };
	e->gone = e->last % 2 ? far : far + (float)g[e->last + 1];
	return all + near + far;
}

/* weigh_own sorts the client's gaps into bins, and returns how many gaps the
 * tenant's, which weigh so much, count for it. Either it draws its gaps from the
 * tenant's, more or less (they count `alike`), or it has habits (they count
 * `prior`): the answer is what gives both together, each weighted with how
 * likely it makes the gaps that were seen. That is what Polya's urn says: where
 * the tenant's count m, a gap of a kind of this share, seen c times among n, has
 * the likelihood (m share + c) / (m + n). */
static float weigh_own(const struct evidence *e, u32 idle, float tenant, float unit)
{
	const double few = prior / 1000.0, many = alike / 1000.0;
	const double all = tenant + KINDS * unit, few_share = few / all, many_share = many / all;
	double habit = habits, like = 1000 - habits;
	u32 n = 0;
	for (u32 i = 0; i < CLIENT_GAPS; i++) {
		u32 gap = buffer.event.client_gaps[i], ms = gap & 0x3fffffff, kind = gap >> 30;
		if (gap == 0)
			break;
		if (kind >= GAP_KIND_CUT) {
			own[PAST][1] += 1;
			continue;
		}
		u32 at = bin(ms);
		if (ms > idle)
			own[at > e->last ? PAST : at][kind] += 1;
		struct kind *k = &kinds[kind == GAP_KIND_RETURNED ? (at + 3) / 4 : LEFT];
		double t = k->tenant + unit, c = k->own; /* no kind has no share */
		k->own += 1;
		habit *= few_share * t + c;
		like *= many_share * t + c;
		n++;
	}
	/* Left are the divisors, and what the tenant's share of the whole is. */
	habit *= shorter[n] / (few + n);
	like *= 1 / (many + n);
	return (float)((habit * few + like * many) / (habit + like));
}

/* weigh lets the tenant's gaps count as many as they should together, less
 * while there are few, and fills the rest with gaps of which nothing is known:
 * a quarter never end, the others are spread evenly over all orders of
 * magnitude up to the price. On these alone the best hold is about a quarter of
 * the price. */
static struct evidence weigh(u32 idle, u32 price)
{
	const struct gaps *g = &buffer.gaps;
	float unit = g->unit ? (float)g->unit : 1;
	u32 twice = price < NEVER / 2 ? 2 * price : NEVER;
	struct evidence e = { .priced = bin(price), .last = least((bin(twice) + 3) & ~3u, BINS - 1) };
	float cut = sum(g->cut, 0, BINS), tenant = sort_tenant(&e);
	float count = weigh_own(&e, idle, tenant, unit), share = count / ((tenant + cut) / unit + IGNORANCE);
	float unknown = share * IGNORANCE;
	e.scale = share / unit;
	e.unknown = unknown * 3 / 4 / (float)(e.priced + 1);
	e.cut = cut * e.scale + unknown / 4;
	e.returned = e.returned * e.scale + own[PAST][0];
	e.gone = e.gone * e.scale + own[PAST][1];
	own[PAST][0] = own[PAST][1] = 0;
	return e;
}

/* walk is where hold has got to: all that lies past a bin. */
struct walk {
	float price;
	float alive, returned; /* gaps that last so long; of these, that end in a request */
	float cost;            /* of the best from here on */
	u32 tau;               /* the bin before which the best stops */
};

/* returning[i] are the gaps that end in a request in bin i or past it, of those
 * that last longer than now. hold fills it in from the first bin on to `last`
 * past its end, where there is a promise to keep. */
static float returning[BINS + 1];

/* outlast returns the bin before which `quantile` of the returning gaps have
 * ended. */
static u32 outlast(u32 first, u32 last)
{
	float left = returning[first] * (float)(1000 - quantile) / 1000;
	u32 i = first + 1;
	while (i < last && returning[i] > left)
		i++;
	return i;
}

/* back takes bin i, or of its width only the rest, into the walk. From the end
 * to the start of it, going on costs what is held in it and what comes after;
 * stopping costs the price times the returns still to come. */
static inline __attribute__((always_inline)) void back(struct walk *w, u32 i, float rest, float scale, float unknown)
{
	float r = (float)buffer.gaps.returned[i] * scale + own[i][0] + unknown;
	float x = (float)buffer.gaps.gone[i] * scale + own[i][1] + r;
	own[i][0] = own[i][1] = 0;
	w->cost += (w->alive + x / 2) * rest;
	w->alive += x;
	w->returned += r;
	returning[i] = w->returned;
	float stop = w->price * w->returned;
	w->tau = stop <= w->cost ? i : w->tau;
	w->cost = stop <= w->cost ? stop : w->cost;
}

/* hold returns the idle time, at least idle, at which closing costs least: the
 * answer to "when to stop waiting", found backwards. Only gaps longer than idle
 * speak, so asking again does not by itself change the answer. A promise is kept
 * as far as there is anything to be known of gaps: to twice the price. */
static u32 hold(u32 idle, u32 price, int promise)
{
	struct evidence e = weigh(idle, price);
	u32 i = e.last + 1, first = bin(idle), end = bin_low(i);
	if (end <= idle) { /* nothing is left to decide: close */
		own[e.last][0] = own[e.last][1] = 0;
		return idle;
	}
	struct walk w = { .price = (float)price, .returned = e.returned, .alive = e.returned + e.gone + e.cut, .tau = i };
	w.cost = w.price * w.returned;
	returning[i] = w.returned;
	while (--i > e.priced && i > first)
		back(&w, i, (float)bin_width(i), e.scale, 0);
	for (; i > first; i--)
		back(&w, i, (float)bin_width(i), e.scale, e.unknown);
	/* Of the first bin, a part is over. */
	u32 rest = bin_low(first + 1) - idle;
	float part = (float)rest / (float)bin_width(first);
	back(&w, first, (float)rest, e.scale * part, first <= e.priced ? e.unknown * part : 0);
	if (promise)
		w.tau = most(w.tau, outlast(first, e.last + 1));
	return most(idle, bin_low(w.tau));
}

/* relaxed lowers the price of a reconnect as the host fills. */
static u32 relaxed(u32 price)
{
	u32 p = buffer.event.pressure;
	if (p <= relax_from)
		return price;
	if (p >= relax_to)
		return 0;
	return (u32)((u64)price * (relax_to - p) / (relax_to - relax_from));
}

static u32 price_of_reconnect(void)
{
	u32 b = worth ? worth : buffer.event.worth_ms;
	return b ? b : 60000;
}

static u64 until(u32 tau, u32 reason)
{
	const struct event *e = &buffer.event;
	if (tau < e->floor_ms) {
		tau = e->floor_ms;
		reason = AT_FLOOR;
	}
	if (e->ceiling_ms && tau > e->ceiling_ms) {
		tau = e->ceiling_ms;
		reason = AT_CEILING;
	}
	return tau > e->idle_ms ? extend(reason, tau - e->idle_ms) : close_now(reason);
}

static u64 on_idle(struct memory *m, u32 lease)
{
	const struct event *e = &buffer.event;
	u32 price = price_of_reconnect();
	if (e->requests == 0)
		return until(lease ? lease : price, UNUSED);
	u32 b = relaxed(price);
	/* A promise is made once in an idle time, of what is known then: made
	 * again and again, it would never end. */
	int promise = quantile && (e->idle_ms < m->promised || m->promised == 0);
	u32 tau = hold(e->idle_ms, b, promise);
	if (promise)
		m->promised = tau;
	if (lambda) {
		u64 top = (u64)b * 1000 / lambda;
		tau = most(tau, (u32)((u64)b * lambda / 1000));
		tau = top < tau ? (u32)top : tau;
	}
	if (e->client_gap_count == 0 && buffer.gaps.generation <= 1)
		return until(lease ? least(tau, lease) : tau, NO_DATA);
	return until(tau, LEARNT);
}

/* A tunnel tells nothing of its future but its past: one that has been quiet
 * for as long before is waited for a quarter longer than its longest pause. */
static u64 on_tunnel(void)
{
	const struct event *e = &buffer.event;
	u64 tau = (u64)e->gap_max_ms + e->gap_max_ms / 4;
	if (e->gap_count < 3 || tau <= e->idle_ms || relaxed(1000) < 1000)
		return use_default(NOT_MINE);
	return until(tau < NEVER ? (u32)tau : NEVER - 1, BEAT);
}

EXPORT("on_accept") u64 on_accept(void)
{
	struct event *e = &buffer.event;
	if (e->size < EVENT_USED)
		return use_default(UNKNOWN_HOST);
	if (e->side != SIDE_ACCEPTED)
		return use_default(NOT_MINE);
	struct memory *m = (struct memory *)e->state;
	m->idle = e->leases[PHASE_IDLE];
	m->stream_idle = e->leases[PHASE_STREAM_IDLE];
	/* A short first lease: the decision is made when the connection really
	 * is idle, on what is known then. */
	e->leases[PHASE_IDLE] = e->leases[PHASE_STREAM_IDLE] = most(most(look, e->floor_ms), 1);
	return use_leases(LEARNT);
}

EXPORT("on_timeout") u64 on_timeout(void)
{
	struct event *e = &buffer.event;
	if (e->size < EVENT_USED)
		return use_default(UNKNOWN_HOST);
	if (e->side != SIDE_ACCEPTED)
		return use_default(NOT_MINE);
	struct memory *m = (struct memory *)e->state;
	switch (e->phase) {
	case PHASE_IDLE:
		return on_idle(m, m->idle);
	case PHASE_STREAM_IDLE:
		return on_idle(m, m->stream_idle);
	case PHASE_TUNNEL:
		return on_tunnel();
	}
	return use_default(NOT_MINE);
}
