// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Wait style uring: FERRY_IOC_SYNC as commands of io_uring. A thread has a ring, and
 * several commands in it that wait; what it answers, what it asks for next and what the
 * backend does itself is submitted in the one system call that waits.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/uring.h>

#include "ring.h"

/*
 * Commands that wait at a time: as many requests come by one system call. Half of what the
 * queue holds: while those are served the others come.
 */
#define COMMANDS_MAX	32U

/* Submission entries; who needs more submits in between. */
#define ENTRIES		64

/*
 * Completions that other tasks cause are made by the thread itself, the next time that it
 * enters the kernel: nobody interrupts it for them.
 */
#define SETUP		(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL)

/*
 * The same where they are made in io_uring_enter() alone. That is for one thread only, which
 * is the one that enables the ring. On 6.1 it takes 220 instructions a request more; on those
 * that GATHERS says nobody has to lock the thread in order to give it work, and it can be left
 * asleep until there is enough of it.
 */
#define SETUP_DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | \
			 IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL)

/* IORING_FEAT_MIN_TIMEOUT, for older headers: Linux 6.12 or later. */
#define GATHERS		(1U << 15)

/*
 * A thread that serves faster than the others ask sleeps after each request, and is woken for
 * the next, which takes longer than to serve it. So it learns to wait for several of them: as
 * long as so many come in time, twice as many, but no more than are to be served while the
 * others prepare the next. Where they do not come, for so many as came; and after a number of
 * rounds, which doubles each time that this was in vain, for more once again.
 */
#define GATHER_MAX	8U
#define GATHER_NS	100000
#define RETRY_MIN	64U
#define RETRY_MAX	1024U

/**
 * struct uring - a thread's ring
 * @nr_io: struct ferry_io under way
 * @gather: how many completions to wait for
 * @gather_max: at most
 * @rounds: so many rounds are left before more are waited for
 * @retry: how many rounds there are, the next time that they do not come
 * @tries: more are waited for, for the first time
 * @over: no more requests are fetched
 */
struct uring {
	struct io_uring ring;
	struct ferry_worker *worker;
	unsigned int nr_io;
	unsigned int gather;
	unsigned int gather_max;
	unsigned int rounds;
	unsigned int retry;
	bool tries;
	bool over;
};

/* This thread's, or NULL. */
static __thread struct uring *own __attribute__((tls_model("initial-exec")));

/* What a completion belongs to: a command, then it is odd, or a struct ferry_io. */
static u64 command_data(unsigned long arg)
{
	return (u64)arg << 1 | 1;
}

static struct io_uring_sqe *get_sqe(struct uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	while (unlikely(!sqe)) {
		io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	return sqe;
}

static void command(struct uring *u, unsigned long arg)
{
	struct io_uring_sqe *sqe = get_sqe(u);
	const u64 data[2] = { arg, 0 };

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, u->worker->fd, NULL, 0, 0);
	sqe->cmd_op = FERRY_IOC_SYNC;
	memcpy(sqe->cmd, data, sizeof(data));
	sqe->user_data = command_data(arg);
}

struct io_uring_sqe *ferry_uring_sqe(struct ferry_io *io)
{
	struct io_uring_sqe *sqe;

	if (!own)
		return NULL;
	sqe = get_sqe(own);
	sqe->user_data = (uintptr_t)io;
	own->nr_io++;
	return sqe;
}

void *ferry_uring_data(struct ferry_req *req, u32 *len)
{
	return own ? ferry_ring_data(req, len) : NULL;
}

static void answer_now(int fd, unsigned long arg)
{
	if (ioctl(fd, FERRY_IOC_SYNC, arg) < 0)
		ferry_ring_not_taken(arg, errno);
}

static void send_late(struct ferry_req *req)
{
	const struct ferry_slot *slot = container_of(req, struct ferry_slot, req);
	const unsigned long arg = slot->tag | FERRY_SYNC_REPLY;

	if (own && own->worker->fd == slot->fd)
		command(own, arg);
	else
		answer_now(slot->fd, arg);
}

static int serve(struct uring *u, u32 tag)
{
	struct ferry_session *session = u->worker->session;
	const int fd = u->worker->fd;
	struct ferry_slot *slot = ferry_ring_take(session->loop_data, tag, fd);
	unsigned long arg = FERRY_SYNC_WAIT;
	bool there;

	if (unlikely(!slot))
		return -EPROTO;
	there = ferry_ring_serve(slot);
	if (unlikely(ferry_session_stops(session)))
		arg = 0;
	if (likely(there)) {
		if (likely(ferry_session_is_up(session))) {
			arg |= tag | FERRY_SYNC_REPLY;
		} else {
			answer_now(fd, tag | FERRY_SYNC_REPLY);
			ferry_session_answered(session);
		}
	}
	if (likely(arg))
		command(u, arg);
	return 0;
}

/* A command has ended with @res. Return: 0, or -errno: the thread is to end. */
static int command_ended(struct uring *u, unsigned long arg, int res)
{
	if (likely(res >= 0))
		return arg & FERRY_SYNC_WAIT ? serve(u, res) : 0;
	switch (res) {
	case -ENODEV:
		u->over = true;
		return 0;
	case -EINVAL:
	case -ENOENT:
		if (!(arg & FERRY_SYNC_REPLY))
			return res;
		ferry_ring_not_taken(arg, -res);
		break;
	case -ECANCELED:
		break;
	default:
		return res;
	}
	if (arg & FERRY_SYNC_WAIT && !ferry_session_stops(u->worker->session))
		command(u, FERRY_SYNC_WAIT);
	return 0;
}

