// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The client's side of the generic netlink family "ferry". */
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

static struct nla_policy policy[__FERRY_A_END] = {
	[FERRY_A_ID]		= { .type = NLA_U32 },
	[FERRY_A_CLASS]		= { .type = NLA_U32 },
	[FERRY_A_NAME]		= { .type = NLA_STRING },
	[FERRY_A_PLACEMENT]	= { .type = NLA_U32 },
	[FERRY_A_STATE]		= { .type = NLA_U32 },
	[FERRY_A_CLIENT]	= { .type = NLA_STRING },
	[FERRY_A_QUEUES]	= { .type = NLA_U32 },
	[FERRY_A_DEPTH]		= { .type = NLA_U32 },
	[FERRY_A_FLAGS]		= { .type = NLA_U32 },
	[FERRY_A_PID]		= { .type = NLA_U32 },
	[FERRY_A_REQUESTS]	= { .type = NLA_U64 },
	[FERRY_A_ERRORS]	= { .type = NLA_U64 },
	[FERRY_A_BYTES_IN]	= { .type = NLA_U64 },
	[FERRY_A_BYTES_OUT]	= { .type = NLA_U64 },
	[FERRY_A_EVENT]		= { .type = NLA_U32 },
	[FERRY_A_TIME]		= { .type = NLA_U64 },
	[FERRY_A_UID]		= { .type = NLA_U32 },
	[FERRY_A_IN_FLIGHT]	= { .type = NLA_U64 },
	[FERRY_A_HANDED]	= { .type = NLA_U64 },
	[FERRY_A_POSTED]	= { .type = NLA_U64 },
	[FERRY_A_QUEUED]	= { .type = NLA_U64 },
	[FERRY_A_SPUN]		= { .type = NLA_U64 },
	[FERRY_A_SPUN_OUT]	= { .type = NLA_U64 },
	[FERRY_A_SLEPT]		= { .type = NLA_U64 },
	[FERRY_A_OPCODE]	= { .type = NLA_U32 },
	[FERRY_A_TIMED]		= { .type = NLA_U64 },
	[FERRY_A_NSECS]		= { .type = NLA_U64 },
	[FERRY_A_LATENCIES]	= { .minlen = FERRY_LATENCY_BUCKETS * sizeof(uint64_t) },
	[FERRY_A_LATENCY]	= { .type = NLA_U32 },
	[FERRY_A_SPIN_US]	= { .type = NLA_U32 },
	[FERRY_A_ON_DEATH]	= { .type = NLA_U32 },
	[FERRY_A_GRACE]		= { .type = NLA_U32 },
	[FERRY_A_TIMEOUT]	= { .type = NLA_U32 },
	[FERRY_A_STALL]		= { .type = NLA_U32 },
	[FERRY_A_STALLS]	= { .type = NLA_U64 },
};

/**
 * struct talk - an exchange with the module
 * @take: fills one item of @size bytes from a message's attributes
 * @items: the answers
 * @err: what the kernel said, or what went wrong here
 */
struct talk {
	struct nl_sock *sock;
	int family;
	void (*take)(struct nlattr **attrs, void *item);
	char *items;
	size_t nr;
	size_t size;
	int err;
};

static uint32_t get_u32(struct nlattr **attrs, int id)
{
	return attrs[id] ? nla_get_u32(attrs[id]) : 0;
}

static uint64_t get_u64(struct nlattr **attrs, int id)
{
	return attrs[id] ? nla_get_u64(attrs[id]) : 0;
}

static void get_string(struct nlattr **attrs, int id, char *buf, size_t size)
{
	if (attrs[id])
		nla_strlcpy(buf, attrs[id], size);
}

static struct counts get_counts(struct nlattr **attrs)
{
	return (struct counts) {
		.requests	= get_u64(attrs, FERRY_A_REQUESTS),
		.errors		= get_u64(attrs, FERRY_A_ERRORS),
		.bytes_in	= get_u64(attrs, FERRY_A_BYTES_IN),
		.bytes_out	= get_u64(attrs, FERRY_A_BYTES_OUT),
		.in_flight	= get_u64(attrs, FERRY_A_IN_FLIGHT),
	};
}

