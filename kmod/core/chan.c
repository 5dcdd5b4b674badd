// SPDX-License-Identifier: GPL-2.0-only
/* Channels: their life, the gate that requests pass, who is bound to them. */
#include <linux/idr.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include "core/core.h"
#include "core/trace.h"

DEFINE_MUTEX(ferry_chans_lock);
static DEFINE_IDR(ferry_chans);

/* Nobody finds it by its number before ferry_chan_publish(). */
struct ferry_chan *ferry_chan_alloc(u32 class, const char *name,
				    const struct ferry_deliver_ops *ops)
{
	struct ferry_chan *chan;
	int err = -ENOMEM;

	chan = kzalloc(sizeof(*chan), GFP_KERNEL);
	if (!chan)
		return ERR_PTR(-ENOMEM);
	chan->stats = ferry_stats_alloc();
	if (!chan->stats)
		goto free_chan;
	err = init_srcu_struct(&chan->srcu);
	if (err)
		goto free_stats;

	kref_init(&chan->ref);
	chan->class = class;
	chan->spin_us = FERRY_SPIN_US;
	chan->stall = FERRY_STALL;
	chan->served_since = jiffies;
	chan->ops = ops;
	strscpy(chan->name, name, sizeof(chan->name));
	init_waitqueue_head(&chan->gate_wait);
	init_waitqueue_head(&chan->slot_wait);
	spin_lock_init(&chan->left_lock);
	INIT_LIST_HEAD(&chan->left);
	spin_lock_init(&chan->early_lock);
	xa_init_flags(&chan->backing, XA_FLAGS_ALLOC);
	INIT_LIST_HEAD(&chan->early);
	mutex_init(&chan->client_lock);
	ferry_recover_init(chan);
	chan->owner = current_euid();
	chan->creator = get_pid(task_tgid(current));
	chan->pid_ns = get_pid_ns(task_active_pid_ns(current));
	chan->owner_ns = get_user_ns(current_user_ns());

	mutex_lock(&ferry_chans_lock);
	err = idr_alloc_cyclic(&ferry_chans, NULL, 1, 0, GFP_KERNEL);
	if (err > 0)
		chan->id = err;
	mutex_unlock(&ferry_chans_lock);
	if (err < 0)
		goto put_ids;
	return chan;

put_ids:
	put_user_ns(chan->owner_ns);
	put_pid_ns(chan->pid_ns);
	put_pid(chan->creator);
	cleanup_srcu_struct(&chan->srcu);
free_stats:
	ferry_stats_free(chan);
free_chan:
	kfree(chan);
	return ERR_PTR(err);
}

/* @chan is whole: from now on whoever asks for its number may list, attach, abort, move. */
void ferry_chan_publish(struct ferry_chan *chan)
{
	mutex_lock(&ferry_chans_lock);
	idr_replace(&ferry_chans, chan, chan->id);
	mutex_unlock(&ferry_chans_lock);
	ferry_event(chan, FERRY_EVENT_CREATED);
}

static void chan_free(struct kref *ref)
{
	struct ferry_chan *chan = container_of(ref, struct ferry_chan, ref);
	bool published = idr_remove(&ferry_chans, chan->id);

	mutex_unlock(&ferry_chans_lock);

	if (published)
		ferry_event(chan, FERRY_EVENT_GONE);
	ferry_backing_drop(chan);
	ferry_daemon_free(chan);
	ferry_local_free(chan);
	ferry_recover_release(chan);
	if (chan->user_ns)
		put_user_ns(chan->user_ns);
	put_user_ns(chan->owner_ns);
	put_pid_ns(chan->pid_ns);
	put_pid(chan->creator);
	cleanup_srcu_struct(&chan->srcu);
	ferry_stats_free(chan);
	kfree(chan);
}

void ferry_chan_get(struct ferry_chan *chan)
{
	kref_get(&chan->ref);
}
EXPORT_SYMBOL_GPL(ferry_chan_get);

void ferry_chan_put(struct ferry_chan *chan)
{
	kref_put_mutex(&chan->ref, chan_free, &ferry_chans_lock);
}
EXPORT_SYMBOL_GPL(ferry_chan_put);

/* The channel with this number, with a reference; or NULL. */
struct ferry_chan *ferry_chan_by_id(u32 id)
{
	struct ferry_chan *chan;

	mutex_lock(&ferry_chans_lock);
	chan = idr_find(&ferry_chans, id);
	if (chan)
		kref_get(&chan->ref);	/* the last put takes it out under the lock */
	mutex_unlock(&ferry_chans_lock);
	return chan;
}

