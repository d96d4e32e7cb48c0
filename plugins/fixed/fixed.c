/* fixed gives every phase a constant time. See README.md. */
#include "policy.h"
#include "params.h"

/* Reasons, shown in logs. */
enum {
	NOT_SET = 0,     /* no parameter speaks of this phase */
	CONSTANT = 1,    /* the constant of the phase */
	UNKNOWN_HOST = 2 /* the host writes a smaller event than this policy reads */
};

enum { STEPS = 8, PHASE_COUNT = PHASE_DRAINING + 1, TIMEOUT = PHASE_COUNT, DIALLED, KEYS };

static const char *const keys[KEYS] = {
	"handshake", "header", "body", "upstream", "write", "idle", "stream_idle",
	"tunnel", "half_closed", "draining", "timeout", "dialled"
};

/* steps is one parameter's value: one time, or one after each request. */
static struct steps {
	u32 count; /* 0: not set */
	u32 ms[STEPS];
} table[KEYS];

static void defaults(void)
{
	for (u32 i = 0; i < KEYS; i++)
		table[i].count = 0;
	table[TIMEOUT].count = 1;
	table[TIMEOUT].ms[0] = 75000;
}

static const char *set_steps(struct param *p, struct steps *s)
{
	const char *at = p->value, *end = at + p->value_len;
	for (s->count = 0; s->count < STEPS;) {
		if (!duration(&at, end, &s->ms[s->count++]))
			return WANT_DURATION;
		if (at == end)
			return 0;
		if (*at++ != ',')
			return WANT_DURATION;
	}
	return "want at most 8 times";
}

static const char *set(struct param *p)
{
	for (u32 i = 0; i < KEYS; i++) {
		if (!param_is(p, keys[i]))
			continue;
		struct steps *s = &table[i];
		const char *complaint = set_steps(p, s);
		if (complaint || s->count == 1)
			return complaint;
		if (i != PHASE_IDLE && i != PHASE_STREAM_IDLE && i != TIMEOUT)
			return "want a single time";
		for (u32 k = 0; k < s->count; k++)
			if (s->ms[k] == 0)
				return "want no zero in a list";
		return 0;
	}
	return UNKNOWN_KEY;
}

PARAMS_EXPORT

/* of returns what is set for a phase of this connection, or 0. */
static const struct steps *of(u32 phase)
{
	int quiet = phase == PHASE_IDLE || phase == PHASE_STREAM_IDLE;
	int accepted = buffer.event.side == SIDE_ACCEPTED;
	const struct steps *s = 0;
	if (accepted)
		s = table[phase].count || !quiet ? &table[phase] : &table[TIMEOUT];
	else if (quiet)
		s = &table[DIALLED];
	return s && s->count ? s : 0;
}

EXPORT("on_accept") u64 on_accept(void)
{
	struct event *e = &buffer.event;
	if (e->size < EVENT_USED)
		return use_default(UNKNOWN_HOST);
	for (u32 phase = 0; phase < PHASE_COUNT; phase++) {
		const struct steps *s = of(phase);
		if (!s)
			continue;
		/* Asked at the shortest, the policy can still extend. */
		u32 lease = s->ms[0];
		for (u32 k = 1; k < s->count; k++)
			lease = least(lease, s->ms[k]);
		e->leases[phase] = lease;
	}
	return use_leases(CONSTANT);
}

/* Where bytes are due the host ends the connection in its own way, with an
 * answer where there is still one to give. */
static int host_ends(u32 phase)
{
	return phase < PHASE_IDLE || phase == PHASE_DRAINING;
}

EXPORT("on_timeout") u64 on_timeout(void)
{
	struct event *e = &buffer.event;
	if (e->size < EVENT_USED)
		return use_default(UNKNOWN_HOST);
	if (e->phase >= PHASE_COUNT || host_ends(e->phase))
		return use_default(NOT_SET);
	const struct steps *s = of(e->phase);
	if (!s)
		return use_default(NOT_SET);
	u32 n = e->requests ? least(e->requests, s->count) - 1 : 0;
	if (e->idle_ms < s->ms[n])
		return extend(CONSTANT, s->ms[n] - e->idle_ms);
	return close_now(CONSTANT);
}
