// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Servers whose requests come by io_uring: commands that make no sense, and rings,
 * threads and processes that go while commands wait.
 */
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#define COMMANDS	4

/* Completions come by signal to the task, or when the one task that may waits for them. */
static const unsigned int setups[] = {
	0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

static unsigned int setup;

static void each_setup(void (*claim)(void))
{
	size_t i;

	for (i = 0; i < COUNT(setups); i++) {
		setup = setups[i];
		claim();
	}
}
#define FOR_EACH_SETUP(fn)	static void each_##fn(void) { each_setup(fn); }

static void ring_init(struct io_uring *ring)
{
	int err = io_uring_queue_init(32, ring, setup);

	if (err == -EPERM || err == -ENOSYS)
		claim_skip("io_uring: %s", strerror(-err));
	CHECK_EQ(err, 0);
}

static struct io_uring_sqe *command(struct io_uring *ring, int fd, uint64_t arg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	const uint64_t data[2] = { arg, 0 };

	CHECK(sqe);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = FERRY_IOC_SYNC;
	memcpy(sqe->cmd, data, sizeof(data));
	sqe->user_data = arg;
	return sqe;
}

static void submit_waits(struct io_uring *ring, int fd)
{
	int i;

	for (i = 0; i < COMMANDS; i++)
		command(ring, fd, FERRY_SYNC_WAIT);
	CHECK_EQ(io_uring_submit(ring), COMMANDS);
}

/* The res of the next completion, which is to come within 10 s. */
static int completion(struct io_uring *ring)
{
	struct __kernel_timespec t = { .tv_sec = 10 };
	struct io_uring_cqe *cqe;
	int res;

	CHECK_EQ(io_uring_wait_cqe_timeout(ring, &cqe, &t), 0);
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static int result_of(struct io_uring *ring)
{
	CHECK_EQ(io_uring_submit(ring), 1);
	return completion(ring);
}

static int endpoint(enum style style)
{
	struct ferry_setup s = rogue_setup(style);
	int fd = rogue_open();

	DO(ioctl(fd, FERRY_IOC_CREATE, &s));
	return fd;
}

static void refused(void)
{
	int fd = endpoint(SYNC), bare = rogue_open(), rw = endpoint(RW);
	struct io_uring ring, polled;

	ring_init(&ring);
	command(&ring, bare, FERRY_SYNC_POLL);
	CHECK_EQ(result_of(&ring), -ENOTCONN);
	command(&ring, rw, FERRY_SYNC_POLL);
	CHECK_EQ(result_of(&ring), -EOPNOTSUPP);
	command(&ring, fd, FERRY_SYNC_POLL)->cmd_op = FERRY_IOC_XFER;
	CHECK_EQ(result_of(&ring), -ENOTTY);
	command(&ring, fd, FERRY_SYNC_WAIT | 1ul << 31);
	CHECK_EQ(result_of(&ring), -EINVAL);
	command(&ring, fd, FERRY_SYNC_WAIT | 1ul << 32);
	CHECK_EQ(result_of(&ring), -EINVAL);
	((uint64_t *)command(&ring, fd, FERRY_SYNC_WAIT)->cmd)[1] = 1;
	CHECK_EQ(result_of(&ring), -EINVAL);
	command(&ring, fd, FERRY_SYNC_WAIT)->flags |= IOSQE_IO_LINK;
	command(&ring, ring.ring_fd, FERRY_SYNC_POLL);
	CHECK_EQ(io_uring_submit(&ring), 2);
	CHECK_EQ(completion(&ring), -EINVAL);
	CHECK_EQ(completion(&ring), -ECANCELED);
	command(&ring, fd, FERRY_SYNC_REPLY | FERRY_SYNC_WAIT | 8);
	CHECK_EQ(result_of(&ring), -EINVAL);
	command(&ring, fd, FERRY_SYNC_REPLY | FERRY_SYNC_WAIT | 7);
	CHECK_EQ(result_of(&ring), -ENOENT);
	command(&ring, fd, FERRY_SYNC_POLL);
	CHECK_EQ(result_of(&ring), -EAGAIN);
	command(&ring, fd, 0);
	CHECK_EQ(result_of(&ring), 0);

	if (!io_uring_queue_init(4, &polled, IORING_SETUP_IOPOLL)) {
		int res;

		/* 6.1 does not take them there, 7.2 does. */
		command(&polled, fd, FERRY_SYNC_POLL);
		res = result_of(&polled);
		CHECK(res == -EOPNOTSUPP || res == -EAGAIN);
	}
}
FOR_EACH_SETUP(refused)

/* --- servers that have answered INIT ------------------------------------------- */

/* What the server does once INIT is answered; it does not come back. */
static void (*serve)(struct rogue *r);

static bool take_over(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != FUSE_INIT)
		return false;
	rogue_be_honest(r, req);
	serve(r);
	fflush(stdout);
	_exit(0);
}

static struct rogue start(void (*fn)(struct rogue *r))
{
	serve = fn;
	return rogue_start(SYNC, take_over);
}

/* For the other side to wait for. */
static void say(struct rogue *r)
{
	(*r->told)++;
}

static void say_and_stay(struct rogue *r)
{
	say(r);
	for (;;)
		pause();
}

static void serve_by_ioctl(struct rogue *r)
{
	struct request req;

	while (rogue_fetch(r, &req))
		rogue_be_honest(r, &req);
}

/* What @fn does when INIT is answered is no harm to a client. */
static void serves_after(void (*fn)(struct rogue *r))
{
	struct rogue r = start(fn);

	rogue_await(&r, 1);
	CHECK_EQ(rogue_try(op_stat_file, 10), 0);
	rogue_end(&r);
}

/* What @fn does has the server count as dead, though its process is there. */
static void is_dead_after(void (*fn)(struct rogue *r))
{
	struct rogue r = start(fn);

	rogue_await(&r, 1);
	CHECK_EQ(rogue_try(op_stat_file, 10), ENOTCONN);
	rogue_kill(&r);
	rogue_end(&r);
}

static void answer_enosys(struct rogue *r, struct io_uring *ring, unsigned int tag)
{
	struct ferry_desc *d = (struct ferry_desc *)(r->map + r->geo.desc_off) + tag;

	d->error = -ENOSYS;
	d->rep_len = 0;
	d->rep_data = 0;
	command(ring, r->fd, FERRY_SYNC_REPLY | FERRY_SYNC_WAIT | tag);
}

/* So is all that comes, until the client is gone. */
static void go_on(struct rogue *r, struct io_uring *ring)
{
	int tag;

	while ((tag = completion(ring)) >= 0) {
		answer_enosys(r, ring, tag);
		CHECK_EQ(io_uring_submit(ring), 1);
	}
	CHECK_EQ(tag, -ENODEV);
}

static void end_with_enosys(const pid_t *pids, int nr)
{
	int i, status;

	for (i = 0; i < nr; i++) {
		DO(waitpid(pids[i], &status, 0));
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == ENOSYS);
	}
}

