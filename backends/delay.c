// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * delay: a filter that lets requests wait. Each waits for its own time, beside the others:
 * the disk below gets them in the order in which their times are over.
 */
#include <ferry/filter.h>

#define US_MAX	60000000U	/* beyond that a disk is dead */

struct delay {
	u64 us;
	struct ferry_pick pick;
};

static void delay_filter(struct ferry_req *req, u32 op, u64 off, u64 len)
{
	struct delay *delay = ferry_req_server(req)->priv;

	if (ferry_pick(&delay->pick, op, off, len))
		ferry_req_later(req, delay->us, ferry_filter_pass);
	else
		ferry_filter_pass(req);
}

static int set_up(struct ferry_server *server, void *priv, const char *args)
{
	static const char *const known[] = { "ms", "us", FERRY_PICK_OPTIONS, NULL };
	struct delay *delay = priv;
	u64 ms = 0;
	int err;

	err = ferry_args_check(server, args, known);
	if (err)
		return err;
	if (ferry_opt_size(args, "ms", &ms) || ferry_opt_size(args, "us", &delay->us) ||
	    ms > US_MAX || delay->us > US_MAX || delay->us + ms * 1000 > US_MAX ||
	    !(delay->us + ms)) {
		ferry_log(FERRY_LOG_ERR, "delay: ms= or us= wants how long, up to a minute, as in ms=5");
		return -EINVAL;
	}
	delay->us += ms * 1000;
	server->block.does_io = true;
	return ferry_pick_init(&delay->pick, "delay", args);
}

static int delay_init(struct ferry_server *server, const char *args)
{
	return ferry_filter_init(server, args, sizeof(struct delay), set_up);
}

static const struct ferry_block_ops delay_ops = {
	.size = sizeof(delay_ops),
	.init = delay_init,
	.destroy = ferry_filter_end,
	.filter = delay_filter,
};

FERRY_BACKEND(delay, .help = "ms=N|us=N" FERRY_PICK_HELP "+BACKEND[:ARGS]  lets requests wait",
	      .flags = FERRY_RECOVERS | FERRY_STATELESS, .block = &delay_ops);
