// SPDX-License-Identifier: GPL-2.0-only
/* Slots: getting one, what becomes of the request in it, and who is told. */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "compat/core.h"
#include "core/queue.h"
#include "core/trace.h"

/* How long a task on its way out waits for a server, in jiffies. */
#define EXIT_WAIT	(5 * HZ)

/* Room for what late() may want to see of a reply nobody waits for. */
#define LATE_MAX	256

/*
 * Wake @task. @sync: this one is likely to wait for it, so that it may have this CPU, without
 * a reschedule interrupt; else one that idles is better. The caller has had preemption off
 * since before @task could know that it may leave: its task_struct, which RCU frees, stays
 * that long.
 */
void ferry_wake(struct task_struct *task, bool sync)
{
	struct wait_queue_entry entry = { .private = task };

	default_wake_function(&entry, TASK_NORMAL, sync ? FERRY_WF_SYNC : 0, NULL);
}

struct ferry_slot *ferry_slot_try_get(struct ferry_queue *q, bool async)
{
	unsigned int limit = async ? q->async_limit : q->depth;
	unsigned int n;

	/* The first one is free, and warm, as long as one request is out at a time. */
	if (!test_bit(0, q->used) && !test_and_set_bit_lock(0, q->used))
		return &q->slots[0];
	do {
		n = find_first_zero_bit(q->used, limit);
		if (n >= limit)
			return NULL;
	} while (test_and_set_bit_lock(n, q->used));
	return &q->slots[n];
}

static struct ferry_slot *try_all(struct ferry_chan *chan, struct ferry_queue *q)
{
	struct ferry_slot *slot = ferry_slot_try_get(q, false);
	u32 i;

	for (i = 0; !slot && i < chan->geo.nr_queues; i++)
		slot = ferry_slot_try_get(chan->queues[i], false);
	return slot;
}

/* In jiffies; a task that is exiting cannot be killed any more. */
static long longest_wait(const struct ferry_chan *chan, const struct ferry_args *args)
{
	unsigned long timeout;

	if (unlikely(current->flags & PF_EXITING))
		return EXIT_WAIT;
	timeout = READ_ONCE(chan->timeout);
	if (likely(!timeout))
		return MAX_SCHEDULE_TIMEOUT;
	return max_t(long, args->core.born + timeout * HZ - jiffies, 0);
}

/*
 * A slot for a call, @q's if there is one; ERR_PTR: -EINTR: killed, -ENOTCONN: dead,
 * -ETIMEDOUT: none came free, as when a server keeps all of them.
 */
struct ferry_slot *ferry_slot_get(struct ferry_chan *chan, struct ferry_queue *q,
				  const struct ferry_args *args)
{
	struct ferry_slot *slot = ferry_slot_try_get(q, false);
	long left;

	if (likely(slot))
		return slot;
	left = ___wait_event(chan->slot_wait,
			     ___wait_cond_timeout((slot = try_all(chan, q)) ||
						  READ_ONCE(q->dead)),
			     FERRY_WAIT_STATE, 1, longest_wait(chan, args),
			     __ret = schedule_timeout(__ret));
	if (left < 0)
		return ERR_PTR(-EINTR);
	if (!left)
		ferry_event(chan, FERRY_EVENT_TIMEOUT);
	return slot ?: ERR_PTR(left ? -ENOTCONN : -ETIMEDOUT);
}

/*
 * Wait for answers that @args are to come behind. 0; -EINTR: killed, -ETIMEDOUT. Who is told
 * of slots is told of late answers, too: answer_late() ends in ferry_slot_put().
 */
int ferry_slot_await_left(struct ferry_chan *chan, const struct ferry_args *args)
{
	long left = ___wait_event(chan->slot_wait,
				  ___wait_cond_timeout(!ferry_chan_is_behind(chan, args)),
				  FERRY_WAIT_STATE, 0, longest_wait(chan, args),
				  __ret = schedule_timeout(__ret));

	if (left < 0)
		return -EINTR;
	if (!left)
		ferry_event(chan, FERRY_EVENT_TIMEOUT);
	return left ? 0 : -ETIMEDOUT;
}

/*
 * The bit is cleared before the queues are looked at, and both sorts of waiters
 * enter their queue before they try once more: one of the two sees the other.
 */
