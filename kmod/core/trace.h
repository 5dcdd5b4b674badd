/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: a request's way over the line. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ferry

#if !defined(FERRY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FERRY_TRACE_H

#include <linux/tracepoint.h>
#include "core/core.h"

TRACE_EVENT(ferry_call,
	TP_PROTO(const struct ferry_chan *chan, const struct ferry_args *args),
	TP_ARGS(chan, args),
	TP_STRUCT__entry(
		__field(u32, chan)
		__field(u32, opcode)
		__field(u64, node)
		__field(size_t, data_len)
	),
	TP_fast_assign(
		__entry->chan = chan->id;
		__entry->opcode = args->opcode;
		__entry->node = args->node;
		__entry->data_len = args->data ? args->data_len : 0;
	),
	TP_printk("chan=%u opcode=%u node=%llu data=%zu", __entry->chan, __entry->opcode,
		  __entry->node, __entry->data_len)
);

TRACE_EVENT(ferry_end,
	TP_PROTO(const struct ferry_chan *chan, const struct ferry_args *args, int err),
	TP_ARGS(chan, args, err),
	TP_STRUCT__entry(
		__field(u32, chan)
		__field(u32, opcode)
		__field(u64, node)
		__field(int, err)
		__field(size_t, data_done)
	),
	TP_fast_assign(
		__entry->chan = chan->id;
		__entry->opcode = args->opcode;
		__entry->node = args->node;
		__entry->err = err;
		__entry->data_done = args->data_done;
	),
	TP_printk("chan=%u opcode=%u node=%llu err=%d data=%zu", __entry->chan,
		  __entry->opcode, __entry->node, __entry->err, __entry->data_done)
);

TRACE_EVENT(ferry_fetch,
	TP_PROTO(const struct ferry_chan *chan, u32 tag, u32 opcode, u64 unique),
	TP_ARGS(chan, tag, opcode, unique),
	TP_STRUCT__entry(
		__field(u32, chan)
		__field(u32, tag)
		__field(u32, opcode)
		__field(u64, unique)
	),
	TP_fast_assign(
		__entry->chan = chan->id;
		__entry->tag = tag;
		__entry->opcode = opcode;
		__entry->unique = unique;
	),
	TP_printk("chan=%u tag=%u opcode=%u unique=%llu", __entry->chan, __entry->tag,
		  __entry->opcode, __entry->unique)
);

TRACE_EVENT(ferry_answer,
	TP_PROTO(const struct ferry_chan *chan, u32 tag, int err),
	TP_ARGS(chan, tag, err),
	TP_STRUCT__entry(
		__field(u32, chan)
		__field(u32, tag)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->chan = chan->id;
		__entry->tag = tag;
		__entry->err = err;
	),
	TP_printk("chan=%u tag=%u err=%d", __entry->chan, __entry->tag, __entry->err)
);

TRACE_EVENT(ferry_event,
	TP_PROTO(const struct ferry_chan *chan, u32 event),
	TP_ARGS(chan, event),
	TP_STRUCT__entry(
		__field(u32, chan)
		__field(u32, event)
	),
	TP_fast_assign(
		__entry->chan = chan->id;
		__entry->event = event;
	),
	TP_printk("chan=%u event=%s", __entry->chan, __print_symbolic(__entry->event,
		{ FERRY_EVENT_CREATED, "created" }, { FERRY_EVENT_BOUND, "bound" },
		{ FERRY_EVENT_ATTACHED, "attached" }, { FERRY_EVENT_DETACHED, "detached" },
		{ FERRY_EVENT_RECOVERED, "recovered" }, { FERRY_EVENT_DIED, "died" },
		{ FERRY_EVENT_TIMEOUT, "timeout" }, { FERRY_EVENT_ABORTED, "aborted" },
		{ FERRY_EVENT_MOVED, "moved" }, { FERRY_EVENT_GONE, "gone" },
		{ FERRY_EVENT_STALLED, "stalled" }))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH core
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
