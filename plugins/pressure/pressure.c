/* pressure shortens a constant idle timeout as the host fills. See README.md. */
#include "policy.h"
#include "params.h"

/* Reasons, shown in logs. */
enum {
	NOT_MINE = 0,    /* a phase or side that is left to the host */
	CALM = 1,        /* below the scaling threshold: the whole time */
	SCALED = 2,      /* between the thresholds: a part of it */
	SATURATED = 3,   /* above: the least */
	UNKNOWN_HOST = 4 /* the host writes a smaller event than this policy reads */
};

static u32 idle, min, scaling, saturation;

static void defaults(void)
{
	idle = 75000;
	min = 5000;
	scaling = 700;
	saturation = 950;
}

static const char *set(struct param *p)
{
	if (param_is(p, "idle"))
		return param_duration(p, &idle);
	if (param_is(p, "min"))
		return param_duration(p, &min);
	u32 *to = param_is(p, "scaling") ? &scaling : param_is(p, "saturation") ? &saturation : 0;
	if (!to)
		return UNKNOWN_KEY;
	const char *complaint = param_thousandths(p, to);
	return !complaint && *to > 1000 ? "want a pressure, 0 to 1" : complaint;
}

PARAMS_EXPORT

/* target is Envoy's reduce_timeouts: from idle at the scaling threshold down
 * to min at saturation, in a straight line. */
static u32 target(u32 *reason)
{
	u32 p = buffer.event.pressure, low = least(min, idle);
	if (p >= saturation) {
		*reason = SATURATED;
		return low;
	}
	if (p <= scaling) {
		*reason = CALM;
		return idle;
	}
	*reason = SCALED;
	return low + (u32)((u64)(idle - low) * (saturation - p) / (saturation - scaling));
}

EXPORT("on_accept") u64 on_accept(void)
{
	struct event *e = &buffer.event;
	if (e->size < EVENT_USED)
		return use_default(UNKNOWN_HOST);
	if (e->side != SIDE_ACCEPTED)
		return use_default(NOT_MINE);
	/* The first look comes at the shortest time there may be. */
	e->leases[PHASE_IDLE] = e->leases[PHASE_STREAM_IDLE] = most(least(min, idle), 1);
	return use_leases(CALM);
}

EXPORT("on_timeout") u64 on_timeout(void)
{
	struct event *e = &buffer.event;
	if (e->size < EVENT_USED)
		return use_default(UNKNOWN_HOST);
	if (e->side != SIDE_ACCEPTED || (e->phase != PHASE_IDLE && e->phase != PHASE_STREAM_IDLE))
		return use_default(NOT_MINE);
	u32 reason, end = target(&reason);
	if (e->idle_ms >= end)
		return close_now(reason);
	/* Look again soon: the pressure may have risen by then. */
	return extend(reason, least(end - e->idle_ms, most(min, 1000)));
}
