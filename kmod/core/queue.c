// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: where requests wait for servers and servers for requests.
 *
 * A caller hands its slot straight to a server that waits; the server wakes up
 * with it and takes no lock. Otherwise the slot is put on ->pending of one queue,
 * and the next server that comes takes it: mostly its own queue's first, then others'.
 * That no slot lies in one queue while a server sleeps at another is settled by
 * both sides looking again after they have made themselves visible.
 */
#include <linux/bitmap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "core/queue.h"
#include "core/trace.h"

/* So many lazy requests wait in a queue, for so many jiffies, before a server is woken for them. */
#define LAZY_MAX	4
#define LAZY_WAIT	1

/* Of so many fetches at a queue one begins at another. */
#define OWN_FIRST	8

static void nudge(struct work_struct *work);

/* A disk submits all but a question for its size. */
static u32 slots_for_calls(const struct ferry_chan *chan, u32 depth)
{
	return chan->class == FERRY_CLASS_BLOCK ? 1 : max(depth / 4, 1U);
}

struct ferry_queue *ferry_queue_alloc(struct ferry_chan *chan, u32 index)
{
	u32 depth = chan->geo.depth;
	struct ferry_queue *q;
	u32 i;

	q = kvzalloc(struct_size(q, slots, depth), GFP_KERNEL_ACCOUNT);
	if (!q)
		return NULL;
	ferry_uring_init(q);
	INIT_DELAYED_WORK(&q->nudge, nudge);
	/* Its owner's memory, as his other memory is: __GFP_ZERO, for he will see all of it. */
	q->mem = __vmalloc(chan->geo.queue_size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	q->used = bitmap_zalloc(depth, GFP_KERNEL_ACCOUNT);
	if (!q->mem || !q->used) {
		ferry_queue_free(q);
		return NULL;
	}
	q->chan = chan;
	q->index = index;
	q->depth = depth;
	q->async_limit = depth > 1 ? depth - slots_for_calls(chan, depth) : 1;
	init_waitqueue_head(&q->poll_wait);
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->pending);
	INIT_LIST_HEAD(&q->idle);
	INIT_LIST_HEAD(&q->backlog);
	for (i = 0; i < depth; i++) {
		struct ferry_slot *slot = &q->slots[i];

		slot->queue = q;
		slot->tag = index * depth + i;
		slot->unique = slot->tag;
		spin_lock_init(&slot->lock);
	}
	q->spin_tries = FERRY_SPIN_TRIES;
	ferry_ring_init(q);
	return q;
}

/* No requests come any more. */
void ferry_queue_calm(struct ferry_queue *q)
{
	cancel_delayed_work_sync(&q->nudge);
	cancel_delayed_work_sync(&q->watch);
}

void ferry_queue_free(struct ferry_queue *q)
{
	ferry_queue_calm(q);
	bitmap_free(q->used);
	vfree(q->mem);
	kvfree(q);
}

static bool has_server(const struct ferry_queue *q)
{
	return ferry_ring_spinning(q) || !list_empty_careful(&q->idle) ||
	       !list_empty_careful(&q->commands);
}

/* This CPU's queue; a neighbour's if only there a server spins or waits. */
struct ferry_queue *ferry_queue_pick(struct ferry_chan *chan)
{
	u32 nr = chan->geo.nr_queues;
	u32 i, first;

	if (nr == 1)
		return chan->queues[0];
	first = raw_smp_processor_id() % nr;
	for (i = first; i < first + nr; i++) {
		struct ferry_queue *q = chan->queues[i % nr];

		if (has_server(q))
			return q;
	}
	return chan->queues[first];
}

/*
 * Give @slot to the server that spins at @q; under q->lock. @looks: the task that does it will
 * look for the answer.
 */
static bool post(struct ferry_queue *q, struct ferry_slot *slot, bool looks)
{
	if (!ferry_ring_spinning(q))
		return false;
	slot->spin = looks;
	ferry_ring_set_wait(slot, !slot->spin);
	ferry_slot_bring_locked(slot);	/* filled for another sort of server, maybe */
	ferry_slot_set_fetched(slot);
	if (ferry_ring_post(q, slot->tag))
		return true;
	/*
	 * FETCHED was to be seen: a server that guessed the tag may have answered, who submitted
	 * it have given it up, and then no server has heard of it.
	 */
	if (atomic_cmpxchg(&slot->state, FERRY_FETCHED, FERRY_IDLE) != FERRY_FETCHED) {
		ferry_queue_orphan(slot);
		return true;
	}
	ferry_ring_set_wait(slot, true);
	slot->spin = false;
	return false;
}

