/* What a policy in C exports besides its answers: the buffer, the version,
 * and verdicts. Include it in one file only; freestanding, no library needed.
 *
 *	#include "policy.h"
 *	EXPORT("on_accept") u64 on_accept(void) { return use_default(0); }
 *	EXPORT("on_timeout") u64 on_timeout(void) { return close_now(1); }
 *
 * A policy that reads the tenant's histogram defines WANT_GAPS first. */
#ifndef IDLEHOST_POLICY_H
#define IDLEHOST_POLICY_H

#include "idlehost.h"

#define EXPORT(name) __attribute__((export_name(name), used))

static struct {
	union {
		struct event event;
		u8 reserved[EVENT_SIZE];
	};
#ifdef WANT_GAPS
	struct gaps gaps;
#endif
} buffer __attribute__((aligned(8)));

EXPORT("abi_version") u32 abi_version(void) { return ABI_VERSION; }

EXPORT("event_buffer") u64 event_buffer(void)
{
	return (u64)sizeof buffer << 32 | (u32)(unsigned long)&buffer;
}

/* A verdict: bits 0-31 deadline, 32-39 action, 40-47 flags, 48-62 reason. */
static inline u64 verdict(u32 action, u32 flags, u32 reason, u32 deadline_ms)
{
	return (u64)(reason & 0x7fff) << 48 | (u64)flags << 40 | (u64)action << 32 | deadline_ms;
}

static inline u64 use_default(u32 reason) { return verdict(ACTION_DEFAULT, 0, reason, 0); }
static inline u64 use_leases(u32 reason) { return verdict(ACTION_DEFAULT, FLAG_LEASES, reason, 0); }
static inline u64 extend(u32 reason, u32 ms) { return verdict(ACTION_EXTEND, 0, reason, ms); }
static inline u64 close_now(u32 reason) { return verdict(ACTION_CLOSE, 0, reason, 0); }

static inline u32 least(u32 a, u32 b) { return a < b ? a : b; }
static inline u32 most(u32 a, u32 b) { return a > b ? a : b; }

#endif
