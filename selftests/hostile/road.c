// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Servers that take their time: who has an idle neighbour is served by it, and nobody waits
 * for what needs no answer.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#define SERVERS	2

/* In the rogue's page. */
struct held {
	int nr;			/* requests that servers have kept until now */
	int go[SERVERS];	/* this one may be answered */
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	DO(sched_setaffinity(0, sizeof(set), &set));
}

/* The server is busy with this request until it may answer it. */
static void hold(struct rogue *r)
{
	struct held *held = r->page;
	int nr = __atomic_fetch_add(&held->nr, 1, __ATOMIC_SEQ_CST);

	while (nr < SERVERS && !__atomic_load_n(&held->go[nr], __ATOMIC_SEQ_CST))
		usleep(1000);
}

static void let_go(struct rogue *r, int nr)
{
	struct held *held = r->page;

	__atomic_store_n(&held->go[nr], 1, __ATOMIC_SEQ_CST);
}

static void await_held(struct rogue *r, int nr)
{
	struct held *held = r->page;

	CHECK_SOON(__atomic_load_n(&held->nr, __ATOMIC_SEQ_CST) >= nr, 20,
		   "no server has request %d", nr);
}

static bool holds_lookups(struct rogue *r, const struct request *req)
{
	if (req->head.opcode == FUSE_LOOKUP)
		hold(r);
	return false;
}

/* At INIT: another server, at the other queue. */
static bool two_servers(struct rogue *r, const struct request *req)
{
	struct ferry_setup setup = {
		.size = sizeof(setup), .abi = FERRY_ABI, .fd = dup(r->fd), .queue = 1,
	};
	size_t size = r->geo.queue_size;
	struct request next;
	unsigned int i;

	if (req->head.opcode != FUSE_INIT)
		return holds_lookups(r, req);
	if (fork())
		return false;
	r->fd = rogue_open();
	DO(ioctl(r->fd, FERRY_IOC_ATTACH, &setup));
	DO(close(setup.fd));
	for (i = 0; i < r->geo.nr_queues; i++)
		CHECK(mmap(r->map + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   r->fd, (off_t)(i * size)) != MAP_FAILED);
	(*r->told)++;
	while (rogue_fetch(r, &next)) {
		holds_lookups(r, &next);
		rogue_be_honest(r, &next);
	}
	_exit(0);
}

static int statfs_from_0(void)
{
	pin(0);
	return op_statfs();
}

static int statfs_from_1(void)
{
	pin(sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0);
	return op_statfs();
}

static struct rogue start_two(void)
{
	struct ferry_setup setup = rogue_setup(SYNC);
	struct rogue r;

	setup.geo.nr_queues = SERVERS;
	r = rogue_start_as(setup, SYNC, two_servers);
	rogue_await(&r, 1);
	return r;
}

static void end_of(pid_t pid)
{
	CHECK_EQ(rogue_status(pid, 20, "a client"), 0);
}

/* One of the two is busy, whosever queue a processor's clients look at first. */
static void neighbour_serves(void)
{
	struct rogue r = start_two();
	pid_t first = rogue_client(op_stat_file);

	await_held(&r, 1);
	CHECK_EQ(rogue_try(statfs_from_0, 20), 0);
	CHECK_EQ(rogue_try(statfs_from_1, 20), 0);
	let_go(&r, 0);
	end_of(first);
	rogue_end(&r);
}

/* Both are busy: what waits in either queue is taken by the one that is free first. */
static void first_free_serves(void)
{
	struct rogue r = start_two();
	pid_t held[SERVERS], queued[2];

	held[0] = rogue_client(op_stat_file);
	await_held(&r, 1);
	held[1] = rogue_client(op_readlink);	/* another name: no wait for the first lookup */
	await_held(&r, 2);
	queued[0] = rogue_client(statfs_from_0);
	queued[1] = rogue_client(statfs_from_1);
	/* Both have come, and are in a queue, when the first server is free. */
	rogue_await_sleep(queued[0]);
	rogue_await_sleep(queued[1]);
	usleep(50000);
	CHECK_EQ(waitpid(queued[0], NULL, WNOHANG), 0);
	CHECK_EQ(waitpid(queued[1], NULL, WNOHANG), 0);
	let_go(&r, 1);
	end_of(queued[0]);
	end_of(queued[1]);
	let_go(&r, 0);
	end_of(held[0]);
	end_of(held[1]);
	rogue_end(&r);
}