/*
 * Give @slot to a server that waits at @q; under q->lock. Return: whom to wake, with
 * preemption off since before this call; NULL: nobody waits.
 */
static struct task_struct *hand_over(struct ferry_queue *q, struct ferry_slot *slot)
{
	struct ferry_idle *idle = list_first_entry_or_null(&q->idle, struct ferry_idle, node);
	struct task_struct *task;

	if (!idle)
		return NULL;
	list_del_init(&idle->node);
	task = idle->task;
	ferry_slot_set_fetched(slot);
	/* Pairs with the acquire in ferry_queue_fetch(). @idle is gone after this. */
	smp_store_release(&idle->slot, slot);
	return task;
}

/* A server began to spin at @q just when @slot was queued there. */
static bool repost(struct ferry_queue *q, struct ferry_slot *slot)
{
	bool posted = false;

	spin_lock(&q->lock);
	/* A submitted request may be over and the slot another caller's, who sleeps. */
	if (atomic_read(&slot->state) == FERRY_QUEUED &&
	    (!slot->waiter || slot->waiter == current)) {
		ferry_queue_unlink(slot);
		posted = post(q, slot, slot->waiter);
		if (!posted) {
			atomic_set(&slot->state, FERRY_QUEUED);
			list_add(&slot->node_pending, &q->pending);
			ferry_ring_tell_pending(q, ++q->nr_pending);
		}
	}
	spin_unlock(&q->lock);
	return posted;
}

/* There is a request in @q: tell a server that waits, wherever it does. */
static void rouse(struct ferry_queue *q, bool sync)
{
	struct ferry_chan *chan = q->chan;
	u32 i;

	if (unlikely(waitqueue_active(&q->poll_wait)))
		wake_up_interruptible_sync(&q->poll_wait);
	for (i = 0; i < chan->geo.nr_queues; i++) {
		struct ferry_queue *other = chan->queues[(q->index + i) % chan->geo.nr_queues];
		struct ferry_idle *idle;

		if (list_empty_careful(&other->idle)) {
			if (!list_empty_careful(&other->commands) && ferry_uring_kick(other))
				return;
			continue;
		}
		/* Wake it as if by chance; it looks at every queue before it sleeps. */
		spin_lock(&other->lock);
		idle = list_first_entry_or_null(&other->idle, struct ferry_idle, node);
		if (idle) {
			/* The next one that looks for a sleeper must find another. */
			list_del_init(&idle->node);
			ferry_wake(idle->task, sync);
		}
		spin_unlock(&other->lock);
		if (idle)
			return;
	}
}

/* Nothing came that the lazy requests of a queue could have gone along with. */
static void nudge(struct work_struct *work)
{
	struct ferry_queue *q = container_of(to_delayed_work(work), struct ferry_queue, nudge);

	if (!list_empty_careful(&q->pending))
		rouse(q, false);
}

/*
 * @slot is filled: let a server have it. @looks: the caller can look for the answer, and has
 * to if 1 is returned: a server that spins has it, who will tell nobody. Return: 0, 1, or
 * -ENOTCONN: the channel is dead, the slot is the caller's still.
 */