/* The first channel with a number of at least *id; *id becomes its number. */
struct ferry_chan *ferry_chan_next(u32 *id)
{
	int n = *id;
	struct ferry_chan *chan = idr_get_next(&ferry_chans, &n);

	*id = n;
	return chan;
}

void ferry_chan_exit(void)
{
	WARN_ON(!idr_is_empty(&ferry_chans));
	idr_destroy(&ferry_chans);
}

int ferry_chan_bind(struct ferry_chan *chan, const struct ferry_client_ops *ops,
		    void *client, struct user_namespace *user_ns)
{
	int err = 0;

	mutex_lock(&chan->client_lock);
	if (chan->gate == FERRY_GATE_DEAD) {
		err = -ENOTCONN;
	} else if (chan->bound) {
		err = -EBUSY;
	} else {
		chan->bound = true;
		chan->user_ns = get_user_ns(user_ns);
		chan->client_ops = ops;
		chan->changes = ops->changes;
		/* Pairs with ferry_chan_client(): who sees it sees its ops. */
		smp_store_release(&chan->client, client);
	}
	mutex_unlock(&chan->client_lock);
	if (!err)
		ferry_event(chan, FERRY_EVENT_BOUND);
	return err;
}
EXPORT_SYMBOL_GPL(ferry_chan_bind);

static void fail_early(struct ferry_chan *chan)
{
	struct ferry_args *args, *next;
	LIST_HEAD(early);

	spin_lock(&chan->early_lock);
	list_splice_init(&chan->early, &early);
	chan->nr_early = 0;
	spin_unlock(&chan->early_lock);
	list_for_each_entry_safe(args, next, &early, core.node)
		ferry_chan_end(chan, args, -ENOTCONN);
}

/*
 * The gate falls before anything is failed: who passed it before is found in the
 * queues, who comes later sees it (daemon.c looks again under the queue's lock).
 * True: it was alive until now.
 */
static bool chan_kill(struct ferry_chan *chan)
{
	bool alive;
	int idx;

	mutex_lock(&chan->client_lock);
	alive = chan->gate != FERRY_GATE_DEAD;
	smp_store_release(&chan->gate, FERRY_GATE_DEAD);
	mutex_unlock(&chan->client_lock);
	wake_up_all(&chan->gate_wait);
	idx = srcu_read_lock(&chan->srcu);
	chan->ops->abort(chan);
	fail_early(chan);
	srcu_read_unlock(&chan->srcu, idx);
	return alive;
}

/* The gate has fallen: tell the client instance, unless it has been told. */
static void tell_dead(struct ferry_chan *chan)
{
	mutex_lock(&chan->client_lock);
	if (chan->client && !chan->dead_told) {
		chan->dead_told = true;
		if (chan->client_ops->dead)
			chan->client_ops->dead(chan->client);
	}
	mutex_unlock(&chan->client_lock);
}

void ferry_chan_abort(struct ferry_chan *chan)
{
	if (chan_kill(chan))
		ferry_event(chan, FERRY_EVENT_ABORTED);
	/* No server in the kernel goes away some day, nor one that is stopped, or gone already. */
	tell_dead(chan);
}
EXPORT_SYMBOL_GPL(ferry_chan_abort);

void ferry_chan_server_gone(struct ferry_chan *chan)
{
	if (chan_kill(chan))
		ferry_event(chan, FERRY_EVENT_DIED);
	ferry_backing_drop(chan);
	tell_dead(chan);
}

void ferry_chan_unbind(struct ferry_chan *chan)
{
	const struct ferry_deliver_ops *ops;

	chan_kill(chan);
	ferry_recover_stop(chan);
	mutex_lock(&chan->client_lock);
	WRITE_ONCE(chan->client, NULL);
	mutex_unlock(&chan->client_lock);
	/*
	 * A server's thread may be on its way into ->end(): wait until it has taken
	 * srcu or gone; then for all who are in ->end() or late(), the readers of srcu.
	 */
	ops = READ_ONCE(chan->ops);
	if (ops->settle)
		ops->settle(chan);
	synchronize_srcu(&chan->srcu);
}
EXPORT_SYMBOL_GPL(ferry_chan_unbind);

/* Open the gate, unless it has fallen meanwhile, and let those go who wait. */
void ferry_chan_release_held(struct ferry_chan *chan)
{
	struct ferry_args *args, *next;
	LIST_HEAD(early);
	int idx;

	mutex_lock(&chan->client_lock);
	/* Who unbinds lets the gate fall first: we see that, or it waits for us. */
	idx = srcu_read_lock(&chan->srcu);
	if (chan->gate < FERRY_GATE_OPEN) {
		spin_lock(&chan->early_lock);
		smp_store_release(&chan->gate, FERRY_GATE_OPEN);
		list_splice_init(&chan->early, &early);
		chan->nr_early = 0;
		spin_unlock(&chan->early_lock);
	}
	mutex_unlock(&chan->client_lock);
	wake_up_all(&chan->gate_wait);
	list_for_each_entry_safe(args, next, &early, core.node)
		chan->ops->submit(chan, args);
	srcu_read_unlock(&chan->srcu, idx);
}