void ferry_slot_put(struct ferry_slot *slot)
{
	struct ferry_queue *q = slot->queue;

	atomic_set(&slot->state, FERRY_IDLE);
	clear_bit_unlock(slot - q->slots, q->used);
	smp_mb__after_atomic();
	if (unlikely(!list_empty(&q->backlog)))
		ferry_queue_run_backlog(q);
	if (unlikely(waitqueue_active(&q->chan->slot_wait)))
		wake_up(&q->chan->slot_wait);
}

struct ferry_slot *ferry_slot_by_tag(struct ferry_chan *chan, u32 tag)
{
	u32 depth = chan->geo.depth;
	u32 tags = chan->geo.nr_queues * depth;

	if (tag >= tags)
		return NULL;
	tag = array_index_nospec(tag, tags);
	return &chan->queues[tag / depth]->slots[tag % depth];
}

/* The slot whose request, now with the server, has this id. */
struct ferry_slot *ferry_slot_by_unique(struct ferry_chan *chan, u64 unique)
{
	u32 tags = chan->geo.nr_queues * chan->geo.depth;
	struct ferry_slot *slot;
	int state;
	u32 tag;

	div_u64_rem(unique, tags, &tag);
	slot = ferry_slot_by_tag(chan, tag);
	if (!slot || READ_ONCE(slot->unique) != unique)
		return NULL;
	state = atomic_read(&slot->state);
	return state == FERRY_FETCHED || state == FERRY_ABANDONED ? slot : NULL;
}

/* Does the data of @args travel in a slot of @chan? */
bool ferry_slot_takes(const struct ferry_chan *chan, const struct ferry_args *args)
{
	return args->data_len <= chan->geo.inline_max;
}

/* Between a slot's memory and a caller's, without page faults. Return: bytes. */
static size_t copy_nofault(void *p, size_t len, struct iov_iter *iter, bool in)
{
	size_t n;

	pagefault_disable();
	n = in ? copy_from_iter(p, len, iter) : copy_to_iter(p, len, iter);
	pagefault_enable();
	return n;
}

/*
 * Put @args into a slot that is ours: message, descriptor, data that goes along.
 * Data the slot has no room for, or that a server takes by read(), stays where it
 * is; a caller's pages are pinned then (@pin, taken over on success), for a server's
 * thread will copy. No page fault is taken: it might want a slot. -EFAULT: user
 * memory is not there right now.
 */
int ferry_slot_fill(struct ferry_slot *slot, struct ferry_args *args,
		    struct task_struct *waiter, const struct ferry_pin *pin)
{
	const struct ferry_chan *chan = slot->queue->chan;
	const struct ferry_geometry *geo = &chan->geo;
	u32 len = ferry_ring_message_size(args);

	if (unlikely(len > geo->req_size))
		return -ENAMETOOLONG;
	slot->args = args;
	slot->waiter = waiter;
	slot->opcode = args->opcode;
	slot->node = args->node;
	slot->no_reply = args->flags & FERRY_ARGS_NO_REPLY;
	slot->lazy = args->flags & FERRY_ARGS_LAZY;
	slot->req_len = len;
	slot->data_in = args->flags & FERRY_ARGS_DATA_IN ? args->data_len : 0;
	slot->wants_data = args->flags & FERRY_ARGS_DATA_OUT;
	slot->spin = false;
	slot->again = 0;
	slot->pushed = 0;
	slot->pin.bvec = NULL;
	slot->in_slot = false;
	slot->due = false;
	slot->unique += geo->nr_queues * geo->depth;

	if (args->data) {
		bool in = args->flags & FERRY_ARGS_DATA_IN;

		args->core.iter = *args->data;
		slot->in_slot = ferry_slot_takes(chan, args);
		if (pin && pin->bvec) {
			slot->pin = *pin;
			if (pin->bvec == pin->inline_bvec)
				slot->pin.bvec = slot->pin.inline_bvec;
			iov_iter_bvec(&slot->iter, in ? ITER_SOURCE : ITER_DEST, slot->pin.bvec,
				      slot->pin.nr, args->data_len);
		} else if (!user_backed_iter(args->data)) {
			/* XFER may be used for what is in the slot too. */
			slot->iter = *args->data;
			iov_iter_truncate(&slot->iter, args->data_len);
		} else {
			iov_iter_kvec(&slot->iter, in ? ITER_SOURCE : ITER_DEST, NULL, 0, 0);
		}
		/* A submitted request's pages stay: a server's thread has the time to copy. */
		slot->due = in && slot->in_slot && !waiter && !user_backed_iter(args->data) &&
			    !ferry_spins(chan);
		if (in && slot->in_slot && !slot->due &&
		    copy_nofault(ferry_ring_data(slot), args->data_len, &args->core.iter, true) !=
		    args->data_len)
			return -EFAULT;
	}
	ferry_ring_write(slot, args, len);
	return 0;
}