int ferry_queue_push(struct ferry_slot *slot, bool looks)
{
	struct ferry_queue *q = slot->queue;
	struct ferry_chan *chan = q->chan;
	const bool sync = !ferry_spins(chan);	/* see ferry_wake() */
	struct ferry_command *command;
	struct task_struct *task;
	bool lazy;

	spin_lock(&q->lock);
	if (unlikely(q->dead)) {
		spin_unlock(&q->lock);
		return -ENOTCONN;
	}
	if (post(q, slot, looks)) {
		spin_unlock(&q->lock);
		ferry_stat_way(chan, FERRY_WAY_POSTED);
		return looks;
	}
	/* Whoever serves the next request finds it: that costs no switch to it and back. */
	lazy = slot->lazy && q->nr_pending < LAZY_MAX;
	if (lazy)
		goto queue;
	preempt_disable();	/* see ferry_wake() */
	task = hand_over(q, slot);
	if (task) {
		spin_unlock(&q->lock);
		ferry_stat_way(chan, FERRY_WAY_HANDED);
		ferry_wake(task, sync);
		preempt_enable();
		return 0;
	}
	preempt_enable();
	command = list_empty(&q->commands) ? NULL : ferry_uring_take(q, slot);
	if (command) {
		spin_unlock(&q->lock);
		ferry_stat_way(chan, FERRY_WAY_HANDED);
		ferry_uring_give(command);
		return 0;
	}
queue:
	/* The server is awake and busy: it looks here before it spins or sleeps. */
	slot->spin = slot->waiter == current && ferry_ring_spins_elsewhere(q);
	if (slot->spin)
		ferry_ring_set_wait(slot, false);
	atomic_set(&slot->state, FERRY_QUEUED);
	list_add_tail(&slot->node_pending, &q->pending);
	ferry_ring_tell_pending(q, ++q->nr_pending);
	spin_unlock(&q->lock);
	ferry_stat_way(chan, FERRY_WAY_QUEUED);

	/*
	 * Pairs with smp_mb() in ferry_queue_fetch(): pending first, then idle; with
	 * the barrier of a server that begins to spin: pending first, then its box;
	 * and with poll_wait(): pending first, then the list of those who poll.
	 */
	smp_mb();
	if (unlikely(ferry_ring_spinning(q)) && repost(q, slot))
		return 0;
	if (lazy)
		schedule_delayed_work(&q->nudge, LAZY_WAIT);
	else
		rouse(q, sync);
	return 0;
}

/*
 * If @slot is ABANDONED, and no server knows that it has it: the next one that looks for work
 * does. Nobody waits for that; but what comes behind it does, ferry_chan.left. Under q->lock.
 */
void ferry_queue_orphan(struct ferry_slot *slot)
{
	struct ferry_queue *q = slot->queue;

	if (q->dead || atomic_cmpxchg(&slot->state, FERRY_ABANDONED, FERRY_ORPHANED) !=
		       FERRY_ABANDONED)
		return;
	list_add_tail(&slot->node_pending, &q->pending);
	ferry_ring_tell_pending(q, ++q->nr_pending);
	schedule_delayed_work(&q->nudge, LAZY_WAIT);
}

/* Take a QUEUED slot from its queue; under q->lock. */
void ferry_queue_unlink(struct ferry_slot *slot)
{
	list_del_init(&slot->node_pending);
	ferry_ring_tell_pending(slot->queue, --slot->queue->nr_pending);
}

static struct ferry_slot *pop(struct ferry_queue *q)
{
	struct ferry_slot *slot;

	if (list_empty(&q->pending))	/* but a hint: who queues looks for us too */
		return NULL;
	spin_lock(&q->lock);
	slot = list_first_entry_or_null(&q->pending, struct ferry_slot, node_pending);
	if (slot) {
		ferry_queue_unlink(slot);
		if (likely(atomic_read(&slot->state) == FERRY_QUEUED))
			ferry_slot_set_fetched(slot);
		else
			atomic_set(&slot->state, FERRY_ABANDONED);
	}
	spin_unlock(&q->lock);
	return slot;
}

/*
 * A pending slot of any queue. @q's own first, but now and then: that may never be empty, and the
 * servers of another be busy with something that takes long.
 */
static struct ferry_slot *pop_any(struct ferry_queue *q)
{
	const u32 nr = q->chan->geo.nr_queues;
	const u32 fetches = READ_ONCE(q->fetches) + 1;
	struct ferry_slot *slot = NULL;
	u32 i, first = q->index;

	WRITE_ONCE(q->fetches, fetches);
	if (unlikely(fetches % OWN_FIRST == 0))
		first += fetches / OWN_FIRST;
	for (i = 0; !slot && i < nr; i++)
		slot = pop(q->chan->queues[(first + i) % nr]);
	return slot;
}

bool ferry_queue_has_work(struct ferry_queue *q)
{
	u32 i;

	for (i = 0; i < q->chan->geo.nr_queues; i++) {
		if (!list_empty_careful(&q->chan->queues[i]->pending))
			return true;
	}
	return READ_ONCE(q->dead);
}

/*
 * The next request for a server at @q, which owns it then. ERR_PTR: -EAGAIN:
 * nothing there and !wait; -EINTR: a signal; -ENODEV: the channel is dead.
 */
struct ferry_slot *ferry_queue_fetch(struct ferry_queue *q, bool wait)
{
	struct ferry_idle idle = { .task = current };
	struct ferry_slot *slot;

	/* The loop below looks at all of them; this spares a busy server the list. */
	slot = list_empty(&q->pending) && wait ? NULL : pop_any(q);
	if (slot)
		goto got;
	if (!wait)
		return ERR_PTR(READ_ONCE(q->dead) ? -ENODEV : -EAGAIN);