/* Close the open gate. -ENOTCONN: dead; -EAGAIN: it has not been open yet. */
int ferry_chan_hold(struct ferry_chan *chan)
{
	int err = 0;

	mutex_lock(&chan->client_lock);
	if (chan->gate == FERRY_GATE_OPEN)
		smp_store_release(&chan->gate, FERRY_GATE_HOLD);
	else
		err = chan->gate == FERRY_GATE_DEAD ? -ENOTCONN : -EAGAIN;
	mutex_unlock(&chan->client_lock);
	/*
	 * Whoever saw the gate open counted itself as begun before that, and says so to
	 * all CPUs when this is over.
	 */
	if (!err)
		synchronize_rcu_expedited();
	return err;
}

/*
 * The gate is held: has all ended that had passed it? Never says so too early: a caller
 * counts as begun before it counts as waiting, and ceases to wait before it has ended.
 */
bool ferry_chan_is_drained(struct ferry_chan *chan)
{
	unsigned int out = atomic_read_acquire(&chan->held_out);
	unsigned int in = atomic_read_acquire(&chan->held_in);
	unsigned int early = smp_load_acquire(&chan->nr_early);
	struct ferry_op_stats sum;

	ferry_stats_sum(chan, &sum);
	smp_rmb();
	return sum.begun - sum.ended == in - out + early &&
	       in == atomic_read(&chan->held_in) && out == atomic_read(&chan->held_out) &&
	       early == READ_ONCE(chan->nr_early);
}

void ferry_chan_ready(struct ferry_chan *chan, int err)
{
	if (err) {
		ferry_chan_abort(chan);
		return;
	}
	ferry_chan_release_held(chan);
	ferry_recover_start(chan);
}
EXPORT_SYMBOL_GPL(ferry_chan_ready);

bool ferry_chan_is_dead(const struct ferry_chan *chan)
{
	return READ_ONCE(chan->gate) == FERRY_GATE_DEAD;
}
EXPORT_SYMBOL_GPL(ferry_chan_is_dead);

bool ferry_chan_is_local(const struct ferry_chan *chan)
{
	return chan->ops->placement == FERRY_PLACEMENT_KERNEL;
}
EXPORT_SYMBOL_GPL(ferry_chan_is_local);

bool ferry_chan_is_rw(const struct ferry_chan *chan)
{
	return chan->flags & FERRY_CREATE_RW;
}
EXPORT_SYMBOL_GPL(ferry_chan_is_rw);

const char *ferry_chan_name(const struct ferry_chan *chan)
{
	return chan->name;
}
EXPORT_SYMBOL_GPL(ferry_chan_name);

u32 ferry_chan_id(const struct ferry_chan *chan)
{
	return chan->id;
}
EXPORT_SYMBOL_GPL(ferry_chan_id);

u32 ferry_chan_queues(const struct ferry_chan *chan)
{
	return chan->geo.nr_queues;
}
EXPORT_SYMBOL_GPL(ferry_chan_queues);

u32 ferry_chan_depth(const struct ferry_chan *chan)
{
	return chan->geo.depth;
}
EXPORT_SYMBOL_GPL(ferry_chan_depth);

static struct ferry_op_stats __percpu *op_stats(const struct ferry_chan *chan,
						const struct ferry_args *args)
{
	return &chan->stats->op[args->opcode % FERRY_STAT_OPS];
}

static __always_inline void count_end(struct ferry_chan *chan,
				      struct ferry_op_stats __percpu *op,
				      const struct ferry_args *args, int err)
{
	this_cpu_inc(op->ended);
	if (err)
		this_cpu_inc(op->errors);
	else if (args->flags & FERRY_ARGS_DATA_IN)
		this_cpu_add(op->bytes_in, args->data_len);
	else if (args->flags & FERRY_ARGS_DATA_OUT)
		this_cpu_add(op->bytes_out, args->data_done);
	if (static_branch_unlikely(&ferry_timing))
		ferry_stats_took(chan, args);
	trace_ferry_end(chan, args, err);
}

/*
 * The end of a submitted request, wherever it comes to it. ->end() may let go of all that the
 * end of the client instance has waited for so far (the lock of a page, say), and still have
 * something to do: ferry_chan_unbind() waits for srcu, too.
 */