/* By who has the slot, or the lock that keeps it from going back. */
void ferry_slot_bring_locked(struct ferry_slot *slot)
{
	struct iov_iter iter;

	if (!slot->due)
		return;
	iter = slot->iter;
	/* From pages of the kernel's all of it comes. Pairs with ferry_slot_bring(). */
	smp_store_release(&slot->due, copy_from_iter(ferry_ring_data(slot), slot->data_in, &iter) !=
				      slot->data_in);
}

/*
 * A server's thread has fetched @slot: the data that goes along comes with it. Whoever goes
 * without an answer has brought it before: leave_behind().
 */
void ferry_slot_bring(struct ferry_slot *slot)
{
	if (likely(!smp_load_acquire(&slot->due)))	/* pairs with ferry_slot_bring_locked() */
		return;
	spin_lock(&slot->lock);
	smp_mb__after_spinlock();	/* pairs with ferry_slot_wait_for_copies() */
	if (ferry_slot_is_fetched(slot))
		ferry_slot_bring_locked(slot);
	spin_unlock(&slot->lock);
}

/* Does the reply fit what was asked? Owner only; no copy is under way any more. */
static bool reply_fits(const struct ferry_slot *slot, const struct ferry_reply *r)
{
	const struct ferry_geometry *geo = &slot->queue->chan->geo;
	const struct ferry_args *args = slot->args;
	u32 want = 0;
	unsigned int i;

	if (r->error)
		return r->error < 0 && r->error > -512 && !r->rep_len && !r->data;
	if (r->rep_len > geo->rep_size || r->data > geo->data_size)
		return false;
	for (i = 0; i < args->nr_out; i++)
		want += args->out[i].len;
	if (r->rep_len > want || (r->rep_len < want && !(args->flags & FERRY_ARGS_OUT_VAR)))
		return false;
	if (args->flags & FERRY_ARGS_DATA_OUT)
		return r->data <= args->data_len - slot->pushed &&
		       (!r->data || args->data_len <= geo->data_size);
	return !r->data;
}

/*
 * Take the reply out of an ANSWERED slot into its args; 0 or -errno. Data that would
 * fault goes to @rest, to be copied when the slot has been given back: the fault may
 * want one. NULL: the data goes to kernel memory.
 */
int ferry_slot_finish(struct ferry_slot *slot, struct ferry_rest *rest)
{
	struct ferry_args *args = slot->args;
	u32 data = slot->reply.data;
	int err = slot->reply.error;
	size_t done;

	if (!err) {
		if (args->nr_out)
			ferry_ring_read_out(slot, args, slot->reply.rep_len);
		if (args->flags & FERRY_ARGS_DATA_OUT) {
			args->data_done = slot->pushed + data;
			if (slot->pushed)
				iov_iter_advance(&args->core.iter, slot->pushed);
			done = data ? copy_nofault(ferry_ring_data(slot), data,
						   &args->core.iter, false) : 0;
			if (unlikely(done < data)) {
				err = -EFAULT;
				if (rest)
					rest->buf = kvmalloc(data - done, GFP_KERNEL);
				if (rest && rest->buf) {
					rest->len = data - done;
					memcpy(rest->buf, ferry_ring_data(slot) + done, rest->len);
					err = 0;
				}
			}
		}
	}
	if (slot->pin.bvec)
		ferry_unpin(&slot->pin);
	return err;
}

/*
 * Another of the server's threads may be copying this request's data. It looked at
 * the state under the lock, and will not again once we have changed it.
 */
void ferry_slot_wait_for_copies(struct ferry_slot *slot)
{
	/* Pairs with smp_mb__after_spinlock() of those who hold the lock. */
	smp_mb();
	if (unlikely(spin_is_locked(&slot->lock))) {
		spin_lock(&slot->lock);
		spin_unlock(&slot->lock);
	}
}

/* The end of a submitted request; the slot is ours and goes back first. */
static void end_async(struct ferry_slot *slot, int err)
{
	struct ferry_chan *chan = slot->queue->chan;
	struct ferry_args *args = slot->args;
	int idx = srcu_read_lock(&chan->srcu);

	ferry_slot_put(slot);
	ferry_chan_end(chan, args, err);
	srcu_read_unlock(&chan->srcu, idx);
}

