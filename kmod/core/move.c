// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live moves: one server of a channel is exchanged for another, on the same or the
 * other side of the line, while clients use it. The gate is held, what has passed it
 * ends, the old server saves its state into a file, the new one loads it, and the gate
 * opens again.
 */
#include <linux/file.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include "core/core.h"
#include "core/queue.h"
#include "ferry/req.h"

#define DRAIN_MAX	(10 * HZ)
#define LEAVE_MAX	(2 * HZ)

/* Where nothing was said: seconds that a moved channel waits for its server. */
#define GRACE_DEFAULT	30

#define BUF_SIZE	(256 * 1024)

/**
 * struct state_file - a saved state
 * @stream: what backends see of it
 * @file: in memory
 * @pos: where the file goes on behind @buf
 * @buf: BUF_SIZE
 * @len: bytes in it
 * @used: of those, when reading: how many have been
 */
struct state_file {
	struct ferry_stream	stream;
	struct file		*file;
	loff_t			pos;
	void			*buf;
	size_t			len;
	size_t			used;
};

static int flush(struct state_file *s)
{
	ssize_t n = kernel_write(s->file, s->buf, s->len, &s->pos);

	if (n != s->len)
		return n < 0 ? n : -ENOSPC;
	s->len = 0;
	return 0;
}

static int write_state(struct ferry_stream *stream, void *p, size_t len)
{
	struct state_file *s = container_of(stream, struct state_file, stream);

	while (len) {
		size_t n = min(len, BUF_SIZE - s->len);
		int err = 0;

		memcpy(s->buf + s->len, p, n);
		s->len += n;
		if (s->len == BUF_SIZE)
			err = flush(s);
		if (err)
			return err;
		p += n;
		len -= n;
	}
	return 0;
}

static int read_state(struct ferry_stream *stream, void *p, size_t len)
{
	struct state_file *s = container_of(stream, struct state_file, stream);

	while (len) {
		size_t n = min(len, s->len - s->used);

		if (!n) {
			ssize_t got = kernel_read(s->file, s->buf, BUF_SIZE, &s->pos);

			if (got <= 0)
				return got ?: -EIO;
			s->len = got;
			s->used = 0;
			continue;
		}
		memcpy(p, s->buf + s->used, n);
		s->used += n;
		p += n;
		len -= n;
	}
	return 0;
}

/* Ask the daemon for its state, piece by piece. */
static int save_daemon(struct ferry_chan *chan, struct state_file *s)
{
	struct ferry_save_in in = {};
	struct kvec kvec = { .iov_base = s->buf, .iov_len = BUF_SIZE };
	struct iov_iter iter;
	struct ferry_args args = {
		.opcode = FERRY_OP_SAVE,
		.flags = FERRY_ARGS_DATA_OUT | FERRY_ARGS_NO_CRED | FERRY_ARGS_INIT,
		.nr_in = 1,
		.in[0] = { .p = &in, .len = sizeof(in) },
		.data = &iter,
		.data_len = BUF_SIZE,
	};
	int err;

	do {
		iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, BUF_SIZE);
		err = ferry_call(chan, &args);
		if (err)
			return err == -ENOSYS ? -EOPNOTSUPP : err;
		s->len = args.data_done;
		in.offset += s->len;
		err = flush(s);
	} while (!err && args.data_done == BUF_SIZE);
	return err;
}

static int save(struct ferry_chan *chan, struct state_file *s)
{
	int err;

	if (!ferry_chan_is_local(chan))
		return save_daemon(chan, s);
	s->stream.move = write_state;
	err = ferry_local_save(chan, &s->stream);
	return err ?: flush(s);
}

