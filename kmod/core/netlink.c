// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink family "ferry": see uapi/linux/ferry.h. */
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <net/genetlink.h>
#include "core/core.h"

static struct genl_family family;

static u32 state_of(const struct ferry_chan *chan)
{
	if (ferry_chan_is_dead(chan))
		return FERRY_STATE_DEAD;
	if (READ_ONCE(chan->detached))
		return FERRY_STATE_DETACHED;
	return READ_ONCE(chan->bound) ? FERRY_STATE_LIVE : FERRY_STATE_WAITING;
}

static void sum_stats(const struct ferry_chan *chan, struct ferry_stats *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct ferry_stats *s = per_cpu_ptr(chan->stats, cpu);

		sum->requests += READ_ONCE(s->requests);
		sum->errors += READ_ONCE(s->errors);
		sum->bytes_in += READ_ONCE(s->bytes_in);
		sum->bytes_out += READ_ONCE(s->bytes_out);
	}
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

static int put_chan(struct sk_buff *skb, struct netlink_callback *cb, struct ferry_chan *chan)
{
	bool local = ferry_chan_is_local(chan);
	struct ferry_stats sum;
	void *msg;
	u32 pid;

	msg = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
			  NLM_F_MULTI, FERRY_CMD_CHAN_GET);
	if (!msg)
		return -EMSGSIZE;
	sum_stats(chan, &sum);
	mutex_lock(&chan->client_lock);
	pid = local ? 0 : pid_nr_ns(chan->creator, task_active_pid_ns(current));
	mutex_unlock(&chan->client_lock);
	if (nla_put_u32(skb, FERRY_A_ID, chan->id) ||
	    nla_put_u32(skb, FERRY_A_CLASS, chan->class) ||
	    nla_put_string(skb, FERRY_A_NAME, chan->name) ||
	    nla_put_u32(skb, FERRY_A_PLACEMENT, chan->ops->placement) ||
	    nla_put_u32(skb, FERRY_A_STATE, state_of(chan)) ||
	    put_client(skb, chan) ||
	    nla_put_u32(skb, FERRY_A_QUEUES, chan->geo.nr_queues) ||
	    nla_put_u32(skb, FERRY_A_DEPTH, chan->geo.depth) ||
	    nla_put_u32(skb, FERRY_A_FLAGS, chan->flags) ||
	    nla_put_u32(skb, FERRY_A_PID, pid) ||
	    nla_put_u64_64bit(skb, FERRY_A_REQUESTS, sum.requests, FERRY_A_PAD) ||
	    nla_put_u64_64bit(skb, FERRY_A_ERRORS, sum.errors, FERRY_A_PAD) ||
	    nla_put_u64_64bit(skb, FERRY_A_BYTES_IN, sum.bytes_in, FERRY_A_PAD) ||
	    nla_put_u64_64bit(skb, FERRY_A_BYTES_OUT, sum.bytes_out, FERRY_A_PAD)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

/* cb->args[0]: the number to go on with. */
static int dump_chans(struct sk_buff *skb, struct netlink_callback *cb)
{
	u32 id = cb->args[0];
	struct ferry_chan *chan;
	int err = 0;

	mutex_lock(&ferry_chans_lock);
	while ((chan = ferry_chan_next(&id))) {
		err = put_chan(skb, cb, chan);
		if (err)
			break;
		id++;
	}
	mutex_unlock(&ferry_chans_lock);
	cb->args[0] = id;
	return skb->len ?: err;
}

static const struct genl_small_ops small_ops[] = {
	{
		.cmd	= FERRY_CMD_CHAN_GET,
		.dumpit	= dump_chans,
	},
};

static struct genl_family family __ro_after_init = {
	.name		= FERRY_GENL_NAME,
	.version	= FERRY_GENL_VERSION,
	.maxattr	= 0,
	.netnsok	= true,
	.module		= THIS_MODULE,
	.small_ops	= small_ops,
	.n_small_ops	= ARRAY_SIZE(small_ops),
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
