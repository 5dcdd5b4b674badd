// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink family "ferry": see uapi/linux/ferry_netlink.h. */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <net/genetlink.h>
#include "core/core.h"
#include "core/trace.h"

static struct genl_family family;

static const struct nla_policy policy[__FERRY_A_END] = {
	[FERRY_A_ID]		= { .type = NLA_U32 },
	[FERRY_A_LATENCY]	= { .type = NLA_U32 },
	[FERRY_A_SPIN_US]	= { .type = NLA_U32 },
	[FERRY_A_ON_DEATH]	= { .type = NLA_U32 },
	[FERRY_A_GRACE]		= { .type = NLA_U32 },
	[FERRY_A_TIMEOUT]	= { .type = NLA_U32 },
	[FERRY_A_STALL]		= { .type = NLA_U32 },
};

/**
 * struct setting - an attribute that FERRY_CMD_SET changes and FERRY_CMD_CHAN_GET tells
 * @attr: a u32; in policy[] too
 * @min: the least value
 * @max: the greatest
 * @field: of struct ferry_chan, a u32 that is read without lock
 * @apply: sets the field, and what else it takes; NULL: storing is all. May sleep;
 *	one at a time.
 */
struct setting {
	int	attr;
	u32	min;
	u32	max;
	size_t	field;
	int	(*apply)(struct ferry_chan *chan, u32 value);
};

static int set_timeout(struct ferry_chan *chan, u32 seconds)
{
	return ferry_recover_set_clock(chan, &chan->timeout, seconds);
}

static int set_stall(struct ferry_chan *chan, u32 seconds)
{
	return ferry_recover_set_clock(chan, &chan->stall, seconds);
}

static const struct setting settings[] = {
	{ FERRY_A_LATENCY, 0, 1, offsetof(struct ferry_chan, timed), ferry_stats_time },
	{ FERRY_A_SPIN_US, 0, FERRY_SPIN_US_MAX, offsetof(struct ferry_chan, spin_us), NULL },
	{ FERRY_A_ON_DEATH, 0, FERRY_DEATH_KERNEL, offsetof(struct ferry_chan, on_death),
	  ferry_recover_set_death },
	{ FERRY_A_GRACE, 1, FERRY_GRACE_MAX, offsetof(struct ferry_chan, grace),
	  ferry_recover_set_grace },
	{ FERRY_A_TIMEOUT, 0, FERRY_TIMEOUT_MAX, offsetof(struct ferry_chan, timeout),
	  set_timeout },
	{ FERRY_A_STALL, 0, FERRY_TIMEOUT_MAX, offsetof(struct ferry_chan, stall), set_stall },
};

static u32 *field_of(struct ferry_chan *chan, const struct setting *s)
{
	return (void *)chan + s->field;
}

/* --- who may ---------------------------------------------------------------- */

/*
 * The socket's opener and the sender must both have the capability: a privileged
 * program may be handed another's socket.
 */
static bool may_change(const struct sk_buff *skb, const struct ferry_chan *chan)
{
	return netlink_ns_capable(skb, chan->owner_ns, CAP_SYS_ADMIN) ||
	       netlink_ns_capable(skb, chan->owner_ns, CAP_NET_ADMIN);
}

static bool may_see(const struct sk_buff *skb, const struct ferry_chan *chan)
{
	return uid_eq(NETLINK_CB(skb).creds.uid, chan->owner) || may_change(skb, chan);
}

