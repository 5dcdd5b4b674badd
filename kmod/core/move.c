// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live moves: one server of a channel is exchanged for another, on the same or the
 * other side of the line, while clients use it. The gate is held, what has passed it
 * ends, the old server saves its state into a file, the new one loads it, and the gate
 * opens again.
 */
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/swap.h>
#include "core/core.h"
#include "core/queue.h"
#include "ferry/filter.h"
#include "ferry/req.h"

#define DRAIN_MAX	(10 * HZ)
#define SAVE_MAX	(60 * HZ)
#define LEAVE_MAX	(2 * HZ)

/* Where nothing was said: seconds that a moved channel waits for its server. */
#define GRACE_DEFAULT	30

/* A process that was killed ends its last close() all the same, which may write much back. */
#define KILLED_MAX	(GRACE_DEFAULT * HZ)

#define BUF_SIZE	(256 * 1024)

/**
 * struct state_file - a saved state
 * @stream: what backends see of it
 * @file: in memory
 * @pos: where the stream is
 * @swap: pages of it that could be swapped out
 * @missing: the backend that did not load it for want of its module, or ""
 */
struct state_file {
	struct ferry_stream	stream;
	struct file		*file;
	loff_t			pos;
	unsigned long		swap;
	char			missing[FERRY_NAME_MAX];
};

static u64 size_of(const struct state_file *s)
{
	return i_size_read(file_inode(s->file));
}

/*
 * Is there memory for so many bytes, if @more pages are got beside what is available? Clients wait:
 * who allocates neither writes pages back nor has anybody killed, and where there is no memory it
 * would never return. Something is left for everybody else.
 */
static bool is_room(u64 bytes, unsigned long more)
{
	return (bytes >> PAGE_SHIFT) + totalram_pages() / 32 <= si_mem_available() + more;
}

/* Pages that the daemon keeps its state in, if it is one that others could go on from. */
static unsigned long kept(struct ferry_chan *chan)
{
	struct file *file = ferry_recover_state(chan);
	unsigned long pages = file ? file_inode(file)->i_blocks >> (PAGE_SHIFT - 9) : 0;

	if (file)
		fput(file);
	return pages;
}

static ssize_t write_state(struct ferry_stream *stream, void *p, size_t len)
{
	struct state_file *s = container_of(stream, struct state_file, stream);
	ssize_t n;

	if (!is_room(len, s->swap))
		return -ENOMEM;
	n = kernel_write(s->file, p, len, &s->pos);
	return n >= 0 && n < len ? -ENOSPC : n;
}

static ssize_t read_state(struct ferry_stream *stream, void *p, size_t len)
{
	struct state_file *s = container_of(stream, struct state_file, stream);

	/* The first piece says which modules it takes. */
	if (s->pos && !is_room(size_of(s) - s->pos, 0))
		return -ENOMEM;
	if (fatal_signal_pending(current))
		return -EINTR;
	return kernel_read(s->file, p, len, &s->pos);
}

/* Go to the begin. */
static void rewind(struct state_file *s, ssize_t (*move)(struct ferry_stream *, void *, size_t))
{
	s->stream.move = move;
	s->stream.err = 0;
	s->stream.len = 0;
	s->stream.used = 0;
	s->pos = 0;
}

/* FERRY_OP_SAVE under way */
struct saving {
	struct ferry_args	args;
	struct completion	done;
	int			err;
};

static void saving_end(struct ferry_args *args, int err)
{
	struct saving *saving = container_of(args, struct saving, args);

	saving->err = err;
	complete(&saving->done);
}