static void take_channel(struct nlattr **attrs, void *item)
{
	struct channel *c = item;

	*c = (struct channel) {
		.id		= get_u32(attrs, FERRY_A_ID),
		.class		= get_u32(attrs, FERRY_A_CLASS),
		.placement	= get_u32(attrs, FERRY_A_PLACEMENT),
		.state		= get_u32(attrs, FERRY_A_STATE),
		.queues		= get_u32(attrs, FERRY_A_QUEUES),
		.depth		= get_u32(attrs, FERRY_A_DEPTH),
		.flags		= get_u32(attrs, FERRY_A_FLAGS),
		.pid		= get_u32(attrs, FERRY_A_PID),
		.uid		= get_u32(attrs, FERRY_A_UID),
		.latency	= get_u32(attrs, FERRY_A_LATENCY),
		.spin_us	= get_u32(attrs, FERRY_A_SPIN_US),
		.on_death	= get_u32(attrs, FERRY_A_ON_DEATH),
		.grace		= get_u32(attrs, FERRY_A_GRACE),
		.timeout	= get_u32(attrs, FERRY_A_TIMEOUT),
		.stall		= get_u32(attrs, FERRY_A_STALL),
		.stalls		= get_u64(attrs, FERRY_A_STALLS),
		.counts		= get_counts(attrs),
		.handed		= get_u64(attrs, FERRY_A_HANDED),
		.posted		= get_u64(attrs, FERRY_A_POSTED),
		.queued		= get_u64(attrs, FERRY_A_QUEUED),
		.spun		= get_u64(attrs, FERRY_A_SPUN),
		.spun_out	= get_u64(attrs, FERRY_A_SPUN_OUT),
		.slept		= get_u64(attrs, FERRY_A_SLEPT),
	};
	get_string(attrs, FERRY_A_NAME, c->name, sizeof(c->name));
	get_string(attrs, FERRY_A_CLIENT, c->client, sizeof(c->client));
}

static void take_op(struct nlattr **attrs, void *item)
{
	struct op *op = item;

	*op = (struct op) {
		.id	= get_u32(attrs, FERRY_A_ID),
		.class	= get_u32(attrs, FERRY_A_CLASS),
		.opcode	= get_u32(attrs, FERRY_A_OPCODE),
		.counts	= get_counts(attrs),
		.timed	= get_u64(attrs, FERRY_A_TIMED),
		.nsecs	= get_u64(attrs, FERRY_A_NSECS),
	};
	if (attrs[FERRY_A_LATENCIES])
		memcpy(op->latencies, nla_data(attrs[FERRY_A_LATENCIES]), sizeof(op->latencies));
}

static void take_event(struct nlattr **attrs, void *item)
{
	struct event *event = item;

	*event = (struct event) {
		.time		= get_u64(attrs, FERRY_A_TIME),
		.event		= get_u32(attrs, FERRY_A_EVENT),
		.id		= get_u32(attrs, FERRY_A_ID),
		.class		= get_u32(attrs, FERRY_A_CLASS),
		.placement	= get_u32(attrs, FERRY_A_PLACEMENT),
		.state		= get_u32(attrs, FERRY_A_STATE),
	};
	get_string(attrs, FERRY_A_NAME, event->name, sizeof(event->name));
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct nlattr *attrs[__FERRY_A_END];
	struct talk *talk = arg;
	char *items;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, attrs, __FERRY_A_END - 1, policy) < 0) {
		talk->err = -EPROTO;
		return NL_STOP;
	}
	items = reallocarray(talk->items, talk->nr + 1, talk->size);
	if (!items) {
		talk->err = -ENOMEM;
		return NL_STOP;
	}
	talk->items = items;
	talk->take(attrs, items + talk->nr++ * talk->size);
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	struct talk *talk = arg;

	talk->err = error->error;
	return NL_STOP;
}

/* libnl has errors of its own, and fewer; those of the kernel come by on_error(). */
static int from_nl(int err)
{
	switch (err < 0 ? -err : 0) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENODEV;
	default:
		return -EIO;
	}
}

static void hang_up(struct talk *talk)
{
	nl_socket_free(talk->sock);
	free(talk->items);
}