static int ended(struct uring *u, const struct io_uring_cqe *cqe)
{
	struct ferry_io *io;

	if (likely(cqe->user_data & 1))
		return command_ended(u, cqe->user_data >> 1, cqe->res);
	io = (void *)(uintptr_t)cqe->user_data;
	u->nr_io--;
	io->done(io, cqe->res);
	return 0;
}

/* Return: as io_uring_submit_and_wait(); 0 if time is up, too */
static int submit_and_wait(struct uring *u)
{
	struct __kernel_timespec time = { .tv_nsec = GATHER_NS };
	struct io_uring_cqe *cqe;
	int ret;

	/* What the backend waits for may be all that there is. */
	if (u->gather == 1 || u->nr_io)
		return io_uring_submit_and_wait(&u->ring, 1);
	ret = io_uring_submit_and_wait_timeout(&u->ring, &cqe, u->gather, &time, NULL);
	return ret == -ETIME ? 0 : ret;
}

/* There were @nr completions when @u->gather were waited for. */
static void learn(struct uring *u, unsigned int nr)
{
	if (nr < u->gather && u->gather > 1) {
		u->gather = max(nr, 1U);
		u->rounds = u->retry;
		u->retry = min(2 * u->retry, RETRY_MAX);
		u->tries = false;
		return;
	}
	if (u->tries)
		u->retry = RETRY_MIN;
	else if (u->rounds && --u->rounds)
		return;
	u->tries = u->gather < u->gather_max;
	u->gather = min(2 * u->gather, u->gather_max);
}

static int run(struct ferry_worker *worker)
{
	struct ferry_session *session = worker->session;
	struct uring *u = worker->loop_data;
	struct io_uring_cqe *cqe;
	unsigned int i, head, nr;
	int err = 0;

	/* The library's function is not exported by liburing 2.3. */
	if (u->ring.flags & IORING_SETUP_R_DISABLED &&
	    syscall(__NR_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
		return -errno;
	/* Not to look the ring up at each call; without it goes too. */
	io_uring_register_ring_fd(&u->ring);
	own = u;
	nr = min((session->geo.depth + 1) / 2, COMMANDS_MAX);
	for (i = 0; i < nr; i++)
		command(u, FERRY_SYNC_WAIT);
	/* Who asks a filesystem waits for the answer, most of the time. */
	if (u->ring.features & GATHERS && session->class == FERRY_CLASS_BLOCK)
		u->gather_max = min(nr, GATHER_MAX);

	while (!u->over || u->nr_io) {
		const bool gathers = !u->nr_io;
		int ret = submit_and_wait(u);

		if (unlikely(ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY))
			err = err ? err : ret;
		nr = 0;
		io_uring_for_each_cqe(&u->ring, head, cqe) {
			ret = ended(u, cqe);
			if (unlikely(ret))
				err = err ? err : ret;
			nr++;
		}
		io_uring_cq_advance(&u->ring, nr);
		if (gathers)
			learn(u, nr);
		if (unlikely(err || ferry_session_stops(session)))
			u->over = true;
	}
	/* What was answered before we were told to stop is not to be lost. */
	io_uring_submit(&u->ring);
	own = NULL;
	return err;
}

static void close_uring(struct ferry_session *session)
{
	u32 i;

	for (i = 0; i < session->nr_workers; i++) {
		struct uring *u = session->workers[i].loop_data;

		if (!u)
			continue;
		session->workers[i].loop_data = NULL;
		io_uring_queue_exit(&u->ring);
		free(u);
	}
	ferry_ring_close(session);
}

static int open_ring(struct ferry_worker *worker)
{
	struct uring *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	u->worker = worker;
	u->gather = 1;
	u->gather_max = 1;
	u->rounds = RETRY_MIN;
	u->retry = RETRY_MIN;
	err = io_uring_queue_init(ENTRIES, &u->ring, SETUP);
	if (!err && u->ring.features & GATHERS) {
		io_uring_queue_exit(&u->ring);
		err = io_uring_queue_init(ENTRIES, &u->ring, SETUP_DEFER);
	}
	if (err)
		free(u);
	else
		worker->loop_data = u;
	return err;
}

static int open_uring(struct ferry_session *session)
{
	int err = ferry_ring_open(session, send_late);
	u32 i;

	for (i = 0; !err && i < session->nr_workers; i++) {
		err = open_ring(&session->workers[i]);
		if (!err)
			continue;
		if (err == -EPERM)
			ferry_log(FERRY_LOG_ERR, "wait=uring: io_uring is switched off here: "
				  "see sysctl kernel.io_uring_disabled, or use wait=sync");
		else if (err == -ENOSYS || err == -EINVAL)
			ferry_log(FERRY_LOG_ERR, "wait=uring: this kernel's io_uring is missing "
				  "or older than 5.19: use wait=sync");
		else
			ferry_log(FERRY_LOG_ERR, "wait=uring: no ring: %s", strerror(-err));
		close_uring(session);
	}
	return err;
}

const struct ferry_loop_ops ferry_loop_uring = {
	.name = "uring",
	.create_flags = FERRY_CREATE_URING,
	.open = open_uring,
	.run = run,
	.pending = ferry_ring_pending,
	.close = close_uring,
};