/* Clients wait meanwhile, so this does not: for whoever was told to end, or for ever. */
static int ask_to_save(struct ferry_chan *chan)
{
	struct saving saving = {
		.args = {
			.opcode = FERRY_OP_SAVE,
			.flags = FERRY_ARGS_INIT,
			.end = saving_end,
		},
		.done = COMPLETION_INITIALIZER_ONSTACK(saving.done),
	};
	unsigned long end = jiffies + SAVE_MAX;

	ferry_submit(chan, &saving.args);
	while (!wait_for_completion_timeout(&saving.done, HZ / 10)) {
		if (fatal_signal_pending(current))
			ferry_cancel(chan, &saving.args, -EINTR);
		else if (time_after(jiffies, end))
			ferry_cancel(chan, &saving.args, -ETIMEDOUT);
	}
	return saving.err;
}

/* Have the daemon save its state, and give it to the channel. */
static int save_daemon(struct ferry_chan *chan, struct state_file *s)
{
	struct file *saved;
	int err;

	/* It would wait for memory as we would, and no request be served meanwhile. */
	if (!is_room((u64)kept(chan) << PAGE_SHIFT, s->swap))
		return -ENOMEM;
	ferry_recover_ask_saved(chan);
	err = ask_to_save(chan);
	saved = ferry_recover_take_saved(chan);
	if (!err && saved)
		swap(s->file, saved);
	else if (!err)
		err = -EIO;
	if (saved)
		fput(saved);
	return err == -ENOSYS ? -EOPNOTSUPP : err;
}

static int save(struct ferry_chan *chan, struct state_file *s)
{
	/* Not to a disk whose requests are held. */
	s->swap = chan->class == FERRY_CLASS_BLOCK ? 0 : get_nr_swap_pages();
	if (!ferry_chan_is_local(chan))
		return save_daemon(chan, s);
	rewind(s, write_state);
	return ferry_local_save(chan, &s->stream);
}

static int load(struct ferry_chan *chan, struct state_file *s)
{
	rewind(s, read_state);
	return ferry_local_load(chan, &s->stream, s->missing);
}

/* The gate is held: wait for the end of what has passed it. */
static int drain(struct ferry_chan *chan)
{
	unsigned long end = jiffies + DRAIN_MAX;

	while (!ferry_chan_is_drained(chan) || !ferry_daemon_is_idle(chan)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (ferry_chan_is_dead(chan))
			return -ENOTCONN;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		schedule_timeout_killable(1);
	}
	return 0;
}

/* A hint: who is about to go holds attach_lock, which we take before we rely on it. */
static bool all_left(const struct ferry_chan *chan)
{
	return !READ_ONCE(chan->endpoints);
}

/* But not ourselves: a thread of the daemon may move it, and keeps its files open meanwhile. */
static void kill_server(struct ferry_chan *chan)
{
	mutex_lock(&chan->client_lock);
	if (chan->creator != task_tgid(current))
		kill_pid(chan->creator, SIGKILL, 1);
	mutex_unlock(&chan->client_lock);
}

/*
 * The daemon was sent home. -ETIMEDOUT: it did not go even when killed, and what comes of that is
 * worse for its clients than to wait. -ENOTCONN: nobody waits any more.
 */
static int await_leave(struct ferry_chan *chan)
{
	if (!wait_event_timeout(chan->gate_wait, all_left(chan) || ferry_chan_is_dead(chan),
				LEAVE_MAX)) {
		kill_server(chan);
		wait_event_timeout(chan->gate_wait, all_left(chan) || ferry_chan_is_dead(chan),
				   KILLED_MAX);
	}
	if (all_left(chan))
		return 0;
	return ferry_chan_is_dead(chan) ? -ENOTCONN : -ETIMEDOUT;
}

/*
 * From now on the channel is of the other delivery. Whoever kills the channel lets the
 * gate fall first and reads ->ops then; we look at the gate last: nobody is missed.
 */
static void set_ops(struct ferry_chan *chan, const struct ferry_deliver_ops *ops)
{
	/* The server, or the queues, before: see arm_expire(). */
	smp_store_release(&chan->ops, ops);
	smp_mb();	/* pairs with the mutex in chan_kill() */
	if (ferry_chan_is_dead(chan))
		ops->abort(chan);
}