static void wait_for_four(struct rogue *r)
{
	struct io_uring_cqe *cqes[COMMANDS];
	struct io_uring ring;
	int i;

	ring_init(&ring);
	for (i = 0; i < COMMANDS; i++)
		command(&ring, r->fd, FERRY_SYNC_WAIT);
	say(r);
	CHECK_EQ(io_uring_submit_and_wait(&ring, COMMANDS), COMMANDS);
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, cqes, COMMANDS), COMMANDS);
	for (i = 0; i < COMMANDS; i++)
		answer_enosys(r, &ring, cqes[i]->res);
	io_uring_cq_advance(&ring, COMMANDS);
	/* Four answers and, at umount, DESTROY or the end of all. */
	CHECK_EQ(io_uring_submit(&ring), COMMANDS);
	say(r);
	go_on(r, &ring);
}

static void four_at_once(void)
{
	struct rogue r = start(wait_for_four);
	pid_t pid[COMMANDS];
	int i;

	rogue_await(&r, 1);
	for (i = 0; i < COMMANDS; i++)
		pid[i] = rogue_client(op_statfs);
	rogue_await(&r, 2);
	end_with_enosys(pid, COMMANDS);
	rogue_end(&r);
}
FOR_EACH_SETUP(four_at_once)

static void take_by_worker(struct rogue *r)
{
	struct io_uring ring;
	int tags[2], nr = 0, res;

	ring_init(&ring);
	say(r);
	while (nr < 2) {
		command(&ring, r->fd, FERRY_SYNC_POLL)->flags |= IOSQE_ASYNC;
		res = result_of(&ring);
		if (res != -EAGAIN)
			tags[nr++] = res;
	}
	for (nr = 0; nr < 2; nr++) {
		CHECK(tags[nr] >= 0);
		answer_enosys(r, &ring, tags[nr]);
	}
	CHECK_EQ(io_uring_submit(&ring), 2);
	go_on(r, &ring);
}

