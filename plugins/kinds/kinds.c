/* kinds tells what kind of client is at the other end, and holds for the time
 * of that kind. See README.md. */
#include "quiet.h"
#include "params.h"
#include "gaps.h"

/* Reasons, shown in logs, besides those of quiet.h: the kinds. */
enum kind {
	STRANGER = QUIET_REASONS, /* nothing is known of this client */
	ONCE,                     /* leaves without coming back */
	BEAT,                     /* comes back at a steady beat */
	BURST,                    /* many requests at once, then a long silence */
	PEOPLE,                   /* gaps of all lengths */
	KIND_END
};

enum { KINDS = KIND_END - STRANGER, ROUTES = 32, KNOWN = 4 };

static const char *const names[KINDS] = { "stranger", "once", "beat", "burst", "people" };

/* What part of the worth a kind is held for where no time is set: so many
 * 64ths. A beat is held for as long as itself. */
static const u8 parts[KINDS] = { 8, 1, 0, 12, 24 };

static u32 times[KINDS], jitter, within, worth, look;
static u8 routes[ROUTES]; /* the kind of a stranger by route class; 0: not set */

static void defaults(void)
{
	for (u32 i = 0; i < KINDS; i++)
		times[i] = 0;
	for (u32 i = 0; i < ROUTES; i++)
		routes[i] = 0;
	jitter = 100;
	within = 2000;
	worth = 0; /* the operator's */
	look = 100;
}

static enum kind named(const struct param *word)
{
	for (u32 i = 0; i < KINDS; i++)
		if (param_is(word, names[i]))
			return STRANGER + i;
	return 0;
}

/* set_route takes route7=people. */
static const char *set_route(struct param *p)
{
	const char *at = p->key + 5, *end = p->key + p->key_len;
	struct param word = { .key = p->value, .key_len = p->value_len };
	u64 n;
	if (!number(&at, end, &n) || at != end || n >= ROUTES)
		return "want route0 to route31";
	enum kind kind = named(&word);
	if (!kind || kind == BEAT)
		return "want stranger, once, burst or people";
	routes[n] = (u8)kind;
	return 0;
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "look"))
		return param_duration(p, &look);
	if (param_is(p, "within"))
		return param_duration(p, &within);
	if (param_is(p, "jitter")) {
		complaint = param_thousandths(p, &jitter);
		return !complaint && jitter > 500 ? "want a part of the beat, 0 to 0.5" : complaint;
	}
	struct param prefix = { .key = p->key, .key_len = least(p->key_len, 5) };
	if (param_is(&prefix, "route"))
		return set_route(p);
	enum kind kind = named(p);
	return kind ? param_duration(p, &times[kind - STRANGER]) : UNKNOWN_KEY;
}

PARAMS_EXPORT

/* What the client's gaps are like. */
static struct habits {
	u32 gaps;           /* how many are known */
	u32 returned;       /* of these ended in a request */
	u32 pauses;         /* of these are no part of a burst */
	u32 pause[CLIENT_GAPS]; /* ms */
} seen;

/* nth is the k-th least of n values, by Hoare's selection; it reorders them. */
static u32 nth(u32 *v, int n, int k)
{
	for (int low = 0, high = n - 1; low < high;) {
		u32 pivot = v[(low + high) / 2];
		int i = low, j = high;
		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j) {
				u32 swapped = v[i];
				v[i++] = v[j];
				v[j--] = swapped;
			}
		}
		if (k <= j)
			high = j;
		else if (k >= i)
			low = i;
		else
			break;
	}
	return v[k];
}

static void look_back(void)
{
	const u32 *gaps = buffer.event.client_gaps;
	seen.gaps = seen.returned = seen.pauses = 0;
	for (; seen.gaps < CLIENT_GAPS && gaps[seen.gaps]; seen.gaps++) {
		u32 gap = gaps[seen.gaps];
		if (gap_kind(gap) != GAP_KIND_RETURNED)
			continue;
		seen.returned++;
		if (gap_ms(gap) > within)
			seen.pause[seen.pauses++] = gap_ms(gap);
	}
}

/* beat is the end of the steady beat in the pauses, or 0: three in four of
 * them lie within the jitter about their median. */
static u32 beat(void)
{
	if (seen.pauses < KNOWN)
		return 0;
	u32 median = nth(seen.pause, (int)seen.pauses, (int)seen.pauses / 2);
	u32 slack = (u32)((u64)median * jitter / 1000), steady = 0, end = 0;
	for (u32 i = 0; i < seen.pauses; i++)
		if (seen.pause[i] >= median - slack && seen.pause[i] <= median + slack) {
			steady++;
			end = most(end, seen.pause[i]);
		}
	return steady * 4 >= seen.pauses * 3 ? end + (u32)((u64)end * jitter / 1000) + 1 : 0;
}

/* first_sight guesses by what little there is to see: the route, or that
 * browsers speak HTTP/2, and programs that ask once mostly HTTP/1. */
static enum kind first_sight(void)
{
	const struct event *e = &buffer.event;
	if (e->route < ROUTES && routes[e->route])
		return routes[e->route];
	return e->protocol == PROTOCOL_HTTP2 ? PEOPLE : STRANGER;
}

static enum kind tell(u32 *beat_ms)
{
	look_back();
	if (seen.gaps == 0)
		return first_sight();
	if (seen.returned * 4 <= seen.gaps)
		return ONCE;
	if ((*beat_ms = beat()))
		return BEAT;
	if (seen.gaps < KNOWN)
		return first_sight();
	return seen.pauses * 8 <= seen.gaps ? BURST : PEOPLE;
}

static u32 first(void) { return look; }

static u32 target(u32 *reason)
{
	u32 beat_ms = 0, b = price(worth);
	*reason = tell(&beat_ms);
	u32 set = times[*reason - STRANGER];
	if (*reason == BEAT) /* one that costs more to wait for than to lose is not waited for */
		return beat_ms <= (set ? set : b) ? beat_ms : 0;
	return set ? set : (u32)((u64)b * parts[*reason - STRANGER] / 64);
}

QUIET_EXPORT
