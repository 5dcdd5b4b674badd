// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots whose callers go: killed, too late, or given up by who submitted them.
 *
 * What a server has fetched stays the server's, who will answer some day. Until then the slot
 * is in ferry_chan.left: the server may be at work with the nodes it names. If it is to change
 * them, what is to change them after it waits for that: ferry_chan_is_behind().
 */
#include <linux/list.h>
#include "core/queue.h"

static u64 node2_of(const struct ferry_args *args)
{
	return args->flags & FERRY_ARGS_NODE2 ? *(const u64 *)args->in[0].p : 0;
}

/* Nobody waits for what a server has: under the lock that keeps it from being answered. */
static void leave_behind(struct ferry_slot *slot)
{
	const struct ferry_args *args = slot->args;
	struct ferry_chan *chan = slot->queue->chan;

	ferry_slot_bring_locked(slot);
	slot->node2 = node2_of(args);
	slot->late_data = args->flags & FERRY_ARGS_LATE_DATA;
	spin_lock(&chan->left_lock);
	list_add(&slot->node_left, &chan->left);
	spin_unlock(&chan->left_lock);
}

static bool changes(const struct ferry_chan *chan, u32 opcode)
{
	return opcode < BITS_PER_LONG_LONG && chan->changes & BIT_ULL(opcode);
}

static bool names(const struct ferry_slot *slot, u64 node)
{
	return slot->node == node || slot->node2 == node;
}

/* It has been answered. Who waits for that is told when the slot is given back. */
void ferry_slot_unleave(struct ferry_slot *slot)
{
	struct ferry_chan *chan = slot->queue->chan;

	spin_lock(&chan->left_lock);
	if (changes(chan, slot->opcode))
		WRITE_ONCE(chan->left_last, get_jiffies_64());
	smp_wmb();	/* pairs with ferry_chan_left_since() */
	list_del(&slot->node_left);
	spin_unlock(&chan->left_lock);
}

/* Is there one that names @node, 0: any, and, @to_change, is to change something? */
static bool is_left(struct ferry_chan *chan, u64 node, bool to_change)
{
	struct ferry_slot *slot;
	bool left = false;

	if (likely(list_empty(&chan->left)) || ferry_chan_is_dead(chan))
		return false;
	spin_lock(&chan->left_lock);
	list_for_each_entry(slot, &chan->left, node_left) {
		left = (!node || names(slot, node)) &&
		       (!to_change || changes(chan, slot->opcode));
		if (left)
			break;
	}
	spin_unlock(&chan->left_lock);
	return left;
}

bool ferry_chan_is_left(struct ferry_chan *chan, u64 node)
{
	return is_left(chan, node, false);
}
EXPORT_SYMBOL_GPL(ferry_chan_is_left);

bool ferry_chan_left_since(struct ferry_chan *chan, u64 node, u64 asked)
{
	if (is_left(chan, node, true))
		return true;
	smp_rmb();	/* pairs with ferry_slot_unleave(): who misses the slot sees the time */
	return READ_ONCE(chan->left_last) >= asked;
}
EXPORT_SYMBOL_GPL(ferry_chan_left_since);

/*
 * Have @args to wait, for a request whose caller is gone and which may yet undo what they are
 * to change? Of those who serialize with that caller, by an inode's lock, say, nobody misses it.
 */
bool ferry_chan_is_behind(struct ferry_chan *chan, const struct ferry_args *args)
{
	u64 node2;

	if (likely(list_empty(&chan->left)) || !changes(chan, args->opcode))
		return false;
	node2 = node2_of(args);
	return is_left(chan, args->node, true) || (node2 && is_left(chan, node2, true));
}

/* Once it is not its caller's a slot may be used again at any time: take the pin first. */
void ferry_slot_take_pin(const struct ferry_slot *slot, struct ferry_pin *pin)
{
	*pin = slot->pin;
	if (pin->bvec == slot->pin.inline_bvec)
		pin->bvec = pin->inline_bvec;
}