static bool holds_release(struct rogue *r, const struct request *req)
{
	if (req->head.opcode == FUSE_RELEASE)
		hold(r);
	return false;
}

static int open_and_close(void)
{
	int fd = open("mnt/file", O_RDONLY);

	return fd < 0 ? -1 : close(fd);
}

static void close_returns(enum style style)
{
	struct rogue r = rogue_start(style, holds_release);

	CHECK_EQ(rogue_try(open_and_close, 20), 0);
	await_held(&r, 1);
	let_go(&r, 0);
	rogue_end(&r);
}
IN_BOTH_STYLES(close_returns)

static bool holds_forget(struct rogue *r, const struct request *req)
{
	if (req->head.opcode == FUSE_FORGET)
		hold(r);
	return false;
}

static void evict_nodes(void)
{
	int fd = DO(open("/proc/sys/vm/drop_caches", O_WRONLY));

	CHECK_EQ(write(fd, "2", 1), 1);
	DO(close(fd));
}

/* Nothing comes after it: the server is woken for it all the same. */
static void forget_comes(enum style style)
{
	struct rogue r = rogue_start(style, holds_forget);

	CHECK_EQ(rogue_try(op_mkdir, 20), 0);
	evict_nodes();
	await_held(&r, 1);
	let_go(&r, 0);
	rogue_end(&r);
}
IN_BOTH_STYLES(forget_comes)

/* Needs not be told of suid bits one by one; keeps WRITEs until a READLINK comes. */
static unsigned int open_flags;

static bool keep_writes(struct rogue *r, const struct request *req)
{
	struct fuse_init_out init = rogue_init(FUSE_HANDLE_KILLPRIV);
	struct fuse_open_out open = { .open_flags = open_flags };
	static struct request kept[2];
	static unsigned int nr;

	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_reply(r, req, &init, sizeof(init));
		(*r->told)--;
		return true;
	case FUSE_OPEN:
		rogue_reply(r, req, &open, sizeof(open));
		(*r->told)--;
		return true;
	case FUSE_WRITE:
		if (nr == COUNT(kept))
			return false;
		kept[nr++] = *req;
		return true;
	case FUSE_READLINK:
		while (nr)
			rogue_be_honest(r, &kept[--nr]);
		nr = COUNT(kept);
	}
	return false;
}

static void writes_beside(enum style style, unsigned int flags, int beside)
{
	struct rogue r;
	pid_t pids[2];

	open_flags = flags;
	r = rogue_start(style, keep_writes);
	pids[0] = rogue_client(op_write_direct);
	pids[1] = rogue_client(op_write_direct);
	rogue_await(&r, beside);
	usleep(100000);
	CHECK_EQ(*r.told, beside);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	wait_ok(pids[0]);
	wait_ok(pids[1]);
	rogue_end(&r);
}

static void writers_agreed(void)
{
	writes_beside(SYNC, 0, 2);
	writes_beside(RW, FOPEN_PARALLEL_DIRECT_WRITES, 2);
	writes_beside(RW, 0, 1);
}

static const struct claim claims[] = {
	{ "sync: a server that is busy leaves requests to an idle neighbour", neighbour_serves },
	{ "sync: of two servers that are busy the first one free takes what waits for either",
	  first_free_serves },
	BOTH("close() does not wait for the answer to RELEASE", close_returns),
	{ "direct writes to a file go on side by side; to a program for FUSE if it says so",
	  writers_agreed },
	BOTH("a FORGET that nothing comes after is fetched soon", forget_comes),
};
CLAIMS_MAIN(claims)
