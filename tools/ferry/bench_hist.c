// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: how long single operations took. A bucket is a sixteenth of a power of
 * two wide, so that a percentile is right within 6 %.
 */
#include "bench.h"

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power, b;

	if (ns < BENCH_HIST_SUB)
		return (unsigned int)ns;
	power = 63 - (unsigned int)__builtin_clzll(ns);
	b = (power - BENCH_HIST_BITS + 1) * BENCH_HIST_SUB +
	    (unsigned int)(ns >> (power - BENCH_HIST_BITS)) % BENCH_HIST_SUB;
	return b < BENCH_HIST_BUCKETS ? b : BENCH_HIST_BUCKETS - 1;
}

/* The least number of nanoseconds that @b holds. */
static double start_of(unsigned int b)
{
	unsigned int row = b / BENCH_HIST_SUB, sub = b % BENCH_HIST_SUB;

	return row ? (double)((uint64_t)(BENCH_HIST_SUB + sub) << (row - 1)) : sub;
}

void bench_hist_add(struct bench_hist *hist, double ns, uint64_t nr)
{
	hist->n[bucket_of(ns > 0 ? (uint64_t)ns : 0)] += nr;
	hist->total += nr;
}

void bench_hist_merge(struct bench_hist *to, const struct bench_hist *from)
{
	for (unsigned int b = 0; b < BENCH_HIST_BUCKETS; b++)
		to->n[b] += from->n[b];
	to->total += from->total;
}

/* In nanoseconds; between the ends of a bucket in proportion. 0 if there is nothing. */
double bench_hist_quantile(const struct bench_hist *hist, double q)
{
	double want = q * (double)hist->total, have = 0;

	for (unsigned int b = 0; b < BENCH_HIST_BUCKETS; b++) {
		if (hist->n[b] && have + (double)hist->n[b] >= want)
			return start_of(b) + (want - have) / (double)hist->n[b] *
			       (start_of(b + 1) - start_of(b));
		have += (double)hist->n[b];
	}
	return 0;
}

/* Of a hundred samples the 99.9th percentile would be the longest, whatever that was. */
bool bench_hist_tells(const struct bench_hist *hist, double q)
{
	return (double)hist->total * (1 - q) > 1 - 1e-9;
}

/*
 * How many took 2^@power nanoseconds or more, but less than twice that. What took less than the
 * clock's own cost, which was taken off, is with the first.
 */
uint64_t bench_hist_power(const struct bench_hist *hist, unsigned int power)
{
	uint64_t low = 1ULL << power, sum = power ? 0 : hist->n[0];

	for (unsigned int b = bucket_of(low); b < bucket_of(2 * low); b++)
		sum += hist->n[b];
	return sum;
}