void ferry_chan_end(struct ferry_chan *chan, struct ferry_args *args, int err)
{
	int idx = srcu_read_lock(&chan->srcu);

	count_end(chan, op_stats(chan, args), args, err);
	args->end(args, err);
	srcu_read_unlock(&chan->srcu, idx);
}

/* An answer whose asker is gone; called from a server's thread. */
void ferry_chan_late(struct ferry_chan *chan, const struct ferry_late *late)
{
	int idx = srcu_read_lock(&chan->srcu);
	void *client = ferry_chan_client(chan);

	if (client && chan->client_ops->late)
		chan->client_ops->late(client, late);
	srcu_read_unlock(&chan->srcu, idx);
}

/* And its request is left no more. */
void ferry_chan_late_over(struct ferry_chan *chan)
{
	int idx = srcu_read_lock(&chan->srcu);
	void *client = ferry_chan_client(chan);

	if (client && chan->client_ops->late_over)
		chan->client_ops->late_over(client);
	srcu_read_unlock(&chan->srcu, idx);
}

static bool may_pass(const struct ferry_args *args, int gate)
{
	return gate == FERRY_GATE_OPEN ||
	       (gate < FERRY_GATE_OPEN && (args->flags & FERRY_ARGS_INIT));
}

static noinline int wait_for_gate(struct ferry_chan *chan, const struct ferry_args *args)
{
	int gate = smp_load_acquire(&chan->gate);

	while (!may_pass(args, gate)) {
		int err;

		if (gate == FERRY_GATE_DEAD)
			return -ENOTCONN;
		atomic_inc(&chan->held_in);
		err = ___wait_event(chan->gate_wait,
				    smp_load_acquire(&chan->gate) >= FERRY_GATE_OPEN,
				    FERRY_WAIT_STATE, 0, 0, schedule());
		atomic_inc(&chan->held_out);
		if (err)
			return -EINTR;
		/* Not held any more before we look: see ferry_chan_is_drained(). */
		smp_mb__after_atomic();
		gate = smp_load_acquire(&chan->gate);
	}
	return 0;
}

static __always_inline void begin(const struct ferry_chan *chan,
				  struct ferry_op_stats __percpu *op, struct ferry_args *args)
{
	args->out_len = 0;
	args->data_done = 0;
	args->core.began = 0;
	this_cpu_inc(op->begun);
	if (static_branch_unlikely(&ferry_timing))
		args->core.began = ferry_stats_began(chan);
	trace_ferry_call(chan, args);
}

int ferry_call(struct ferry_chan *chan, struct ferry_args *args)
{
	struct ferry_op_stats __percpu *op = op_stats(chan, args);
	int err;

	begin(chan, op, args);
	if (unlikely(smp_load_acquire(&chan->gate) != FERRY_GATE_OPEN)) {
		err = wait_for_gate(chan, args);
		if (err)
			goto out;
	}
	err = chan->ops->call(chan, args);
out:
	count_end(chan, op, args, err);
	return err;
}
EXPORT_SYMBOL_GPL(ferry_call);

void ferry_submit(struct ferry_chan *chan, struct ferry_args *args)
{
	begin(chan, op_stats(chan, args), args);
	args->flags |= FERRY_ARGS_NO_CRED;	/* it may go from anyone's context */
	if (unlikely(!may_pass(args, smp_load_acquire(&chan->gate)))) {
		int gate;

		spin_lock(&chan->early_lock);
		gate = chan->gate;
		if (gate < FERRY_GATE_OPEN) {
			list_add_tail(&args->core.node, &chan->early);
			smp_store_release(&chan->nr_early, chan->nr_early + 1);
		}
		spin_unlock(&chan->early_lock);
		if (gate == FERRY_GATE_DEAD)
			ferry_chan_end(chan, args, -ENOTCONN);
		if (gate != FERRY_GATE_OPEN)
			return;
	}
	chan->ops->submit(chan, args);
}
EXPORT_SYMBOL_GPL(ferry_submit);

bool ferry_cancel(struct ferry_chan *chan, struct ferry_args *args, int err)
{
	const struct ferry_deliver_ops *ops = READ_ONCE(chan->ops);
	int idx;

	if (!ops->cancel)
		return false;
	idx = srcu_read_lock(&chan->srcu);
	if (!ops->cancel(chan, args)) {
		srcu_read_unlock(&chan->srcu, idx);
		return false;
	}
	ferry_chan_end(chan, args, err);
	srcu_read_unlock(&chan->srcu, idx);
	return true;
}
EXPORT_SYMBOL_GPL(ferry_cancel);
