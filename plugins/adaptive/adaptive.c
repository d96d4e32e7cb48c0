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

/* State on a connection: the host's own leases, as they were at accept. */
struct memory {
	u32 idle, stream_idle;
};

static u32 look, worth, prior, alike, habits, lambda, relax_from, relax_to;

static void defaults(void)
{
	look = 100;
	worth = 0; /* the operator's */
	prior = 2000;
	alike = 500000;
	habits = 250;
	lambda = 0; /* no clamp */
	relax_from = 800;
	relax_to = 950;
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "look"))
		return param_duration(p, &look);
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "prior")) {
		complaint = param_thousandths(p, &prior);
		return !complaint && (prior == 0 || prior > 1000000) ? "want a number of gaps, over 0 to 1000" : complaint;
	}
	if (param_is(p, "alike")) {
		complaint = param_thousandths(p, &alike);
		return !complaint && (alike == 0 || alike > 10000000) ? "want a number of gaps, over 0 to 10000" : complaint;
	}
	if (param_is(p, "habits")) {
		complaint = param_thousandths(p, &habits);
		return !complaint && habits > 1000 ? "want a share, 0 to 1" : complaint;
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
	if (ms < 16)
		return 0;
	u32 o = 31 - (u32)__builtin_clz(ms);
	u32 i = 1 + (o - 4) * 4 + (ms >> (o - 2) & 3);
	return i < BINS ? i : BINS - 1;
}

static u32 bin_low(u32 i)
{
	return i == 0 ? 0 : (4 + (i - 1) % 4) << ((i - 1) / 4 + 2);
}

/* The client's own gaps by bin. All zero between two asks: what weigh_own
 * fills in, hold takes out. */
static struct own {
	float returned, gone;
} own[BINS];

/* IGNORANCE is how many gaps of which nothing is known stand beside the
 * tenant's. */
#define IGNORANCE 5.0f

/* evidence is how many gaps speak, in gaps. */
struct evidence {
	float scale;          /* what a unit of the tenant's weights counts */
	float unknown;        /* gaps of unknown length, per bin up to the price's */
	float cut;            /* gaps that outlive every hold */
	float returned, gone; /* gaps that end past bin last */
	u32 last;             /* the bin at which holding stops paying, whatever else */
	u32 priced;           /* the price's own bin */
};

/* sum adds the weights in bins from to to, both even, two at a time. */
static float sum(const u32 *w, u32 from, u32 to)
{
	const u64 *pair = (const u64 *)(w + from), *end = (const u64 *)(w + to);
	u64 even = 0, odd = 0;
	for (; end - pair >= 4; pair += 4) {
		u64 a = pair[0], b = pair[1], c = pair[2], d = pair[3];
		even += (a & 0xffffffff) + (b & 0xffffffff) + (c & 0xffffffff) + (d & 0xffffffff);
		odd += (a >> 32) + (b >> 32) + (c >> 32) + (d >> 32);
	}
	for (; pair < end; pair++) {
		even += *pair & 0xffffffff;
		odd += *pair >> 32;
	}
	return (float)(even + odd);
}

/* split sums the weights up to a bin and those past it, whose sum it returns. */
static float split(const u32 *w, u32 last, float *past)
{
	u32 even = (last + 2) & ~1u;
	float head = sum(w, 0, even), tail = sum(w, even, BINS);
	*past = last % 2 ? tail : tail + (float)w[last + 1];
	return head + tail;
}

/* Kinds of gap: by doublings those that ended in a request, up to 2^30 ms, and
 * those that the client ended by leaving, however long. */
enum { OCTAVES = 27, LEFT = OCTAVES, KINDS };

static struct kind {
	u32 own;     /* gaps of the client's */
	float share; /* among the tenant's gaps, once own > 1 */
} kinds[KINDS];

static u32 octave(u32 ms) { return 28 - (u32)__builtin_clz(ms | 8); }

/* weight_of sums the tenant's returned gaps of a doubling. */
static float weight_of(u32 octave)
{
	u64 n = 0;
	for (u32 i = octave == 0 ? 0 : 4 * octave - 3; i <= 4 * octave && i < BINS; i++)
		n += buffer.gaps.returned[i];
	return (float)n;
}

/* urn is how likely a client's gaps are, if so many of the tenant's come before
 * its own: a gap of a kind seen c times among n has the likelihood
 * (count x share + c) / (count + n), which is what Polya's urn says. */
struct urn {
	double count, likely;
};

/* draw takes the client's next gap from both urns. Their common factors are
 * left out, and with them their divisions. */
static void draw(struct urn *few, struct urn *many, u32 which, u32 n, float returned, float gone)
{
	struct kind *k = &kinds[which];
	double c = k->own++, a = few->count, b = many->count;
	if (c > 0) { /* the first of a kind cancels the share */
		if (c == 1)
			k->share = (which == LEFT ? gone : weight_of(which)) / (returned + gone + 1);
		a = a * (double)k->share + c;
		b = b * (double)k->share + c;
	}
	few->likely *= a * (many->count + n);
	many->likely *= b * (few->count + n);
}

