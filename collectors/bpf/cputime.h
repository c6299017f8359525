/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#pragma once

/*
 * How the kernel splits CPU time into user and system (cputime_adjust() in kernel/sched/cputime.c):
 * usage is exact, user and system are counted by ticks and only give the proportion. Included by
 * the kernel's side and by a test.
 */

#include <linux/types.h>

struct cputime {
	__u64 usage, user, system; /* ns */
};

/*
 * a * b / d, rounded down, where a <= d: a division of 128 by 64 bits in two digits of 32 bits
 * (Knuth, volume 2, 4.3.1, algorithm D), since programs have no such instruction.
 */
static inline __attribute__((always_inline)) __u64 cputime_mul_div(__u64 a, __u64 b, __u64 d)
{
	const __u64 low = 0xffffffff, digit = 1ULL << 32;
	__u64 a1 = a >> 32, a0 = a & low, b1 = b >> 32, b0 = b & low;
	__u64 middle = a1 * b0 + (a0 * b0 >> 32), cross = a0 * b1 + (middle & low);
	__u64 high = a1 * b1 + (middle >> 32) + (cross >> 32);
	__u64 rest = cross << 32 | (a0 * b0 & low), q1, q0, r;

	if (high >= d)
		return b;
	if (high == 0)
		return rest / d;
		/* So that the divisor's first bit is set. */
#define CPUTIME_SHIFT(n)                                 \
	if (!(d >> (64 - (n)))) {                        \
		d <<= (n);                               \
		high = high << (n) | rest >> (64 - (n)); \
		rest <<= (n);                            \
	}
	CPUTIME_SHIFT(32)
	CPUTIME_SHIFT(16)
	CPUTIME_SHIFT(8)
	CPUTIME_SHIFT(4)
	CPUTIME_SHIFT(2)
	CPUTIME_SHIFT(1)
#undef CPUTIME_SHIFT
	/* A digit guessed from the divisor's first one is too large by two at most. */
#define CPUTIME_DIGIT(q, next)                                                       \
	q = high / (d >> 32);                                                        \
	r = high - q * (d >> 32);                                                    \
	if (q >= digit || q * (d & low) > (r << 32 | (next))) {                      \
		q--;                                                                 \
		r += d >> 32;                                                        \
		if (r < digit && (q >= digit || q * (d & low) > (r << 32 | (next)))) \
			q--;                                                         \
	}                                                                            \
	high = (high << 32 | (next)) - q * d;
	CPUTIME_DIGIT(q1, rest >> 32)
	CPUTIME_DIGIT(q0, rest & low)
#undef CPUTIME_DIGIT
	return (q1 << 32) + q0;
}

/*
 * What a reader of the file would be told now, if the last one was told `user` and `system`:
 * neither goes back, and together they are the usage.
 */
static inline __attribute__((always_inline)) struct cputime
cputime_adjust(const struct cputime *now, __u64 user, __u64 system)
{
	struct cputime split = { now->usage, user, system };

	if (user + system >= now->usage)
		return split;
	if (now->system == 0)
		split.system = 0;
	else if (now->user == 0)
		split.system = now->usage;
	else
		split.system = cputime_mul_div(now->system, now->usage, now->user + now->system);
	if (split.system > now->usage)
		split.system = now->usage;
	if (split.system < system)
		split.system = system;
	split.user = now->usage - split.system;
	if (split.user < user) {
		split.user = user;
		split.system = now->usage - user;
	}
	return split;
}
