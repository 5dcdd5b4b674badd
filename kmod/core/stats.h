/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a channel counts. All of it is per CPU: no request writes a cache line that
 * another CPU writes. Times are taken only while somebody has asked for them (a clock
 * costs more than all the counting).
 */
#ifndef FERRY_STATS_H
#define FERRY_STATS_H

#include <linux/cache.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <uapi/linux/ferry.h>
#include <uapi/linux/ferry_netlink.h>

struct ferry_args;
struct ferry_chan;

/* Opcodes are counted modulo this: all that are spoken are below it. */
#define FERRY_STAT_OPS	64

/**
 * struct ferry_op_stats - requests of one opcode, on one CPU; a cache line
 * @begun: requests that came; less @ended: those under way, over all CPUs
 * @ended: requests that are over
 * @errors: of those, the ones that failed
 * @bytes_in: data that went to the server
 * @bytes_out: data that came from it
 * @timed: requests whose time was taken
 * @ns: the sum of those times
 */
struct ferry_op_stats {
	u64	begun;
	u64	ended;
	u64	errors;
	u64	bytes_in;
	u64	bytes_out;
	u64	timed;
	u64	ns;
} ____cacheline_aligned;

/**
 * enum ferry_way - how requests and answers got across; user placement only
 * @FERRY_WAY_HANDED: given to a server that waited
 * @FERRY_WAY_POSTED: given to a server that spun
 * @FERRY_WAY_QUEUED: put where the next server finds it
 * @FERRY_WAY_SPUN: the client spun and saw its answer come
 * @FERRY_WAY_SPUN_OUT: the client spun in vain
 * @FERRY_WAY_SLEPT: the client slept
 */
enum ferry_way {
	FERRY_WAY_HANDED,
	FERRY_WAY_POSTED,
	FERRY_WAY_QUEUED,
	FERRY_WAY_SPUN,
	FERRY_WAY_SPUN_OUT,
	FERRY_WAY_SLEPT,
	FERRY_WAYS,
};

struct ferry_stats {
	struct ferry_op_stats	op[FERRY_STAT_OPS];
	u64			way[FERRY_WAYS];
};

/* Latencies of each opcode: bucket n counts times of 2^n ns and more, the last all beyond. */
struct ferry_times {
	u64	bucket[FERRY_STAT_OPS][FERRY_LATENCY_BUCKETS];
};

/* On while any channel is timed. */
DECLARE_STATIC_KEY_FALSE(ferry_timing);

#define ferry_stat_way(chan, which)	this_cpu_inc((chan)->stats->way[which])

struct ferry_stats __percpu *ferry_stats_alloc(void);
void ferry_stats_free(struct ferry_chan *chan);
int ferry_stats_time(struct ferry_chan *chan, u32 on);
u64 ferry_stats_began(const struct ferry_chan *chan);
void ferry_stats_took(struct ferry_chan *chan, const struct ferry_args *args);
void ferry_stats_sum_op(const struct ferry_chan *chan, u32 op, struct ferry_op_stats *sum);
void ferry_stats_sum(const struct ferry_chan *chan, struct ferry_op_stats *sum);
u64 ferry_stats_sum_way(const struct ferry_chan *chan, enum ferry_way way);
bool ferry_stats_sum_times(const struct ferry_chan *chan, u32 op,
			   u64 sum[FERRY_LATENCY_BUCKETS]);

#endif