/* The channel that a request names, with a reference; ERR_PTR: see uapi. */
static struct ferry_chan *chan_of(const struct sk_buff *skb, const struct genl_info *info,
				  bool change)
{
	const struct nlattr *id = info->attrs[FERRY_A_ID];
	struct ferry_chan *chan;

	if (!id) {
		NL_SET_ERR_MSG(info->extack, "the number of a channel is missing");
		return ERR_PTR(-EINVAL);
	}
	chan = ferry_chan_by_id(nla_get_u32(id));
	if (chan) {
		if (change ? may_change(skb, chan) : may_see(skb, chan))
			return chan;
		ferry_chan_put(chan);
	}
	if (change && !netlink_capable(skb, CAP_SYS_ADMIN) &&
	    !netlink_capable(skb, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(info->extack, "changes need CAP_SYS_ADMIN or CAP_NET_ADMIN");
		return ERR_PTR(-EPERM);
	}
	NL_SET_ERR_MSG(info->extack, "no channel has this number");
	return ERR_PTR(-ENOENT);
}

/* --- what a channel is --------------------------------------------------------- */

static u32 state_of(const struct ferry_chan *chan)
{
	if (ferry_chan_is_dead(chan))
		return FERRY_STATE_DEAD;
	if (READ_ONCE(chan->detached))
		return FERRY_STATE_DETACHED;
	return READ_ONCE(chan->bound) ? FERRY_STATE_LIVE : FERRY_STATE_WAITING;
}

static int put_head(struct sk_buff *skb, const struct ferry_chan *chan)
{
	if (nla_put_u32(skb, FERRY_A_ID, chan->id) ||
	    nla_put_u32(skb, FERRY_A_CLASS, chan->class) ||
	    nla_put_string(skb, FERRY_A_NAME, chan->name) ||
	    nla_put_u32(skb, FERRY_A_PLACEMENT, chan->ops->placement) ||
	    nla_put_u32(skb, FERRY_A_STATE, state_of(chan)))
		return -EMSGSIZE;
	return 0;
}

static int put_client(struct sk_buff *skb, struct ferry_chan *chan)
{
	char name[64];
	int err = 0;

	mutex_lock(&chan->client_lock);
	if (chan->client && chan->client_ops->describe &&
	    chan->client_ops->describe(chan->client, name, sizeof(name)) >= 0)
		err = nla_put_string(skb, FERRY_A_CLIENT, name);
	mutex_unlock(&chan->client_lock);
	return err;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, FERRY_A_PAD);
}

static int put_counts(struct sk_buff *skb, const struct ferry_op_stats *sum)
{
	if (put_u64(skb, FERRY_A_REQUESTS, sum->ended) ||
	    put_u64(skb, FERRY_A_ERRORS, sum->errors) ||
	    put_u64(skb, FERRY_A_BYTES_IN, sum->bytes_in) ||
	    put_u64(skb, FERRY_A_BYTES_OUT, sum->bytes_out) ||
	    put_u64(skb, FERRY_A_IN_FLIGHT, sum->begun - sum->ended))
		return -EMSGSIZE;
	return 0;
}

static int put_ways(struct sk_buff *skb, const struct ferry_chan *chan)
{
	static const int attrs[FERRY_WAYS] = {
		[FERRY_WAY_HANDED]	= FERRY_A_HANDED,
		[FERRY_WAY_POSTED]	= FERRY_A_POSTED,
		[FERRY_WAY_QUEUED]	= FERRY_A_QUEUED,
		[FERRY_WAY_SPUN]	= FERRY_A_SPUN,
		[FERRY_WAY_SPUN_OUT]	= FERRY_A_SPUN_OUT,
		[FERRY_WAY_SLEPT]	= FERRY_A_SLEPT,
	};
	enum ferry_way way;

	if (ferry_chan_is_local(chan))
		return 0;
	for (way = 0; way < FERRY_WAYS; way++) {
		if (put_u64(skb, attrs[way], ferry_stats_sum_way(chan, way)))
			return -EMSGSIZE;
	}
	return 0;
}

static int put_settings(struct sk_buff *skb, struct ferry_chan *chan)
{
	const struct setting *s;

	for (s = settings; s < settings + ARRAY_SIZE(settings); s++) {
		if (nla_put_u32(skb, s->attr, READ_ONCE(*field_of(chan, s))))
			return -EMSGSIZE;
	}
	return 0;
}

