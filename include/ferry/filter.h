/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Filters: backends of the block class that stand before another one and see each request
 * before it, in both placements.
 *
 *	delay:ms=5,percent=10+ramdisk:size=1G
 *	error:write,after=100+delay:ms=1+file:path=/srv/disk
 *
 * What stands behind the first '+' of a filter's arguments is BACKEND[:ARGS] of the disk
 * below, which may be a filter as well. The filter's disk is like that one in all.
 *
 * A filter has no other operations than init(), destroy() and filter(), which is given all
 * requests to read, write, flush, discard and write zeroes. It lets one through by
 * ferry_filter_pass(), now or later, or answers it by ferry_reply_err(). Saving, loading
 * and stopping go through to what is below.
 */
#ifndef FERRY_FILTER_H
#define FERRY_FILTER_H

#include <ferry/block.h>

#define FERRY_FILTERS_MAX	8	/* before one disk */

/* What a request is, the @op of ferry_block_ops.filter */
#define FERRY_FILTER_READ	(1U << 0)
#define FERRY_FILTER_WRITE	(1U << 1)
#define FERRY_FILTER_FLUSH	(1U << 2)	/* has no place: offset and length are 0 */
#define FERRY_FILTER_DISCARD	(1U << 3)
#define FERRY_FILTER_ZEROES	(1U << 4)

/**
 * ferry_filter_init() - what a filter's init() does
 * @args: of that
 * @size: of the filter's own memory, server->priv
 * @set_up: called once the server below has been made: takes @own, what stands before the '+', into
 *	@priv, which is zeroed; may take abilities of the disk away. 0, or -errno after a line in the log
 *
 * Sets server->block to what the one below has, and server->below; where @own says "flush", by
 * which ferry_pick_init() means flushes, the disk has some, though the one below may need none.
 * Return: 0, or -errno after a line in the log
 */
int ferry_filter_init(struct ferry_server *server, const char *args, size_t size,
		      int (*set_up)(struct ferry_server *server, void *priv, const char *own));

/** ferry_filter_end() - a filter's destroy(), frees server->priv as well */
void ferry_filter_end(struct ferry_server *server);

/**
 * ferry_filter_pass() - let the server below answer
 * Context: an operation of the filter, or later in any thread; ends the filter's part
 */
void ferry_filter_pass(struct ferry_req *req);

/**
 * ferry_req_later() - go on with a request later
 * @us: microseconds
 * @fn: what goes on with it; called in a thread of the host's. In kernel placement by the
 *	caller, which sleeps until then: a filter that uses it sets server->block.does_io.
 */
void ferry_req_later(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req));

#define FERRY_PICK_RANGES	16

/**
 * struct ferry_pick - which requests a filter is about
 * @ops: FERRY_FILTER_* that it is about
 * @percent: of those that fit into @ops and @range, by chance
 * @after: how many of these it leaves alone first
 * @count: how many of the next it is about, 0: no limit
 * @nr_ranges: 0: the whole disk
 * @range: in bytes, first and behind the last
 * @seen: how many fitted into all of that; counted where @after or @count ask for it
 */
struct ferry_pick {
	u32 ops;
	u32 percent;
	u64 after;
	u64 count;
	u32 nr_ranges;
	struct {
		u64 first;
		u64 end;
	} range[FERRY_PICK_RANGES];
	struct ferry_atomic seen;
};

/* The options of ferry_pick_init(), for an array of those that are known. */
#define FERRY_PICK_OPTIONS	\
	"read", "write", "flush", "discard", "zeroes", "sectors", "percent", "after", "count"
#define FERRY_PICK_HELP		\
	"[,read|write|flush|discard|zeroes]...[,sectors=A-B[:C-D]...][,percent=N][,after=N][,count=N]"

/**
 * ferry_pick_init() - read the options that say which requests
 * @name: the filter's, for messages
 * Return: 0, or -EINVAL after a line in the log
 */
int ferry_pick_init(struct ferry_pick *pick, const char *name, const char *args);

/** ferry_pick() - is it about this request? Parameters as ferry_block_ops.filter */
bool ferry_pick(struct ferry_pick *pick, u32 op, u64 off, u64 len);

#endif