	for (;;) {
		bool dead;

		set_current_state(TASK_INTERRUPTIBLE);
		spin_lock(&q->lock);
		dead = q->dead;
		if (!dead)
			list_add(&idle.node, &q->idle);
		spin_unlock(&q->lock);
		if (dead) {
			__set_current_state(TASK_RUNNING);
			return ERR_PTR(-ENODEV);
		}

		/* Pairs with smp_mb() in ferry_queue_push(): idle first, then pending. */
		smp_mb();
		if (!ferry_queue_has_work(q) && !signal_pending(current))
			schedule();
		__set_current_state(TASK_RUNNING);

		/* Handed to us: whoever did that has unlinked us, no lock is needed. */
		slot = smp_load_acquire(&idle.slot);
		if (!slot) {
			spin_lock(&q->lock);
			slot = idle.slot;
			if (!slot && !list_empty(&idle.node))
				list_del_init(&idle.node);
			spin_unlock(&q->lock);
		}
		if (slot)
			goto got;
		slot = pop_any(q);
		if (slot)
			goto got;
		if (signal_pending(current))
			return ERR_PTR(-EINTR);
	}
got:
	ferry_slot_bring(slot);
	trace_ferry_fetch(q->chan, slot->tag, slot->opcode, slot->unique);
	return slot;
}

/* The first that was put aside and need not wait for somebody else's late answer. */
static struct ferry_args *next_aside(struct ferry_queue *q)
{
	struct ferry_args *args;

	lockdep_assert_held(&q->lock);
	list_for_each_entry(args, &q->backlog, core.node) {
		if (!ferry_chan_is_behind(q->chan, args))
			return args;
	}
	return NULL;
}

/*
 * Submitted requests that were put aside; called whenever a slot may have come free, or an
 * answer that some waited for.
 */
void ferry_queue_run_backlog(struct ferry_queue *q)
{
	bool more;

	for (;;) {
		struct ferry_slot *slot = ferry_slot_try_get(q, true);
		struct ferry_args *args;
		int err;

		if (!slot)
			return;
		spin_lock(&q->lock);
		args = next_aside(q);
		if (args)
			list_del_init(&args->core.node);
		spin_unlock(&q->lock);
		if (!args) {
			/* Not ferry_slot_put(): that would come back here. */
			clear_bit_unlock(slot - q->slots, q->used);
			smp_mb__after_atomic();
			if (waitqueue_active(&q->chan->slot_wait))
				wake_up(&q->chan->slot_wait);
			spin_lock(&q->lock);
			more = next_aside(q);
			spin_unlock(&q->lock);
			if (!more)
				return;
			continue;
		}
		err = ferry_slot_fill(slot, args, NULL, NULL);
		if (!err)
			err = ferry_queue_push(slot, false);
		if (err) {
			ferry_slot_put(slot);
			ferry_chan_end(q->chan, args, err);
		}
	}
}

/* Wake all servers that wait, which look at ->dead then; under q->lock. */
static void wake_servers(struct ferry_queue *q)
{
	struct ferry_idle *idle;

	while ((idle = list_first_entry_or_null(&q->idle, struct ferry_idle, node))) {
		list_del_init(&idle->node);
		ferry_wake(idle->task, false);
	}
	ferry_uring_abort(q);
}

/* No slot is in use: send the servers home; or be there for others. */
void ferry_queue_dismiss(struct ferry_queue *q, bool dismissed)
{
	spin_lock(&q->lock);
	q->dead = dismissed;
	if (dismissed)
		wake_servers(q);
	else
		ferry_ring_forget_spinner(q);
	spin_unlock(&q->lock);
	wake_up_all(&q->poll_wait);
}

void ferry_queue_abort(struct ferry_queue *q)
{
	struct ferry_slot *slot, *next;
	struct ferry_args *args, *next_args;
	LIST_HEAD(failed);
	LIST_HEAD(backlog);
	u32 i;

	spin_lock(&q->lock);
	q->dead = true;
	wake_servers(q);
	list_splice_init(&q->backlog, &backlog);
	list_splice_init(&q->pending, &failed);
	q->nr_pending = 0;
	/* As if a server had fetched them: their callers cannot take them back now. */
	list_for_each_entry(slot, &failed, node_pending)
		atomic_set(&slot->state, atomic_read(&slot->state) == FERRY_QUEUED ?
			   FERRY_FETCHED : FERRY_ABANDONED);
	spin_unlock(&q->lock);

	/* A caller that is killed meanwhile leaves its slot ABANDONED on our list. */
	list_for_each_entry_safe(slot, next, &failed, node_pending)
		list_del_init(&slot->node_pending);
	for (i = 0; i < q->depth; i++)
		ferry_slot_fail(&q->slots[i]);
	list_for_each_entry_safe(args, next_args, &backlog, core.node)
		ferry_chan_end(q->chan, args, -ENOTCONN);
	wake_up_all(&q->chan->slot_wait);
	wake_up_all(&q->poll_wait);
}

