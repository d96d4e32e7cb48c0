/* What every policy for quiet connections does alike: those of clients, between
 * two requests, of HTTP/1 (phase idle) or HTTP/2 (phase stream_idle). All else
 * is left to the host, and so is a connection without a request so far. Include
 * it after policy.h, define
 *
 *	static u32 first(void);          the idle time of the first ask, ms
 *	static u32 target(u32 *reason);  the idle time at which to close, ms
 *
 * and then say QUIET_EXPORT. target may answer LEAVE. Its own reasons begin at
 * QUIET_REASONS. */
#ifndef IDLEHOST_QUIET_H
#define IDLEHOST_QUIET_H

#include "policy.h"

/* Reasons, shown in logs. */
enum {
	NOT_MINE = 0,     /* a phase or side that is left to the host */
	UNKNOWN_HOST = 1, /* the host writes a smaller event than this policy reads */
	UNUSED = 2,       /* no request has come yet: the host's own timeout */
	NO_DATA = 3,      /* nothing is known yet: the host's own timeout */
	AT_CEILING = 4,   /* the operator's ceiling cut the answer */
	AT_FLOOR = 5,     /* the operator's floor raised it */
	PRESSED = 6,      /* the host fills: a part of the answer */
	QUIET_REASONS = 7
};

#define LEAVE NEVER /* a target: the host's own timeout */

/* The pressures between which all targets shrink to nothing. */
enum { PRESSED_FROM = 800, PRESSED_TO = 950 };

/* price is what sparing a client one reconnect is worth, in ms of holding:
 * set, else what the host is configured with, else a minute. Never 0. */
static inline u32 price(u32 set)
{
	u32 b = set ? set : buffer.event.worth_ms;
	return b ? b : 60000;
}

static u32 pressed(u32 tau, u32 *reason)
{
	u32 p = buffer.event.pressure;
	if (p <= PRESSED_FROM)
		return tau;
	*reason = PRESSED;
	return p >= PRESSED_TO ? 0 : (u32)((u64)tau * (PRESSED_TO - p) / (PRESSED_TO - PRESSED_FROM));
}

/* until closes at an idle time of tau. The host would cut the answer to the
 * operator's limits by itself; the reason then says so. */
static u64 until(u32 tau, u32 reason)
{
	const struct event *e = &buffer.event;
	tau = pressed(tau, &reason);
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

/* look_after answers at accept: ask once a connection has idled for ms. */
static u64 look_after(u32 ms)
{
	struct event *e = &buffer.event;
	e->leases[PHASE_IDLE] = e->leases[PHASE_STREAM_IDLE] = most(most(ms, e->floor_ms), 1);
	return use_leases(0);
}

/* stranger tells whether the question is one to leave to the host at all. */
static int stranger(u32 *reason)
{
	const struct event *e = &buffer.event;
	*reason = e->size < EVENT_USED ? UNKNOWN_HOST : NOT_MINE;
	return e->size < EVENT_USED || e->side != SIDE_ACCEPTED;
}

#define QUIET_EXPORT \
	EXPORT("on_accept") u64 on_accept(void) \
	{ \
		u32 reason; \
		return stranger(&reason) ? use_default(reason) : look_after(first()); \
	} \
	EXPORT("on_timeout") u64 on_timeout(void) \
	{ \
		u32 reason, phase = buffer.event.phase; \
		if (stranger(&reason) || (phase != PHASE_IDLE && phase != PHASE_STREAM_IDLE)) \
			return use_default(reason); \
		if (buffer.event.requests == 0) \
			return use_default(UNUSED); \
		u32 tau = target(&reason); \
		return tau == LEAVE ? use_default(reason) : until(tau, reason); \
	}

#endif