/* weigh_own sorts the client's gaps into bins up to e->last, and returns how
 * many gaps the tenant's count for this client. Either it draws its gaps from
 * the tenant's, more or less (they count `alike`), or it has habits (they count
 * `prior`): the answer is what gives both together, each weighted with how
 * likely it makes the gaps that were seen. */
static float weigh_own(struct evidence *e, u32 idle, float returned, float gone)
{
	struct urn few = { prior / 1000.0, habits }, many = { alike / 1000.0, 1000 - habits };
	u32 n = 0;
	for (u32 i = 0; i < KINDS; i++)
		kinds[i].own = 0;
	for (u32 i = 0; i < CLIENT_GAPS; i++) {
		u32 gap = buffer.event.client_gaps[i], ms = gap & 0x3fffffff, kind = gap >> 30;
		if (gap == 0)
			break;
		if (kind == GAP_KIND_CUT) {
			e->cut += 1;
			continue;
		}
		draw(&few, &many, kind == GAP_KIND_RETURNED ? octave(ms) : LEFT, n++, returned, gone);
		if (ms <= idle)
			continue;
		u32 b = bin(ms);
		if (b > e->last)
			*(kind == GAP_KIND_RETURNED ? &e->returned : &e->gone) += 1;
		else
			*(kind == GAP_KIND_RETURNED ? &own[b].returned : &own[b].gone) += 1;
	}
	few.likely *= many.count + n;
	many.likely *= few.count + n;
	return (float)((few.likely * few.count + many.likely * many.count) / (few.likely + many.likely));
}

/* weigh lets the tenant's gaps count as many as they should together, less
 * while there are few, and fills the rest with gaps of which nothing is known:
 * a quarter never end, the others are spread evenly over all orders of
 * magnitude up to the price. On these alone the best hold is about a quarter of
 * the price. */
static struct evidence weigh(u32 idle, u32 price)
{
	const struct gaps *g = &buffer.gaps;
	float unit = g->unit ? (float)g->unit : 1, past, left;
	struct evidence e = { .priced = bin(price), .last = bin(price < NEVER / 2 ? 2 * price : NEVER) };
	float cut = sum(g->cut, 0, BINS);
	float returned = split(g->returned, e.last, &past), gone = split(g->gone, e.last, &left);
	e.scale = weigh_own(&e, idle, returned, gone) / ((returned + gone + cut) / unit + IGNORANCE);
	float unknown = e.scale * IGNORANCE;
	e.unknown = unknown * 3 / 4 / (float)(e.priced + 1);
	e.scale /= unit;
	e.cut += cut * e.scale + unknown / 4;
	e.returned += past * e.scale;
	e.gone += left * e.scale;
	return e;
}

/* hold returns the idle time, at least idle, at which closing costs least: the
 * answer to "when to stop waiting", found backwards. From the end of each bin
 * to its start, going on costs what is held in it and what comes after;
 * stopping costs the price times the returns still to come. Only gaps longer
 * than idle speak, so asking again does not by itself change the answer. */
static u32 hold(u32 idle, u32 price)
{
	struct evidence e = weigh(idle, price);
	const struct gaps *g = &buffer.gaps;
	u32 first = bin(idle), high = bin_low(e.last + 1), tau = most(idle, high);
	float b = (float)price, returned = e.returned, cost = b * returned;
	float alive = e.returned + e.gone + e.cut;
	if (high <= idle)
		first = e.last + 1; /* nothing is left to decide: close */
	for (u32 i = e.last + 1; i-- > first;) {
		u32 low = bin_low(i);
		float share = e.scale, unknown = i <= e.priced ? e.unknown : 0;
		if (low < idle) { /* of the first bin, a part is over */
			float part = (float)(high - idle) / (float)(high - low);
			share *= part;
			unknown *= part;
			low = idle;
		}
		float r = (float)g->returned[i] * share + own[i].returned + unknown;
		float x = (float)g->gone[i] * share + own[i].gone + r;
		own[i] = (struct own){ 0, 0 };
		cost += (alive + x / 2) * (float)(high - low);
		alive += x;
		returned += r;
		if (b * returned <= cost) {
			cost = b * returned;
			tau = low;
		}
		high = low;
	}
	return tau;
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

static u64 on_idle(u32 lease)
{
	const struct event *e = &buffer.event;
	u32 price = price_of_reconnect();
	if (e->requests == 0)
		return until(lease ? lease : price, UNUSED);
	u32 b = relaxed(price);
	u32 tau = hold(e->idle_ms, b);
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
		return on_idle(m->idle);
	case PHASE_STREAM_IDLE:
		return on_idle(m->stream_idle);
	case PHASE_TUNNEL:
		return on_tunnel();
	}
	return use_default(NOT_MINE);
}