static int put_chan(struct sk_buff *skb, u32 portid, u32 seq, int flags, struct ferry_chan *chan)
{
	bool local = ferry_chan_is_local(chan);
	struct ferry_op_stats sum;
	void *msg;
	u32 pid;

	msg = genlmsg_put(skb, portid, seq, &family, flags, FERRY_CMD_CHAN_GET);
	if (!msg)
		return -EMSGSIZE;
	ferry_stats_sum(chan, &sum);
	mutex_lock(&chan->client_lock);
	pid = local ? 0 : pid_nr_ns(chan->creator, task_active_pid_ns(current));
	mutex_unlock(&chan->client_lock);
	if (put_head(skb, chan) || put_client(skb, chan) ||
	    nla_put_u32(skb, FERRY_A_QUEUES, chan->geo.nr_queues) ||
	    nla_put_u32(skb, FERRY_A_DEPTH, chan->geo.depth) ||
	    nla_put_u32(skb, FERRY_A_FLAGS, chan->flags) ||
	    nla_put_u32(skb, FERRY_A_PID, pid) ||
	    nla_put_u32(skb, FERRY_A_UID, from_kuid_munged(current_user_ns(), chan->owner)) ||
	    put_u64(skb, FERRY_A_STALLS, READ_ONCE(chan->stalls)) ||
	    put_counts(skb, &sum) || put_ways(skb, chan) || put_settings(skb, chan)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

static int get_chan(struct sk_buff *skb, struct genl_info *info)
{
	struct ferry_chan *chan = chan_of(skb, info, false);
	struct sk_buff *reply;
	int err = -ENOMEM;

	if (IS_ERR(chan))
		return PTR_ERR(chan);
	reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (reply)
		err = put_chan(reply, info->snd_portid, info->snd_seq, 0, chan);
	ferry_chan_put(chan);
	if (!err)
		return genlmsg_reply(reply, info);
	nlmsg_free(reply);
	return err;
}

/* cb->args[0]: the number to go on with. */
static int dump_chans(struct sk_buff *skb, struct netlink_callback *cb)
{
	u32 id = cb->args[0];
	struct ferry_chan *chan;
	int err = 0;

	mutex_lock(&ferry_chans_lock);
	for (; (chan = ferry_chan_next(&id)); id++) {
		if (!may_see(cb->skb, chan))
			continue;
		err = put_chan(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, NLM_F_MULTI,
			       chan);
		if (err)
			break;
	}
	mutex_unlock(&ferry_chans_lock);
	cb->args[0] = id;
	return skb->len ?: err;
}

/* --- what it counts ---------------------------------------------------------------- */

static int put_op(struct sk_buff *skb, struct netlink_callback *cb,
		  const struct ferry_chan *chan, u32 op)
{
	u64 latencies[FERRY_LATENCY_BUCKETS];
	struct ferry_op_stats sum;
	void *msg;

	ferry_stats_sum_op(chan, op, &sum);
	if (!sum.begun)
		return 0;
	msg = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
			  NLM_F_MULTI, FERRY_CMD_STAT_GET);
	if (!msg)
		return -EMSGSIZE;
	if (nla_put_u32(skb, FERRY_A_ID, chan->id) ||
	    nla_put_u32(skb, FERRY_A_CLASS, chan->class) ||
	    nla_put_u32(skb, FERRY_A_OPCODE, op) || put_counts(skb, &sum) ||
	    put_u64(skb, FERRY_A_TIMED, sum.timed) || put_u64(skb, FERRY_A_NSECS, sum.ns) ||
	    (ferry_stats_sum_times(chan, op, latencies) &&
	     nla_put(skb, FERRY_A_LATENCIES, sizeof(latencies), latencies))) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

/* cb->args: the number and the opcode to go on with. */
static int dump_stats(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct nlattr *only = nlmsg_find_attr(cb->nlh, GENL_HDRLEN, FERRY_A_ID);
	u32 id = cb->args[0], op = cb->args[1], began = id;
	struct ferry_chan *chan;
	int err = 0;

	mutex_lock(&ferry_chans_lock);
	for (; !err && (chan = ferry_chan_next(&id)); id++, op = 0) {
		if (id != began && op)	/* that one is gone, and this another */
			op = 0;
		began = id;
		if ((only && nla_get_u32(only) != id) || !may_see(cb->skb, chan))
			continue;
		while (op < FERRY_STAT_OPS && !(err = put_op(skb, cb, chan, op)))
			op++;
		if (err)
			break;
	}
	mutex_unlock(&ferry_chans_lock);
	cb->args[0] = id;
	cb->args[1] = op;
	return skb->len ?: err;
}

/* --- changes ------------------------------------------------------------------------- */

/* One change at a time. Not all of generic netlink's: one may load a module. */
static DEFINE_MUTEX(set_lock);

static int set_chan(struct sk_buff *skb, struct genl_info *info)
{
	struct ferry_chan *chan = chan_of(skb, info, true);
	const struct setting *s;
	unsigned int nr = 0;
	int err = 0;

	if (IS_ERR(chan))
		return PTR_ERR(chan);
	if (mutex_lock_killable(&set_lock)) {
		ferry_chan_put(chan);
		return -EINTR;
	}
	for (s = settings; !err && s < settings + ARRAY_SIZE(settings); s++) {
		const struct nlattr *attr = info->attrs[s->attr];

		nr += attr != NULL;
		if (attr && (nla_get_u32(attr) < s->min || nla_get_u32(attr) > s->max)) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr, "the value is out of range");
			err = -ERANGE;
		}
	}
	if (!nr) {
		NL_SET_ERR_MSG(info->extack, "there is no setting to change");
		err = -EINVAL;
	}
	for (s = settings; !err && s < settings + ARRAY_SIZE(settings); s++) {
		const struct nlattr *attr = info->attrs[s->attr];

		if (attr && s->attr == FERRY_A_ON_DEATH &&
		    nla_get_u32(attr) == FERRY_DEATH_KERNEL && !netlink_capable(skb, CAP_SYS_ADMIN))
			err = -EPERM;
		else if (attr && s->apply)
			err = s->apply(chan, nla_get_u32(attr));
		else if (attr)
			WRITE_ONCE(*field_of(chan, s), nla_get_u32(attr));
	}
	mutex_unlock(&set_lock);
	ferry_chan_put(chan);
	return err;
}