/* A copy, for the server can write to the slot; NULL: there is none, or no memory. */
static void *late_data(struct ferry_slot *slot, const struct ferry_reply *reply, u32 *len)
{
	void *copy;

	*len = min3(reply->data, slot->queue->chan->geo.data_size, (u32)FERRY_LATE_DATA_MAX);
	if (reply->error || !slot->late_data || !*len)
		return NULL;
	copy = kvmalloc(*len, GFP_KERNEL | __GFP_NOWARN);
	if (copy)
		memcpy(copy, ferry_ring_data(slot), *len);
	return copy;
}

static void answer_late(struct ferry_slot *slot, const struct ferry_reply *reply)
{
	u8 out[LATE_MAX];
	struct ferry_chan *chan = slot->queue->chan;
	struct ferry_late late = {
		.opcode = slot->opcode,
		.node = slot->node,
		.out = out,
		.out_len = reply->error ? 0 : min_t(u32, reply->rep_len, LATE_MAX),
		.data = reply->late,
		.data_len = reply->late_len,
	};
	/* Taken while ANSWERING, which settle() waits for: the put may end others. */
	int idx = srcu_read_lock(&chan->srcu);
	void *copy = NULL;
	u32 len, i;

	ferry_ring_clear_done(slot);	/* as take_reply() */
	/* For who made it ABANDONED, and is not done with it. */
	ferry_slot_wait_for_copies(slot);
	memcpy(out, ferry_ring_reply(slot), late.out_len);
	if (!late.data) {
		late.data = copy = late_data(slot, reply, &len);
		late.data_len = copy ? len : 0;
	}
	ferry_chan_late(chan, &late);
	ferry_slot_unleave(slot);
	ferry_slot_put(slot);
	/* Those that waited for this answer may be put aside anywhere. */
	for (i = 0; i < chan->geo.nr_queues; i++) {
		if (!list_empty(&chan->queues[i]->backlog))
			ferry_queue_run_backlog(chan->queues[i]);
	}
	ferry_chan_late_over(chan);
	srcu_read_unlock(&chan->srcu, idx);
	kvfree(copy);
}

/* Win a FETCHED slot for its answer. False: nothing there waits for one. */
static bool claim(struct ferry_slot *slot)
{
	return atomic_cmpxchg(&slot->state, FERRY_FETCHED, FERRY_ANSWERING) == FERRY_FETCHED;
}

/* The same for one whose caller may be gone: the state that it had, or IDLE for none. */
static int claim_any(struct ferry_slot *slot)
{
	if (claim(slot))
		return FERRY_FETCHED;
	return atomic_cmpxchg(&slot->state, FERRY_ABANDONED, FERRY_ANSWERING) == FERRY_ABANDONED ?
	       FERRY_ABANDONED : FERRY_IDLE;
}

/*
 * Take @reply into a claimed slot; -EINVAL: it does not fit, and became -EIO. Waits for
 * copies whatever the request is: who copies looks at ->args to find out.
 */
static int take_reply(struct ferry_slot *slot, const struct ferry_reply *reply)
{
	int err = 0;

	ferry_ring_clear_done(slot);	/* before the lock: see ferry_slot_kick() */
	ferry_slot_wait_for_copies(slot);
	slot->reply = *reply;
	if (unlikely(!reply_fits(slot, reply))) {
		slot->reply.error = -EIO;
		err = -EINVAL;
	}
	trace_ferry_answer(slot->queue->chan, slot->tag, slot->reply.error);
	return err;
}

static int answer_claimed(struct ferry_slot *slot, int from, const struct ferry_reply *reply)
{
	const struct ferry_chan *chan = slot->queue->chan;
	struct task_struct *waiter;
	int err;

	if (unlikely(from == FERRY_ABANDONED)) {
		answer_late(slot, reply);
		return 0;
	}
	err = take_reply(slot, reply);
	waiter = slot->waiter;
	if (waiter) {
		preempt_disable();
		/*
		 * Pairs with the acquire in ferry_slot_wait(): the reply is complete; and with
		 * set_current_state() there: a caller who runs, or has left his processor to us,
		 * looks at the slot before he sleeps.
		 */
		atomic_xchg(&slot->state, FERRY_ANSWERED);
		if (!task_is_running(waiter))
			ferry_wake(waiter, !ferry_spins(chan));
		preempt_enable();
	} else {
		end_async(slot, ferry_slot_finish(slot, NULL));
	}
	return err;
}

/*
 * A server answers a slot. The state's way from FETCHED to ANSWERING is what makes
 * an answer the only one. Return: 0; -ENOENT: nothing there waits for an answer;
 * -EINVAL: the answer does not fit, the request was failed with -EIO.
 */
