/* The exponential and the natural logarithm without a library: the same bits
 * on every machine, since WebAssembly's + - * / are. Relative error under
 * 1e-13. */
#ifndef IDLEHOST_EXPLOG_H
#define IDLEHOST_EXPLOG_H

#include "idlehost.h"

#define LN2 0.693147180559945309417

/* power_of_two is 2^k for -1022 <= k <= 1023. */
static inline double power_of_two(int k)
{
	union { u64 bits; double value; } n = { (u64)(k + 1023) << 52 };
	return n.value;
}

/* exp_of is e^x; 0 below x = -700, and as at 700 above it. x is no NaN. */
static double exp_of(double x)
{
	if (x < -700)
		return 0;
	if (x > 700)
		x = 700;
	int k = (int)(x / LN2 + (x < 0 ? -0.5 : 0.5));
	double r = x - k * LN2, sum = 1;
	for (int n = 13; n > 0; n--)
		sum = 1 + sum * r / n;
	return sum * power_of_two(k);
}

/* ln_of is the natural logarithm of a normal number x > 0. */
static inline double ln_of(double x)
{
	union { double value; u64 bits; } n = { x };
	int k = (int)(n.bits >> 52) - 1023;
	n.bits = (n.bits & 0xfffffffffffffull) | 1023ull << 52;
	if (n.value > 1.41421356237309504880) {
		n.value /= 2;
		k++;
	}
	double s = (n.value - 1) / (n.value + 1), square = s * s, sum = 0;
	for (int i = 17; i > 0; i -= 2)
		sum = sum * square + 1.0 / i;
	return k * LN2 + 2 * s * sum;
}

#endif
