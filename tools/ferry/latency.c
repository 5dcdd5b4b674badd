// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Latencies from histograms. */
#include "channel.h"

double latency(const uint64_t buckets[FERRY_LATENCY_BUCKETS], double share)
{
	uint64_t total = 0, below = 0;
	unsigned int i;
	double rank;

	for (i = 0; i < FERRY_LATENCY_BUCKETS; i++)
		total += buckets[i];
	if (!total)
		return 0;
	rank = share * (double)total;
	for (i = 0; i < FERRY_LATENCY_BUCKETS - 1; i++) {
		if (buckets[i] && (double)(below + buckets[i]) >= rank)
			break;
		below += buckets[i];
	}
	if (!buckets[i])	/* rounding: there are none so slow */
		return (double)(1ULL << i);
	return (double)(1ULL << i) * (1 + (rank - (double)below) / (double)buckets[i]);
}
