// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The client's side of the generic netlink family "ferry". */
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

struct answer {
	struct channel *channels;
	size_t nr;
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

static int add_channel(struct nl_msg *msg, void *arg)
{
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
	};
	struct nlattr *attrs[__FERRY_A_END];
	struct answer *answer = arg;
	struct channel *c;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, attrs, __FERRY_A_END - 1, policy) < 0) {
		answer->err = -EPROTO;
		return NL_STOP;
	}
	c = reallocarray(answer->channels, answer->nr + 1, sizeof(*c));
	if (!c) {
		answer->err = -ENOMEM;
		return NL_STOP;
	}
	answer->channels = c;
	c += answer->nr++;
	*c = (struct channel) {
		.id		= get_u32(attrs, FERRY_A_ID),
		.class		= get_u32(attrs, FERRY_A_CLASS),
		.placement	= get_u32(attrs, FERRY_A_PLACEMENT),
		.state		= get_u32(attrs, FERRY_A_STATE),
		.queues		= get_u32(attrs, FERRY_A_QUEUES),
		.depth		= get_u32(attrs, FERRY_A_DEPTH),
		.flags		= get_u32(attrs, FERRY_A_FLAGS),
		.pid		= get_u32(attrs, FERRY_A_PID),
		.requests	= get_u64(attrs, FERRY_A_REQUESTS),
		.errors		= get_u64(attrs, FERRY_A_ERRORS),
		.bytes_in	= get_u64(attrs, FERRY_A_BYTES_IN),
		.bytes_out	= get_u64(attrs, FERRY_A_BYTES_OUT),
	};
	get_string(attrs, FERRY_A_NAME, c->name, sizeof(c->name));
	get_string(attrs, FERRY_A_CLIENT, c->client, sizeof(c->client));
	return NL_OK;
}

static int from_nl(int err)
{
	switch (-err) {
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

static int dump(struct nl_sock *sock, struct answer *answer)
{
	int family, err;

	err = genl_connect(sock);
	if (err < 0)
		return from_nl(err);
	family = genl_ctrl_resolve(sock, FERRY_GENL_NAME);
	if (family < 0)
		return from_nl(family);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, add_channel, answer);
	err = genl_send_simple(sock, family, FERRY_CMD_CHAN_GET, FERRY_GENL_VERSION, NLM_F_DUMP);
	if (err < 0)
		return from_nl(err);
	/* Returns when the dump has ended: one message after another goes to the callback. */
	err = nl_recvmsgs_default(sock);
	return answer->err ? answer->err : from_nl(err < 0 ? err : 0);
}

int channels_get(struct channel **channels, size_t *nr)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct answer answer = { 0 };
	int err;

	if (!sock)
		return -ENOMEM;
	err = dump(sock, &answer);
	nl_socket_free(sock);
	if (err) {
		free(answer.channels);
		return err;
	}
	*channels = answer.channels;
	*nr = answer.nr;
	return 0;
}
