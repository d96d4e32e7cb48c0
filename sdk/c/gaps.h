/* Gaps and their bins, for a policy that reads client_gaps or the histogram.
 * Bins are those of ABI.md: bin 0 under 16 ms, then four to each doubling. */
#ifndef IDLEHOST_GAPS_H
#define IDLEHOST_GAPS_H

#include "idlehost.h"

static inline u32 bin(u32 ms)
{
	if (ms < 16)
		return 0;
	u32 o = 31 - (u32)__builtin_clz(ms);
	u32 i = 1 + (o - 4) * 4 + (ms >> (o - 2) & 3);
	return i < BINS ? i : BINS - 1;
}

/* bin_low is where bin i begins, in ms; bin_low(i + 1) is where it ends, which
 * also holds for the last, whose gaps may be longer. */
static inline u32 bin_low(u32 i)
{
	return i == 0 ? 0 : (4 + (i - 1) % 4) << ((i - 1) / 4 + 2);
}

/* Of an entry of client_gaps. An entry of 0 is unused, and so are all after it. */
static inline u32 gap_ms(u32 gap) { return gap & 0x3fffffff; }
static inline u32 gap_kind(u32 gap) { return gap >> 30; }

#endif