/* Of two tags one is not 0, and such results 6.1 forgets if a worker returns them. */
static void worker_finds_requests(void)
{
	struct rogue r = start(take_by_worker);
	pid_t pid[2];
	int i;

	rogue_await(&r, 1);
	for (i = 0; i < 2; i++)
		pid[i] = rogue_client(op_statfs);
	end_with_enosys(pid, 2);
	rogue_end(&r);
}

static void wait_for_death(struct rogue *r)
{
	struct io_uring ring;

	ring_init(&ring);
	submit_waits(&ring, r->fd);
	say_and_stay(r);
}

static void killed(void)
{
	struct rogue r = start(wait_for_death);

	rogue_await(&r, 1);
	rogue_kill(&r);
	CHECK_EQ(rogue_try(op_stat_file, 10), ENOTCONN);
	rogue_end(&r);
}
FOR_EACH_SETUP(killed)

static void close_ring(struct rogue *r)
{
	struct io_uring ring;

	ring_init(&ring);
	submit_waits(&ring, r->fd);
	io_uring_queue_exit(&ring);
	say(r);
	serve_by_ioctl(r);
}

static void ring_closed(void)
{
	serves_after(close_ring);
}
FOR_EACH_SETUP(ring_closed)

static void close_ring_and_file(struct rogue *r)
{
	struct io_uring ring;

	ring_init(&ring);
	submit_waits(&ring, r->fd);
	io_uring_queue_exit(&ring);
	munmap(r->map, r->geo.queue_size);
	DO(close(r->fd));
	say_and_stay(r);
}

/* Its process lives, and holds neither ring nor file. */
static void both_closed(void)
{
	is_dead_after(close_ring_and_file);
}
FOR_EACH_SETUP(both_closed)

static void close_file(struct rogue *r)
{
	struct io_uring ring;
	int i;

	ring_init(&ring);
	submit_waits(&ring, r->fd);
	munmap(r->map, r->geo.queue_size);
	DO(close(r->fd));
	for (i = 0; i < COMMANDS; i++)
		CHECK_EQ(completion(&ring), -ECANCELED);
	say_and_stay(r);
}

static void file_closed(void)
{
	is_dead_after(close_file);
}
FOR_EACH_SETUP(file_closed)

static void close_registered(struct rogue *r)
{
	struct io_uring ring;
	int i;

	ring_init(&ring);
	CHECK_EQ(io_uring_register_files(&ring, &r->fd, 1), 0);
	munmap(r->map, r->geo.queue_size);
	DO(close(r->fd));
	for (i = 0; i < COMMANDS; i++)
		command(&ring, 0, FERRY_SYNC_WAIT)->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(io_uring_submit(&ring), COMMANDS);
	say_and_stay(r);
}

static void registered(void)
{
	struct rogue r = start(close_registered);
	double end;

	rogue_await(&r, 1);
	rogue_kill(&r);
	/* The ring holds the file until it has been taken apart. */
	for (end = now() + patience(10); now() < end && rogue_try(op_stat_file, 10) != ENOTCONN;)
		;
	CHECK_EQ(rogue_try(op_stat_file, 10), ENOTCONN);
	rogue_end(&r);
}
FOR_EACH_SETUP(registered)

static void *submit_and_exit(void *arg)
{
	static struct io_uring ring;

	ring_init(&ring);
	submit_waits(&ring, *(int *)arg);
	return NULL;
}

static void leave_thread(struct rogue *r)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, submit_and_exit, &r->fd), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	say(r);
	serve_by_ioctl(r);
}

/* pthread_join() may return before the kernel has seen the last of the thread. */
static void thread_gone(void)
{
	serves_after(leave_thread);
}
FOR_EACH_SETUP(thread_gone)

static void leave_unseen(struct rogue *r)
{
	struct io_uring ring;

	ring_init(&ring);
	submit_waits(&ring, r->fd);
	say(r);
	/* The client has been given a command, and we do not look at it. */
	while (*r->told < 2)
		__builtin_ia32_pause();
	io_uring_queue_exit(&ring);
	serve_by_ioctl(r);
}