/*
 * The old server is gone, its state in chan->state: let the next one come. @called: by whoever
 * has sent that one home, unlike where the kernel was to go on and could not.
 */
static void await_next(struct ferry_chan *chan, bool called)
{
	ferry_daemon_dismiss(chan, false);
	set_ops(chan, &ferry_daemon_ops);
	mutex_lock(&chan->attach_lock);
	chan->dismissed = false;
	if (!ferry_chan_is_dead(chan)) {
		if (chan->on_death == FERRY_DEATH_FAIL) {
			chan->on_death = FERRY_DEATH_REISSUE;
			chan->lent = true;
		}
		if (!chan->grace)
			chan->grace = GRACE_DEFAULT;
		ferry_recover_await(chan);
		chan->kept_out = !called;
		ferry_recover_call(chan, !called);
	}
	mutex_unlock(&chan->attach_lock);
	ferry_recover_start(chan);
}

static bool may_move(const struct ferry_chan *chan, u32 to)
{
	return to == FERRY_MOVE_KERNEL ? READ_ONCE(chan->trusted) : ferry_recover_may_follow(chan);
}

/* Have the server that there is save its state. */
static int take_state(struct ferry_chan *chan, u32 to, struct state_file *s)
{
	int err;

	if (ferry_chan_is_local(chan) && !all_left(chan))
		return -EBUSY;
	err = drain(chan);
	if (!err)
		err = save(chan, s);
	/* Looked at now: who has attached and saved meanwhile counts. */
	return err || may_move(chan, to) ? err : -EPERM;
}

/*
 * Nothing is asked any more of the server that there is: the next one is given @state. A daemon
 * may take its time to leave.
 */
static void send_home(struct ferry_chan *chan, struct file *state)
{
	if (ferry_chan_is_local(chan)) {
		ferry_local_retire(chan);
	} else {
		ferry_recover_dismiss(chan);
		ferry_daemon_dismiss(chan, true);
	}
	ferry_recover_keep(chan, get_file(state));
}

/* Did it not load because of what the daemon has for itself until it leaves? */
static bool is_in_the_way(struct ferry_chan *chan, const struct state_file *s, int err)
{
	/* A block device. Or the memory that it keeps its state in. */
	return err == -EBUSY ||
	       (err == -ENOMEM && !is_room(size_of(s), 0) && is_room(size_of(s), kept(chan)));
}

/*
 * A process closes its files one after the other, and its endpoints may be first; what they
 * held is free after that.
 */
static int load_again(struct ferry_chan *chan, struct state_file *s)
{
	unsigned long end = jiffies + LEAVE_MAX;

	for (;;) {
		int err = load(chan, s);

		if ((err != -EBUSY && err != -ENOMEM) || fatal_signal_pending(current) ||
		    time_after(jiffies, end))
			return err;
		schedule_timeout_killable(HZ / 50);
	}
}

static int exchange(struct ferry_chan *chan, u32 to, struct state_file *s)
{
	const bool to_kernel = to == FERRY_MOVE_KERNEL;
	int err = take_state(chan, to, s);

	if (err)
		return err;
	/* The daemon is there still, and goes on if this fails: nothing has changed. */
	if (to_kernel)
		err = load(chan, s);
	if (err && !is_in_the_way(chan, s, err))
		return err;
	send_home(chan, s->file);
	if ((err || !to_kernel) && await_leave(chan)) {
		/* Not only aborted: its client is to be told, and a disk removed. */
		ferry_chan_server_gone(chan);
		return -ENOTCONN;
	}
	if (err)
		err = load_again(chan, s);
	if (err || !to_kernel) {
		await_next(chan, !err);
		return err;
	}
	ferry_recover_keep(chan, NULL);
	WRITE_ONCE(chan->kept_out, false);
	set_ops(chan, &ferry_local_ops);
	return 0;
}