int ferry_slot_answer(struct ferry_slot *slot, const struct ferry_reply *reply)
{
	int from = claim_any(slot);

	return from == FERRY_IDLE ? -ENOENT : answer_claimed(slot, from, reply);
}

/*
 * A server says that the slot may be `done`; as ferry_slot_answer(). The client may have
 * seen that for itself, and the slot carry another request: then `done` was cleared
 * before that one's caller could pass the lock, and what we see of it is not stale.
 */
int ferry_slot_kick(struct ferry_slot *slot)
{
	struct ferry_reply reply;
	int from;

	spin_lock(&slot->lock);
	smp_mb__after_spinlock();	/* pairs with ferry_slot_wait_for_copies() */
	from = ferry_ring_is_done(slot) ? claim_any(slot) : FERRY_IDLE;
	spin_unlock(&slot->lock);
	if (from == FERRY_IDLE)
		return 0;
	ferry_ring_read_reply(slot, &reply);
	return answer_claimed(slot, from, &reply);
}

/* The channel is dead, and this slot was FETCHED or QUEUED until now. */
static void fail_owned(struct ferry_slot *slot)
{
	struct task_struct *waiter = slot->waiter;

	ferry_slot_wait_for_copies(slot);
	if (waiter) {
		preempt_disable();
		atomic_set_release(&slot->state, FERRY_FAILED);
		ferry_wake(waiter, true);
		preempt_enable();
	} else {
		if (slot->pin.bvec)
			ferry_unpin(&slot->pin);
		end_async(slot, -ENOTCONN);
	}
}

void ferry_slot_fail(struct ferry_slot *slot)
{
	bool won;

	spin_lock(&slot->lock);
	slot->failed = atomic_read(&slot->state) == FERRY_TRANSFER;
	won = claim(slot);
	spin_unlock(&slot->lock);
	if (won)
		fail_owned(slot);
}

/*
 * A slot was FETCHED for a server that is gone and never heard of it. Nobody waits for one
 * that is ABANDONED: whoever looks for work next may have it.
 */
void ferry_slot_hand_back(struct ferry_slot *slot)
{
	struct ferry_queue *q = slot->queue;

	if (claim(slot)) {
		/* A server may copy to any slot it had a tag of; QUEUED its caller may go. */
		ferry_slot_wait_for_copies(slot);
		if (ferry_queue_push(slot, false))
			fail_owned(slot);
		return;
	}
	spin_lock(&q->lock);
	ferry_queue_orphan(slot);
	spin_unlock(&q->lock);
}

/*
 * A server's thread is to read a file into a request's data, or write it to one: the slot
 * is its own until ferry_slot_transfer_end(). @data: the data from @offset on. That takes as
 * long as the file wants, so the pages must not be the caller's to take away: those of
 * a pin, or of a submitted request, are not. -ENOENT, -EINVAL as ferry_copy_pull();
 * -EOPNOTSUPP: other pages.
 */
int ferry_slot_transfer_begin(struct ferry_slot *slot, u64 offset, bool pull, struct iov_iter *data)
{
	int err = 0;

	spin_lock(&slot->lock);
	smp_mb__after_spinlock();	/* pairs with ferry_slot_wait_for_copies() */
	if (!ferry_slot_is_fetched(slot) || !slot->args->data)
		err = -ENOENT;
	else if (!(slot->args->flags & (pull ? FERRY_ARGS_DATA_IN : FERRY_ARGS_DATA_OUT)) ||
		 (!pull && offset != slot->pushed))
		err = -EINVAL;
	else if (slot->waiter && !slot->pin.bvec)
		err = -EOPNOTSUPP;
	else if (atomic_cmpxchg(&slot->state, FERRY_FETCHED, FERRY_TRANSFER) != FERRY_FETCHED)
		err = -ENOENT;
	if (!err) {
		slot->left = false;
		slot->failed = false;
		*data = slot->iter;
		iov_iter_advance(data, min_t(u64, offset, iov_iter_count(data)));
	}
	spin_unlock(&slot->lock);
	return err;
}