static int call_up(struct talk *talk)
{
	int err;

	talk->sock = nl_socket_alloc();
	if (!talk->sock)
		return -ENOMEM;
	err = genl_connect(talk->sock);
	if (err < 0)
		return from_nl(err);
	talk->family = genl_ctrl_resolve(talk->sock, FERRY_GENL_NAME);
	if (talk->family < 0)
		return from_nl(talk->family);
	nl_socket_modify_cb(talk->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, talk);
	nl_socket_modify_err_cb(talk->sock, NL_CB_CUSTOM, on_error, talk);
	return 0;
}

/* A message with the number of a channel, if @id, and a u32 attribute, if @attr. */
static int ask(struct talk *talk, int cmd, int flags, uint32_t id, int attr, uint32_t value)
{
	struct nl_msg *msg = nlmsg_alloc();
	int err;

	if (!msg)
		return -ENOMEM;
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, talk->family, 0, flags, cmd,
			 FERRY_GENL_VERSION) ||
	    (id && nla_put_u32(msg, FERRY_A_ID, id)) || (attr && nla_put_u32(msg, attr, value))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	err = nl_send_auto(talk->sock, msg);
	nlmsg_free(msg);
	if (err < 0)
		return from_nl(err);
	/* Ends with the end of a dump, or with the acknowledgement. */
	err = nl_recvmsgs_default(talk->sock);
	return talk->err ? talk->err : from_nl(err);
}

static int dump(struct talk *talk, int cmd, uint32_t id, void **items, size_t *nr)
{
	int err = call_up(talk);

	if (!err)
		err = ask(talk, cmd, NLM_F_DUMP, id, 0, 0);
	if (!err) {
		*items = talk->items;
		*nr = talk->nr;
		talk->items = NULL;
	}
	hang_up(talk);
	return err;
}

int channels_get(struct channel **channels, size_t *nr)
{
	struct talk talk = { .take = take_channel, .size = sizeof(**channels) };

	return dump(&talk, FERRY_CMD_CHAN_GET, 0, (void **)channels, nr);
}

int ops_get(uint32_t id, struct op **ops, size_t *nr)
{
	struct talk talk = { .take = take_op, .size = sizeof(**ops) };

	return dump(&talk, FERRY_CMD_STAT_GET, id, (void **)ops, nr);
}

static int change(int cmd, uint32_t id, int attr, uint32_t value)
{
	struct talk talk = { 0 };
	int err = call_up(&talk);

	if (!err)
		err = ask(&talk, cmd, NLM_F_ACK, id, attr, value);
	hang_up(&talk);
	return err;
}

int channel_set(uint32_t id, int attr, uint32_t value)
{
	return change(FERRY_CMD_SET, id, attr, value);
}

int channel_abort(uint32_t id)
{
	return change(FERRY_CMD_ABORT, id, 0, 0);
}

static int join(struct talk *talk)
{
	int group, err;

	group = genl_ctrl_resolve_grp(talk->sock, FERRY_GENL_NAME, FERRY_GENL_EVENTS);
	if (group < 0)
		return from_nl(group);
	nl_socket_disable_seq_check(talk->sock);
	nl_socket_set_buffer_size(talk->sock, 1 << 20, 0);
	err = nl_socket_add_membership(talk->sock, group);
	return from_nl(err);
}

int events_watch(int (*told)(const struct event *event, void *arg), void (*lost)(void *arg),
		 void *arg)
{
	struct talk talk = { .take = take_event, .size = sizeof(struct event) };
	int err, stop = 0;
	size_t i;

	err = call_up(&talk);
	if (!err)
		err = join(&talk);
	while (!err && !stop) {
		err = nl_recvmsgs_default(talk.sock);
		/* That is how ENOBUFS comes. */
		if (err == -NLE_NOMEM) {
			lost(arg);
			err = 0;
		}
		err = talk.err ? talk.err : from_nl(err);
		for (i = 0; !err && !stop && i < talk.nr; i++)
			stop = told((struct event *)talk.items + i, arg);
		talk.nr = 0;
	}
	hang_up(&talk);
	return err ? err : stop;
}
