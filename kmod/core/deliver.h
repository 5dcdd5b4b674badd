/* SPDX-License-Identifier: GPL-2.0-only */
/* How a request reaches its server: local.c and daemon.c fill one struct each. */
#ifndef FERRY_DELIVER_H
#define FERRY_DELIVER_H

#include <linux/types.h>

struct ferry_args;
struct ferry_chan;

/**
 * struct ferry_deliver_ops - one way to a server
 * @placement: enum ferry_placement
 * @call: deliver and wait; as ferry_call(), the gate has been passed
 * @submit: deliver; ->end() is called once, whatever happens; as ferry_submit()
 * @abort: the gate is DEAD: fail what is under way, send servers home. May be
 *	called more than once, may sleep.
 * @settle: after abort: wait until no thread is on its way to ->end() without holding
 *	ferry_chan.srcu. May be NULL.
 */
struct ferry_deliver_ops {
	u32 placement;
	int (*call)(struct ferry_chan *chan, struct ferry_args *args);
	void (*submit)(struct ferry_chan *chan, struct ferry_args *args);
	void (*abort)(struct ferry_chan *chan);
	void (*settle)(struct ferry_chan *chan);
};

#endif