static void unseen(void)
{
	struct rogue r;
	pid_t pid;

	/* Elsewhere a completion comes at any time. */
	if (!(setup & IORING_SETUP_DEFER_TASKRUN))
		return;
	r = start(leave_unseen);
	rogue_await(&r, 1);
	pid = rogue_client(op_stat_file);
	rogue_await_sleep(pid);
	say(&r);
	rogue_unharmed(pid);
	rogue_end(&r);
}
FOR_EACH_SETUP(unseen)

static void exec_with_commands(struct rogue *r)
{
	struct io_uring ring;
	pid_t pid = DO(fork());

	if (!pid) {
		ring_init(&ring);
		submit_waits(&ring, r->fd);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	wait_ok(pid);
	say(r);
	serve_by_ioctl(r);
}

static void exec(void)
{
	serves_after(exec_with_commands);
}
FOR_EACH_SETUP(exec)

static void fork_and_wait(struct rogue *r)
{
	struct io_uring ring;
	pid_t pid;

	ring_init(&ring);
	submit_waits(&ring, r->fd);
	pid = DO(fork());
	if (!pid)
		_exit(0);
	wait_ok(pid);
	say(r);
	go_on(r, &ring);
}

static void child_exits(void)
{
	struct rogue r = start(fork_and_wait);

	rogue_await(&r, 1);
	CHECK_EQ(rogue_try(op_statfs, 10), ENOSYS);
	rogue_end(&r);
}
FOR_EACH_SETUP(child_exits)

/* Commands at random, by thousands, until it dies. */
static void noise(struct rogue *r)
{
	uint64_t state = 0x2545f4914f6cdd1dull + test_seed();
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	unsigned int i, head, nr;

	ring_init(&ring);
	for (;;) {
		for (i = 0; i < 16 && io_uring_sq_space_left(&ring); i++) {
			uint32_t what = next_random(&state);
			struct io_uring_sqe *sqe = command(&ring, r->fd, what & 0x7800000f);

			if (what % 64 == 1)
				((uint64_t *)sqe->cmd)[what >> 8 & 1] = next_random(&state);
			if (what % 64 == 2)
				sqe->cmd_op = next_random(&state);
			if (what % 16 == 3)
				sqe->flags |= IOSQE_ASYNC;
			if (what % 16 == 4)
				sqe->flags |= IOSQE_IO_LINK;
			if (what % 64 == 5)
				sqe->fd = next_random(&state) % 16;
			if (what % 64 == 6)
				sqe->uring_cmd_flags = next_random(&state);
		}
		io_uring_submit(&ring);
		io_uring_get_events(&ring);
		nr = 0;
		io_uring_for_each_cqe(&ring, head, cqe)
			nr++;
		io_uring_cq_advance(&ring, nr);
		say(r);
		if (next_random(&state) % 256)
			continue;
		io_uring_queue_exit(&ring);
		ring_init(&ring);
	}
}

static void random_commands(void)
{
	struct rogue r = start(noise);
	int (*const ops[])(void) = { op_stat_file, op_read_file, op_list, op_readlink, op_statfs };
	pid_t pid[COUNT(ops)];
	size_t i;

	claim_note("seed %u", test_seed());
	for (i = 0; i < COUNT(ops); i++)
		pid[i] = rogue_client(ops[i]);
	rogue_await(&r, test_scale(2000));
	for (i = 0; i < COUNT(ops); i++)
		rogue_ends(pid[i]);
	rogue_kill(&r);
	rogue_end(&r);
}
FOR_EACH_SETUP(random_commands)

static const struct claim claims[] = {
	{ "commands want known words and fetched tags", each_refused },
	{ "one system call fetches four requests, one answers four", each_four_at_once },
	{ "a command that a worker of io_uring issues gets its request", worker_finds_requests },
	{ "a killed server's commands go with it", each_killed },
	{ "a closed ring's commands take no request", each_ring_closed },
	{ "a ring and a file that are closed are a dead server", each_both_closed },
	{ "closing the file cancels its commands", each_file_closed },
	{ "a registered file does not outlive its process", each_registered },
	{ "the commands of a thread that is gone take no request", each_thread_gone },
	{ "a request whose ring was closed before it was seen goes elsewhere", each_unseen },
	{ "exec() does not wait for commands", each_exec },
	{ "a child that exits cancels nothing of its parent's", each_child_exits },
	{ "random commands do no harm", each_random_commands },
};
CLAIMS_MAIN(claims)
