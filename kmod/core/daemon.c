// SPDX-License-Identifier: GPL-2.0-only
/* Delivery to a daemon: a request rides in a slot of a queue (queue.h). */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "compat/core.h"
#include "core/queue.h"

#define DEFAULT_DEPTH	16
#define DEFAULT_DATA	(64 << 10)	/* the answer to a READDIR fits */
#define DEFAULT_INLINE	(8 << 10)	/* measured: Documentation/bench.rst */

/*
 * A filled slot, the caller's. User memory is faulted in and pinned while no slot is
 * held: the fault may be for a file of this very mount and want a slot itself.
 */
static struct ferry_slot *fill_slot(struct ferry_chan *chan, struct ferry_args *args)
{
	struct ferry_pin pin FERRY_UNINIT;
	bool in = args->flags & FERRY_ARGS_DATA_IN;
	struct ferry_slot *slot;
	int err;

	pin.bvec = NULL;	/* and that is all of it that need be set */
	if (args->data && user_backed_iter(args->data) && !ferry_slot_takes(chan, args)) {
		args->core.iter = *args->data;
		err = ferry_pin_user(&pin, &args->core.iter, args->data_len, !in);
		if (err)
			return ERR_PTR(err);
	}
	for (;;) {
		slot = ferry_slot_get(chan, ferry_queue_pick(chan), args);
		if (IS_ERR(slot))
			break;
		err = ferry_slot_fill(slot, args, current, &pin);
		if (likely(!err))
			return slot;
		ferry_slot_put(slot);
		slot = ERR_PTR(err);
		if (err != -EFAULT || fatal_signal_pending(current) ||
		    fault_in_iov_iter_readable(args->data, args->data_len))
			break;
	}
	if (pin.bvec)
		ferry_unpin(&pin);
	return slot;
}

static int daemon_call(struct ferry_chan *chan, struct ferry_args *args)
{
	struct ferry_rest rest = { .buf = NULL };
	struct ferry_slot *slot;
	int err;

	args->core.born = jiffies;
	if (unlikely(!list_empty(&chan->left))) {
		err = ferry_slot_await_left(chan, args);
		if (err)
			return err;
	}
	slot = fill_slot(chan, args);
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	err = ferry_queue_push(slot, true);
	if (unlikely(err < 0))
		goto unpin;
	err = ferry_slot_wait(slot);
	if (unlikely(err))
		return err;
	if (unlikely(atomic_read(&slot->state) == FERRY_FAILED)) {
		err = -ENOTCONN;
		goto unpin;
	}
	err = ferry_slot_finish(slot, &rest);
	ferry_slot_put(slot);
	if (unlikely(rest.buf)) {
		if (copy_to_iter(rest.buf, rest.len, &args->core.iter) != rest.len)
			err = -EFAULT;
		kvfree(rest.buf);
	}
	return err;
unpin:
	if (slot->pin.bvec)
		ferry_unpin(&slot->pin);
	ferry_slot_put(slot);
	return err;
}

/* Long data takes longer than it would be worth to look. */
static bool may_look(const struct ferry_chan *chan, const struct ferry_args *args)
{
	return args->flags & FERRY_ARGS_LOOKS && ferry_spins(chan) && ferry_slot_takes(chan, args);
}

static void submit(struct ferry_chan *chan, struct ferry_args *args)
{
	struct ferry_queue *q = ferry_queue_pick(chan);
	struct ferry_slot *slot = NULL;
	bool looks;
	int err;

	args->core.born = jiffies;
	if (list_empty_careful(&q->backlog) && !ferry_chan_is_behind(chan, args))
		slot = ferry_slot_try_get(q, true);
	if (!slot) {
		err = ferry_queue_put_aside(q, args);
		if (err)
			ferry_chan_end(chan, args, err);
		return;
	}
	looks = may_look(chan, args);
	err = ferry_slot_fill(slot, args, NULL, NULL);
	if (!err)
		err = ferry_queue_push(slot, looks);
	if (err > 0)
		ferry_slot_look(slot);
	if (err < 0) {
		ferry_slot_put(slot);
		ferry_chan_end(chan, args, err);
	}
}

/*
 * The request may be over, and all that its end lets go of be gone, while we still tell servers
 * of it or look for its answer: see ferry_chan_unbind().
 */
static void daemon_submit(struct ferry_chan *chan, struct ferry_args *args)
{
	int idx = srcu_read_lock(&chan->srcu);

	submit(chan, args);
	srcu_read_unlock(&chan->srcu, idx);
}

/*
 * Where it is nobody remembers: this happens once in a long while. Without a server
 * nobody is late, but who moves it (ask_to_save()) may be killed.
 */
