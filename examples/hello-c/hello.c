/* The smallest policy in C: a quiet connection may stay for five seconds, or
 * for a minute once it has carried ten requests. */
#include "policy.h"

EXPORT("on_accept") u64 on_accept(void)
{
	buffer.event.leases[PHASE_IDLE] = 5000;
	return use_leases(0);
}

EXPORT("on_timeout") u64 on_timeout(void)
{
	const struct event *e = &buffer.event;
	if (e->phase == PHASE_IDLE && e->requests >= 10 && e->idle_ms < 60000)
		return extend(0, 60000 - e->idle_ms);
	return use_default(0);
}
