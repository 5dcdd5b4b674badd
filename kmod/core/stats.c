// SPDX-License-Identifier: GPL-2.0-only
/* What a channel counts: sums over the CPUs, and times. */
#include <linux/log2.h>
#include <linux/sched/clock.h>
#include "core/core.h"

DEFINE_STATIC_KEY_FALSE(ferry_timing);

struct ferry_stats __percpu *ferry_stats_alloc(void)
{
	return __alloc_percpu_gfp(sizeof(struct ferry_stats), __alignof__(struct ferry_stats),
				  GFP_KERNEL_ACCOUNT);
}

/* The last reference is gone: nobody counts any more. */
void ferry_stats_free(struct ferry_chan *chan)
{
	if (chan->timed)
		static_branch_dec(&ferry_timing);
	free_percpu(chan->times);
	free_percpu(chan->stats);
}

/**
 * ferry_stats_time() - take the times of a channel's requests from now on, or no more
 * @chan: the channel
 * @on: 1 or 0
 *
 * What has been counted stays, and so does the memory until the channel goes.
 * Context: may sleep; one caller at a time
 * Return: 0, -ENOMEM
 */
int ferry_stats_time(struct ferry_chan *chan, u32 on)
{
	struct ferry_times __percpu *times;

	if (on == chan->timed)
		return 0;
	if (on && !chan->times) {
		times = __alloc_percpu_gfp(sizeof(*times), SMP_CACHE_BYTES, GFP_KERNEL_ACCOUNT);
		if (!times)
			return -ENOMEM;
		/* Pairs with the acquire of @timed in ferry_stats_began(). */
		chan->times = times;
	}
	smp_store_release(&chan->timed, on);
	if (on)
		static_branch_inc(&ferry_timing);
	else
		static_branch_dec(&ferry_timing);
	return 0;
}

/* The time at which a request begins; 0: this channel's are not taken. */
u64 ferry_stats_began(const struct ferry_chan *chan)
{
	return smp_load_acquire(&chan->timed) ? local_clock() : 0;
}

/* The clocks of two CPUs may differ by a little: such a time counts as 0. */
void ferry_stats_took(struct ferry_chan *chan, const struct ferry_args *args)
{
	u32 op = args->opcode % FERRY_STAT_OPS;
	s64 ns = local_clock() - args->core.began;
	u32 bucket;

	if (!args->core.began)
		return;
	ns = max(ns, 0LL);
	bucket = min(ilog2(ns | 1), FERRY_LATENCY_BUCKETS - 1);
	this_cpu_inc(chan->times->bucket[op][bucket]);
	this_cpu_inc(chan->stats->op[op].timed);
	this_cpu_add(chan->stats->op[op].ns, ns);
}

static void add_op(const struct ferry_chan *chan, u32 op, struct ferry_op_stats *sum)
{
	const struct ferry_op_stats *s;
	int cpu;

	/* What has ended is read first: it cannot exceed what has begun. */
	for_each_possible_cpu(cpu) {
		s = &per_cpu_ptr(chan->stats, cpu)->op[op];
		sum->ended += READ_ONCE(s->ended);
		sum->errors += READ_ONCE(s->errors);
		sum->bytes_in += READ_ONCE(s->bytes_in);
		sum->bytes_out += READ_ONCE(s->bytes_out);
		sum->timed += READ_ONCE(s->timed);
		sum->ns += READ_ONCE(s->ns);
	}
	smp_rmb();
	for_each_possible_cpu(cpu)
		sum->begun += READ_ONCE(per_cpu_ptr(chan->stats, cpu)->op[op].begun);
}

void ferry_stats_sum_op(const struct ferry_chan *chan, u32 op, struct ferry_op_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	add_op(chan, op, sum);
}

void ferry_stats_sum(const struct ferry_chan *chan, struct ferry_op_stats *sum)
{
	u32 op;

	memset(sum, 0, sizeof(*sum));
	for (op = 0; op < FERRY_STAT_OPS; op++)
		add_op(chan, op, sum);
}

u64 ferry_stats_sum_way(const struct ferry_chan *chan, enum ferry_way way)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(chan->stats, cpu)->way[way]);
	return sum;
}

/* False: no time was ever taken. */
bool ferry_stats_sum_times(const struct ferry_chan *chan, u32 op,
			   u64 sum[FERRY_LATENCY_BUCKETS])
{
	struct ferry_times __percpu *times = READ_ONCE(chan->times);
	unsigned int i;
	int cpu;

	memset(sum, 0, FERRY_LATENCY_BUCKETS * sizeof(*sum));
	if (!times)
		return false;
	for_each_possible_cpu(cpu) {
		for (i = 0; i < FERRY_LATENCY_BUCKETS; i++)
			sum[i] += READ_ONCE(per_cpu_ptr(times, cpu)->bucket[op][i]);
	}
	return true;
}