static bool daemon_cancel(struct ferry_chan *chan, struct ferry_args *args)
{
	u32 i, tag;

	if (READ_ONCE(chan->detached) && !(args->flags & FERRY_ARGS_INIT))
		return false;
	for (i = 0; i < chan->geo.nr_queues; i++) {
		if (ferry_queue_take_aside(chan->queues[i], args))
			return true;
	}
	for (tag = 0; tag < chan->geo.nr_queues * chan->geo.depth; tag++) {
		if (ferry_slot_cancel(ferry_slot_by_tag(chan, tag), args))
			return true;
	}
	return false;
}

static void daemon_abort(struct ferry_chan *chan)
{
	u32 i;

	for (i = 0; i < chan->geo.nr_queues; i++)
		ferry_queue_abort(chan->queues[i]);
}

/*
 * ANSWERING lasts as long as its thread needs to check the reply, and late() to submit what it
 * takes back, see slot.c; TRANSFER as long as the server's file takes.
 */
static void daemon_settle(struct ferry_chan *chan)
{
	u32 tag;

	for (tag = 0; tag < chan->geo.nr_queues * chan->geo.depth; tag++) {
		struct ferry_slot *slot = ferry_slot_by_tag(chan, tag);

		while (ferry_slot_is_ending(slot))
			schedule_timeout_uninterruptible(1);
	}
}

/* Has every slot come back? Those of killed callers too. */
bool ferry_daemon_is_idle(struct ferry_chan *chan)
{
	u32 i;

	for (i = 0; i < chan->geo.nr_queues; i++) {
		if (!bitmap_empty(chan->queues[i]->used, chan->geo.depth))
			return false;
	}
	return true;
}

/* No request is under way: send the servers home; or be there for others. */
void ferry_daemon_dismiss(struct ferry_chan *chan, bool dismissed)
{
	u32 i;

	for (i = 0; i < chan->geo.nr_queues; i++)
		ferry_queue_dismiss(chan->queues[i], dismissed);
}

void ferry_daemon_free(struct ferry_chan *chan)
{
	u32 i;

	/* The work of one looks into the others. */
	for (i = 0; chan->queues && i < chan->geo.nr_queues; i++) {
		if (chan->queues[i])
			ferry_queue_calm(chan->queues[i]);
	}
	for (i = 0; chan->queues && i < chan->geo.nr_queues; i++) {
		if (chan->queues[i])
			ferry_queue_free(chan->queues[i]);
	}
	kfree(chan->queues);
	chan->queues = NULL;
	memset(&chan->geo, 0, sizeof(chan->geo));
}

const struct ferry_deliver_ops ferry_daemon_ops = {
	.placement	= FERRY_PLACEMENT_USER,
	.call		= daemon_call,
	.submit		= daemon_submit,
	.cancel		= daemon_cancel,
	.abort		= daemon_abort,
	.settle		= daemon_settle,
};

/* Give @chan queues shaped as @want says (0: our choice). */
int ferry_daemon_shape(struct ferry_chan *chan, const struct ferry_geometry *want)
{
	struct ferry_geometry geo = {
		.nr_queues = want->nr_queues ?: min_t(u32, num_online_cpus(), FERRY_QUEUES_MAX),
		.depth = want->depth ?: DEFAULT_DEPTH,
		.data_size = want->data_size ?: DEFAULT_DATA,
	};
	u32 i;
	int err;

	err = ferry_ring_geometry(&geo);
	if (err)
		return err;
	if (!(chan->flags & FERRY_CREATE_RW))
		geo.inline_max = min(want->inline_max ?: DEFAULT_INLINE, geo.data_size);
	chan->queues = kcalloc(geo.nr_queues, sizeof(*chan->queues), GFP_KERNEL_ACCOUNT);
	if (!chan->queues)
		return -ENOMEM;
	chan->geo = geo;
	for (i = 0; i < geo.nr_queues; i++) {
		chan->queues[i] = ferry_queue_alloc(chan, i);
		if (!chan->queues[i]) {
			ferry_daemon_free(chan);
			return -ENOMEM;
		}
	}
	return 0;
}

/* A channel with such queues, without endpoint yet, and not published. */
struct ferry_chan *ferry_daemon_chan(u32 class, const char *name, u32 flags,
				     const struct ferry_geometry *want)
{
	struct ferry_chan *chan;
	int err;

	chan = ferry_chan_alloc(class, name, &ferry_daemon_ops);
	if (IS_ERR(chan))
		return chan;
	chan->flags = flags;
	err = ferry_daemon_shape(chan, want);
	if (err) {
		ferry_chan_put(chan);
		return ERR_PTR(err);
	}
	return chan;
}