/* @pushed: bytes of reply data that are there now. -ENOENT: the request is over. */
int ferry_slot_transfer_end(struct ferry_slot *slot, size_t pushed)
{
	struct ferry_pin pin = { .bvec = NULL };
	bool left, failed;

	spin_lock(&slot->lock);
	left = slot->left;
	failed = !left && slot->failed;
	slot->pushed += pushed;
	if (left)
		ferry_slot_take_pin(slot, &pin);
	atomic_set_release(&slot->state, left ? FERRY_ABANDONED :
			   failed ? FERRY_ANSWERING : FERRY_FETCHED);
	spin_unlock(&slot->lock);
	if (pin.bvec)
		ferry_unpin(&pin);
	if (failed)
		fail_owned(slot);
	return left || failed ? -ENOENT : 0;
}

/* Is somebody about to end the request in this slot? For who waits for the last one. */
bool ferry_slot_is_ending(struct ferry_slot *slot)
{
	int state = atomic_read_acquire(&slot->state);

	return state == FERRY_ANSWERING || (state == FERRY_TRANSFER && !READ_ONCE(slot->left));
}

/* Has it a server, or should have one, for longer than @limit jiffies? */
bool ferry_slot_is_older(struct ferry_slot *slot, unsigned long limit)
{
	const int states[] = { FERRY_QUEUED, FERRY_FETCHED };
	spinlock_t *locks[] = { &slot->queue->lock, &slot->lock };
	unsigned long then = jiffies - limit;
	bool older = false;
	int i;

	/* While it is in one of these states and we have its lock the args are there. */
	for (i = 0; i < 2 && !older; i++) {
		spin_lock(locks[i]);
		smp_mb__after_spinlock();	/* pairs with ferry_slot_wait_for_copies() */
		older = atomic_read_acquire(&slot->state) == states[i] &&
			time_before(slot->args->core.born, then);
		spin_unlock(locks[i]);
	}
	return older && time_before(READ_ONCE(slot->queue->chan->served_since), then);
}

/*
 * The slot's server is dead: make it one to be fetched again; under queue->lock.
 * False: nothing in it waits for a server, or should not be given to another.
 */
bool ferry_slot_take_back(struct ferry_slot *slot)
{
	if (slot->again == FERRY_AGAIN_MAX - 1)
		return false;
	if (atomic_cmpxchg(&slot->state, FERRY_FETCHED, FERRY_QUEUED) != FERRY_FETCHED &&
	    atomic_cmpxchg(&slot->state, FERRY_ABANDONED, FERRY_ORPHANED) != FERRY_ABANDONED)
		return false;
	slot->again++;
	slot->pushed = 0;
	ferry_ring_write_again(slot);
	return true;
}

/* The caller looks for itself: true if the slot is ANSWERED now. */
static bool look(struct ferry_slot *slot)
{
	struct ferry_reply reply;

	if (!ferry_ring_is_done(slot) || !claim(slot))
		return false;
	ferry_ring_read_reply(slot, &reply);
	take_reply(slot, &reply);
	atomic_set(&slot->state, FERRY_ANSWERED);
	return true;
}

/*
 * Wait until the slot comes back. 0: ANSWERED or FAILED, it is ours; -EINTR: we
 * were killed, -ETIMEDOUT: it took too long; and have no slot any more.
 */
int ferry_slot_wait(struct ferry_slot *slot)
{
	struct ferry_chan *chan = slot->queue->chan;
	long left = longest_wait(chan, slot->args);

	if (slot->spin) {
		if (ferry_spin(slot, look))
			return 0;
		/* Pairs with the server's barrier between `done` and `wait`. */
		ferry_ring_set_wait(slot, true);
		smp_mb();
		if (look(slot))
			return 0;
	} else if (need_resched()) {
		/*
		 * The server we woke takes this processor. Let it, without leaving the
		 * run queue first: when we are on again the answer is there, most of the
		 * time, and nobody had to wake us.
		 */
		cond_resched();
	}

	for (;;) {
		if (atomic_read_acquire(&slot->state) >= FERRY_ANSWERED)
			return 0;
		set_current_state(FERRY_WAIT_STATE);
		if (atomic_read_acquire(&slot->state) >= FERRY_ANSWERED)
			break;
		if (fatal_signal_pending(current) || !left) {
			__set_current_state(TASK_RUNNING);
			if (ferry_slot_leave(slot)) {
				if (left)
					return -EINTR;
				ferry_event(chan, FERRY_EVENT_TIMEOUT);
				return -ETIMEDOUT;
			}
			/*
			 * ANSWERING: bounded, it copies nothing that could fault. But who does it
			 * may wait for this processor, and we be of a real-time class.
			 */
			schedule_timeout_uninterruptible(1);
			continue;
		}
		ferry_stat_way(chan, FERRY_WAY_SLEPT);
		left = schedule_timeout(left);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}