static int load(struct ferry_chan *chan, struct state_file *s)
{
	s->stream.move = read_state;
	s->stream.err = 0;
	s->pos = 0;
	s->len = 0;
	s->used = 0;
	return ferry_local_load(chan, &s->stream);
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

static bool all_left(struct ferry_chan *chan)
{
	bool left;

	mutex_lock(&chan->attach_lock);
	left = !chan->endpoints;
	mutex_unlock(&chan->attach_lock);
	return left;
}

static void kill_server(struct ferry_chan *chan)
{
	mutex_lock(&chan->client_lock);
	kill_pid(chan->creator, SIGKILL, 1);
	mutex_unlock(&chan->client_lock);
}

/* Send the daemon home. -ENOTCONN: it did not go even when killed, and the channel died. */
static int dismiss_daemon(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	chan->dismissed = true;
	mutex_unlock(&chan->attach_lock);
	ferry_daemon_dismiss(chan, true);
	if (!wait_event_timeout(chan->gate_wait, all_left(chan), LEAVE_MAX)) {
		kill_server(chan);
		if (!wait_event_timeout(chan->gate_wait, all_left(chan), LEAVE_MAX)) {
			ferry_chan_abort(chan);
			return -ENOTCONN;
		}
	}
	return 0;
}

/*
 * From now on the channel is of the other delivery. Whoever kills the channel lets the
 * gate fall first and reads ->ops then; we look at the gate last: nobody is missed.
 */
static void set_ops(struct ferry_chan *chan, const struct ferry_deliver_ops *ops)
{
	WRITE_ONCE(chan->ops, ops);
	smp_mb();	/* pairs with the mutex in chan_kill() */
	if (ferry_chan_is_dead(chan))
		ops->abort(chan);
}

/* The old server is gone, its state in chan->state: let the next one come. */
static void await_next(struct ferry_chan *chan)
{
	ferry_daemon_dismiss(chan, false);
	set_ops(chan, &ferry_daemon_ops);
	mutex_lock(&chan->attach_lock);
	chan->dismissed = false;
	if (!ferry_chan_is_dead(chan)) {
		if (chan->on_death == FERRY_DEATH_FAIL) {
			chan->on_death = FERRY_DEATH_REISSUE;
			chan->grace = GRACE_DEFAULT;
		}
		ferry_recover_await(chan);
	}
	mutex_unlock(&chan->attach_lock);
}

/* Take the state of the server that there is, and let it go. */
static int take_leave(struct ferry_chan *chan, struct state_file *s)
{
	static const struct ferry_geometry any;
	bool local = ferry_chan_is_local(chan);
	int err;

	if (local && !chan->queues) {
		err = ferry_daemon_shape(chan, &any);
		if (err)
			return err;
	}
	err = drain(chan);
	if (!err)
		err = save(chan, s);
	if (err)
		return err;
	get_file(s->file);
	ferry_recover_keep(chan, s->file);
	if (local) {
		ferry_local_free(chan);
		return 0;
	}
	return dismiss_daemon(chan);
}

static int exchange(struct ferry_chan *chan, u32 to, struct state_file *s)
{
	int err;

	err = take_leave(chan, s);
	if (err)
		return err;
	if (to == FERRY_MOVE_KERNEL)
		err = load(chan, s);
	if (to == FERRY_MOVE_KERNEL && !err) {
		mutex_lock(&chan->attach_lock);
		chan->dismissed = false;
		mutex_unlock(&chan->attach_lock);
		ferry_recover_keep(chan, NULL);
		set_ops(chan, &ferry_local_ops);
	} else {
		await_next(chan);
	}
	ferry_event(chan, FERRY_EVENT_MOVED);
	return err;
}

/*
 * ferry_chan_move() - exchange the server; see FERRY_IOC_MOVE
 * @to: FERRY_MOVE_KERNEL or FERRY_MOVE_USER
 * @stream: empty file in memory; the reference stays the caller's
 */
int ferry_chan_move(struct ferry_chan *chan, u32 to, struct file *stream)
{
	struct state_file s = { .file = get_file(stream) };
	int err;

	err = -ENOMEM;
	s.buf = kvmalloc(BUF_SIZE, GFP_KERNEL);
	if (!s.buf)
		goto put_file;
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
	err = ferry_chan_hold(chan);
	if (err)
		goto unlock;
	err = exchange(chan, to, &s);
	ferry_chan_release_held(chan);
unlock:
	mutex_unlock(&chan->move_lock);
free:
	kvfree(s.buf);
put_file:
	fput(s.file);
	return err;
}