/*
 * The server is dead, and none of its threads in here any more: what it had fetched is
 * pending again, before all else. An answer that it gave without a system call, and
 * nobody saw, is taken.
 */
void ferry_queue_reissue(struct ferry_queue *q)
{
	const struct ferry_reply deadly = { .error = -EIO };
	LIST_HEAD(again);
	bool dead;
	u32 i;

	spin_lock(&q->lock);
	ferry_ring_forget_spinner(q);
	dead = q->dead;
	for (i = 0; i < q->depth && !dead; i++) {
		struct ferry_slot *slot = &q->slots[i];

		if (test_bit(i, q->used) && !ferry_ring_is_done(slot) &&
		    ferry_slot_take_back(slot)) {
			list_add_tail(&slot->node_pending, &again);
			q->nr_pending++;
		}
	}
	list_splice(&again, &q->pending);
	ferry_ring_tell_pending(q, q->nr_pending);
	spin_unlock(&q->lock);
	if (dead)	/* and whoever aborted it fails them all */
		return;

	for (i = 0; i < q->depth; i++) {
		if (!test_bit(i, q->used))
			continue;
		ferry_slot_kick(&q->slots[i]);
		ferry_slot_answer(&q->slots[i], &deadly);
	}
}

static void end_late(struct ferry_chan *chan, struct ferry_args *args)
{
	ferry_event(chan, FERRY_EVENT_TIMEOUT);
	ferry_chan_end(chan, args, -ETIMEDOUT);
}

/* Does a request in a slot wait longer than @limit jiffies for its answer? */
bool ferry_queue_is_stalled(struct ferry_queue *q, unsigned long limit)
{
	u32 i;

	for_each_set_bit(i, q->used, q->depth) {
		if (ferry_slot_is_older(&q->slots[i], limit))
			return true;
	}
	return false;
}

/* Let submitted requests that are older than @limit jiffies end. */
void ferry_queue_expire(struct ferry_queue *q, unsigned long limit)
{
	struct ferry_chan *chan = q->chan;
	struct ferry_args *args, *next;
	LIST_HEAD(late);
	u32 i;
	int idx = srcu_read_lock(&chan->srcu);

	for_each_set_bit(i, q->used, q->depth) {
		args = ferry_slot_expire(&q->slots[i], limit);
		if (args)
			end_late(chan, args);
	}
	/* A server that keeps all the slots lets nobody else out of the backlog. */
	spin_lock(&q->lock);
	list_for_each_entry_safe(args, next, &q->backlog, core.node) {
		if (!time_after(jiffies, args->core.born + limit))
			break;
		list_move_tail(&args->core.node, &late);
	}
	spin_unlock(&q->lock);
	list_for_each_entry_safe(args, next, &late, core.node)
		end_late(chan, args);
	srcu_read_unlock(&chan->srcu, idx);
}

/* Let @args wait for a slot; -ENOTCONN: the channel is dead, they are the caller's. */
int ferry_queue_put_aside(struct ferry_queue *q, struct ferry_args *args)
{
	bool dead;

	spin_lock(&q->lock);
	dead = q->dead;
	if (!dead)
		list_add_tail(&args->core.node, &q->backlog);
	spin_unlock(&q->lock);
	if (dead)
		return -ENOTCONN;
	/* A slot may have come free before we were on the list: ferry_slot_put(). */
	smp_mb();
	ferry_queue_run_backlog(q);
	return 0;
}

/* Take @args back that were put aside; false: they do not wait here. */
bool ferry_queue_take_aside(struct ferry_queue *q, struct ferry_args *args)
{
	struct ferry_args *pos;
	bool found = false;

	spin_lock(&q->lock);
	list_for_each_entry(pos, &q->backlog, core.node) {
		found = pos == args;
		if (found)
			break;
	}
	if (found)
		list_del_init(&args->core.node);
	spin_unlock(&q->lock);
	return found;
}