/* Clients wait in here, and nowhere else. @held_ns: for how long is added to it */
static int hold_and_exchange(struct ferry_chan *chan, u32 to, struct state_file *s, u64 *held_ns)
{
	const u64 since = ktime_get_ns();
	/* Memory must not wait for a disk whose requests are held, or ours to submit. */
	unsigned int noio = memalloc_noio_save();
	int err = ferry_chan_hold(chan);

	if (!err) {
		err = exchange(chan, to, s);
		ferry_chan_release_held(chan);
	}
	memalloc_noio_restore(noio);
	*held_ns += ktime_get_ns() - since;
	return err;
}

/*
 * As hold_and_exchange(). A module of those that stand before one another may not be loaded yet.
 * modprobe may lie on what is to move: it is called when clients go on, and then it is all done
 * once more.
 */
static int try_exchange(struct ferry_chan *chan, u32 to, struct state_file *s, u64 *held_ns)
{
	unsigned int missed;
	int err;

	for (missed = 0;; missed++) {
		s->missing[0] = '\0';
		err = hold_and_exchange(chan, to, s, held_ns);
		if (!err || !s->missing[0] || READ_ONCE(chan->detached) ||
		    missed == FERRY_FILTERS_MAX)
			return err;
		if (ferry_local_find(s->missing))
			return -EOPNOTSUPP;
	}
}

/* Clients go on already: see the old daemon out. One that stays has nothing to do here. */
static void see_out(struct ferry_chan *chan)
{
	await_leave(chan);
	mutex_lock(&chan->attach_lock);
	chan->dismissed = false;
	mutex_unlock(&chan->attach_lock);
}

/*
 * ferry_chan_move() - exchange the server; see FERRY_IOC_MOVE
 * @to: FERRY_MOVE_KERNEL or FERRY_MOVE_USER
 * @stream: empty file in memory; the reference stays the caller's
 * @held_ns: out, for how long requests have waited
 */
int ferry_chan_move(struct ferry_chan *chan, u32 to, struct file *stream, u64 *held_ns)
{
	static const struct ferry_geometry any;
	struct state_file s = { .file = get_file(stream), .stream.size = BUF_SIZE };
	struct module *owner = NULL;
	int err = 0;

	if (!may_move(chan, to))
		err = -EPERM;
	/* Loads its module: not while clients wait for us. */
	else if (to == FERRY_MOVE_KERNEL)
		err = ferry_local_can_load(chan, &owner);
	if (err) {
		err = err == -ENOENT ? -EOPNOTSUPP : err;
		goto put_file;
	}
	err = -ENOMEM;
	s.stream.buf = kvmalloc(BUF_SIZE, GFP_KERNEL);
	if (!s.stream.buf)
		goto put_module;
	err = -EINTR;
	if (mutex_lock_killable(&chan->move_lock))
		goto free;
	err = -EALREADY;
	if (to == FERRY_MOVE_KERNEL && ferry_chan_is_local(chan))
		goto unlock;
	err = -ENOTCONN;
	if (READ_ONCE(chan->detached))
		goto unlock;
	err = -EOPNOTSUPP;
	if (chan->flags & FERRY_CREATE_RW)
		goto unlock;
	/* Takes its time, with so much memory to clear. */
	err = chan->queues ? 0 : ferry_daemon_shape(chan, &any);
	if (err)
		goto unlock;
	*held_ns = 0;
	err = try_exchange(chan, to, &s, held_ns);
	if (err)
		goto unlock;
	ferry_event(chan, FERRY_EVENT_MOVED);
	if (to == FERRY_MOVE_KERNEL)
		see_out(chan);
unlock:
	mutex_unlock(&chan->move_lock);
free:
	kvfree(s.stream.buf);
put_module:
	module_put(owner);
put_file:
	fput(s.file);
	return err;
}