/*
 * Nobody waits for a QUEUED request any more; under queue->lock. True: the slot is free.
 * One that a dead server may have executed has to be answered: late() sees to the rest.
 */
static bool withdraw(struct ferry_slot *slot)
{
	if (slot->again) {
		leave_behind(slot);
		atomic_set(&slot->state, FERRY_ORPHANED);
		return false;
	}
	ferry_queue_unlink(slot);
	atomic_set(&slot->state, FERRY_IDLE);
	return true;
}

/*
 * Take the request out of @slot if it is one that is @meant: its args, or NULL: it is not, or
 * is being answered, or in TRANSFER. Its caller's pages are not copied from or to any more.
 */
static struct ferry_args *give_up(struct ferry_slot *slot,
				  bool (*meant)(const struct ferry_slot *slot, const void *arg),
				  const void *arg)
{
	struct ferry_queue *q = slot->queue;
	struct ferry_args *args = NULL;
	bool is_free = false;

	/* While it is in one of these states and we have its lock the args are there. */
	spin_lock(&q->lock);
	if (atomic_read(&slot->state) == FERRY_QUEUED && meant(slot, arg)) {
		args = slot->args;
		is_free = withdraw(slot);
	}
	spin_unlock(&q->lock);
	if (args) {
		/* Who saw it FETCHED by a server that has died, ferry_slot_is_older(). */
		ferry_slot_wait_for_copies(slot);
		if (is_free)
			ferry_slot_put(slot);
		return args;
	}

	/* What FETCHED means stays so: an answer waits for the lock, take_reply(). */
	spin_lock(&slot->lock);
	smp_mb__after_spinlock();	/* pairs with ferry_slot_wait_for_copies() */
	if (ferry_slot_is_fetched(slot) && meant(slot, arg) &&
	    atomic_cmpxchg(&slot->state, FERRY_FETCHED, FERRY_ABANDONED) == FERRY_FETCHED) {
		args = slot->args;
		leave_behind(slot);
	}
	spin_unlock(&slot->lock);
	return args;
}

static bool is_any(const struct ferry_slot *slot, const void *arg)
{
	return true;
}

/* The caller goes: true if the slot is not its own any more. */
bool ferry_slot_leave(struct ferry_slot *slot)
{
	struct ferry_pin pin;
	bool moving;

	ferry_slot_take_pin(slot, &pin);
	if (give_up(slot, is_any, NULL)) {
		if (pin.bvec)
			ferry_unpin(&pin);
		return true;
	}
	spin_lock(&slot->lock);
	moving = atomic_read(&slot->state) == FERRY_TRANSFER;
	if (moving) {
		slot->left = true;	/* and the pin stays with it */
		leave_behind(slot);
	}
	spin_unlock(&slot->lock);
	return moving;
}

static bool is_late(const struct ferry_slot *slot, const void *limit)
{
	/* The core's own have limits of their own. */
	return !slot->waiter && !(slot->args->flags & FERRY_ARGS_INIT) &&
	       time_after(jiffies, slot->args->core.born + *(const unsigned long *)limit);
}

/*
 * A submitted request that is older than @limit jiffies: it has no slot any more when
 * this returns it, to be ended. Others: NULL.
 */
struct ferry_args *ferry_slot_expire(struct ferry_slot *slot, unsigned long limit)
{
	return give_up(slot, is_late, &limit);
}

static bool is_of(const struct ferry_slot *slot, const void *args)
{
	return slot->args == args;
}

/*
 * Take the submitted request @args out of @slot; false: it is not in there, or being
 * answered. Its caller ends it. What a server has fetched stays the server's slot.
 */
bool ferry_slot_cancel(struct ferry_slot *slot, const struct ferry_args *args)
{
	return READ_ONCE(slot->args) == args && give_up(slot, is_of, args);
}