static int abort_chan(struct sk_buff *skb, struct genl_info *info)
{
	struct ferry_chan *chan = chan_of(skb, info, true);

	if (IS_ERR(chan))
		return PTR_ERR(chan);
	ferry_chan_abort(chan);
	ferry_chan_put(chan);
	return 0;
}

/* --- events -------------------------------------------------------------------------- */

static const struct genl_multicast_group groups[] = {
	{ .name = FERRY_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

/*
 * Only to the initial network namespace: there alone the group's right to listen
 * (CAP_NET_ADMIN over the namespace) is one over the machine.
 */
void ferry_event(const struct ferry_chan *chan, enum ferry_event event)
{
	struct sk_buff *skb;
	void *msg;

	trace_ferry_event(chan, event);
	if (!genl_has_listeners(&family, &init_net, 0))
		return;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (!skb)
		return;
	msg = genlmsg_put(skb, 0, 0, &family, 0, FERRY_CMD_EVENT);
	if (!msg || put_head(skb, chan) ||
	    nla_put_u32(skb, FERRY_A_EVENT, event) ||
	    put_u64(skb, FERRY_A_TIME, ktime_get_real_ns())) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, msg);
	genlmsg_multicast(&family, skb, 0, 0, GFP_ATOMIC);
}

/* --- the family ---------------------------------------------------------------------- */

/* Rights are each channel's own: no flag of the family's can say them. */
static const struct genl_small_ops small_ops[] = {
	{
		.cmd	= FERRY_CMD_CHAN_GET,
		.doit	= get_chan,
		.dumpit	= dump_chans,
	},
	{
		.cmd	= FERRY_CMD_STAT_GET,
		.dumpit	= dump_stats,
	},
	{
		.cmd	= FERRY_CMD_SET,
		.doit	= set_chan,
	},
	{
		.cmd	= FERRY_CMD_ABORT,
		.doit	= abort_chan,
	},
};

static struct genl_family family __ro_after_init = {
	.name		= FERRY_GENL_NAME,
	.version	= FERRY_GENL_VERSION,
	.maxattr	= __FERRY_A_END - 1,
	.policy		= policy,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.small_ops	= small_ops,
	.n_small_ops	= ARRAY_SIZE(small_ops),
	.mcgrps		= groups,
	.n_mcgrps	= ARRAY_SIZE(groups),
	.resv_start_op	= __FERRY_CMD_END,
};

int ferry_netlink_init(void)
{
	return genl_register_family(&family);
}

void ferry_netlink_exit(void)
{
	genl_unregister_family(&family);
}
