// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What the kernel has sent for somebody, or for nobody, is not answered: no process waits
 * for that in a place where it cannot be killed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#define HOUR	3600

/**
 * struct plan - what claim and server tell each other; in rogue.page
 * @opcode: of the request to be kept until a READLINK comes; then 0
 * @from: WRITE: of one from here on
 * @kept: it is
 * @refuse: WRITEs that are not kept fail
 * @umount: the server does that itself, when it has answered a STATFS
 * @setattrs: how many SETATTRs have come
 * @mtime: what the last one of them said
 * @forgot: FORGETs of "file" that have come
 * @ready: the client is about to do what it will wait for
 */
struct plan {
	volatile uint32_t opcode;
	volatile uint64_t from;
	volatile bool kept;
	volatile bool refuse;
	volatile bool umount;
	volatile int setattrs;
	volatile uint64_t mtime;
	volatile int forgot;
	volatile bool ready;
};

static struct plan *plan;
static uint32_t open_flags = FOPEN_KEEP_CACHE;
static off_t size = FILE_SIZE;

static bool is_meant(const struct request *req)
{
	if (!plan->opcode || req->head.opcode != plan->opcode)
		return false;
	return plan->opcode != FUSE_WRITE ||
	       ((const struct fuse_write_in *)req->arg)->offset >= plan->from;
}

/* "file" is one for write-back, and has no name any more after UNLINK. */
static bool tell_file(struct rogue *r, const struct request *req)
{
	static bool unlinked;
	struct fuse_init_out init = rogue_init(FUSE_WRITEBACK_CACHE | FUSE_ASYNC_READ);
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);
	struct fuse_attr_out attr = { .attr_valid = HOUR, .attr = entry.attr };
	struct fuse_open_out open = { .open_flags = open_flags };
	const struct fuse_setattr_in *set = (const void *)req->arg;

	if (req->head.opcode == FUSE_SETATTR && set->valid & FATTR_SIZE)
		size = set->size;
	entry.entry_valid = entry.attr_valid = HOUR;
	entry.attr.size = attr.attr.size = size;
	attr.attr.nlink = !unlinked;
	switch (req->head.opcode) {
	case FUSE_INIT:
		init.max_readahead = 65536;
		rogue_reply(r, req, &init, sizeof(init));
		return true;
	case FUSE_LOOKUP:
		if (strcmp(req->arg, "file") || unlinked)
			return false;
		rogue_reply(r, req, &entry, sizeof(entry));
		return true;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		if (req->head.nodeid != FILE_NODE)
			return false;
		rogue_reply(r, req, &attr, sizeof(attr));
		return true;
	case FUSE_OPEN:
		rogue_reply(r, req, &open, sizeof(open));
		return true;
	case FUSE_UNLINK:
		unlinked = true;
		return false;
	}
	return false;
}

static bool keep_one(struct rogue *r, const struct request *req)
{
	static struct request kept;
	static char arg[256];

	plan = r->page;
	if (req->head.opcode == FUSE_SETATTR) {
		plan->setattrs++;
		plan->mtime = ((const struct fuse_setattr_in *)req->arg)->mtime;
	}
	if (req->head.opcode == FUSE_FORGET)
		plan->forgot += req->head.nodeid == FILE_NODE;
	if (is_meant(req)) {
		CHECK(req->arg_len <= sizeof(arg));
		kept = *req;
		kept.arg = memcpy(arg, req->arg, req->arg_len);
		plan->opcode = 0;
		plan->kept = true;
		return true;
	}
	if (req->head.opcode == FUSE_READLINK && plan->kept) {
		plan->kept = false;
		if (!tell_file(r, &kept))
			rogue_be_honest(r, &kept);
	}
	if (req->head.opcode == FUSE_STATFS && plan->umount) {
		rogue_be_honest(r, req);
		while (umount("mnt") && errno == EBUSY)
			usleep(10000);
	}
	/* Only what is kept counts as a lie. */
	if (req->head.opcode == FUSE_WRITE && plan->refuse)
		rogue_answer(r, req, &(struct answer){ .error = -ENOSPC });
	else if (!tell_file(r, req))
		return false;
	(*r->told)--;
	return true;
}

static struct rogue start(uint32_t opcode)
{
	struct rogue r = rogue_start(SYNC, keep_one);

	plan = r.page;
	plan->opcode = opcode;
	return r;
}

/* The request that was kept is answered now; @unlinked: nothing of the file is left then. */
static void let_go(bool unlinked)
{
	int i;

	CHECK(plan->kept);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	for (i = 0; unlinked && !plan->forgot && i < 200; i++)
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
	CHECK_EQ(plan->forgot, unlinked);
}

static void await_ready(void)
{
	CHECK_SOON(plan->ready, 20, "the client is not ready");
	plan->ready = false;
}

/* --- the last close of a file without a name -------------------------------------------------- */

static int open_unlinked(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	DO(unlink("mnt/file"));
	return fd;
}

static int op_write_unlinked(void)
{
	int fd = open_unlinked();

	pwrite_all(fd, "x", 1, 0);
	return fsync(fd);
}

static int op_read_unlinked(void)
{
	char c;

	return read(open_unlinked(), &c, 1);
}

static void close_unlinked(uint32_t opcode, int (*op)(void))
{
	struct rogue r = start(opcode);
	pid_t pid = rogue_client(op);

	rogue_await(&r, 1);
	rogue_dies(pid);
	let_go(true);
	rogue_end(&r);
}

static void close_before_write(void)
{
	close_unlinked(FUSE_WRITE, op_write_unlinked);
}

static void close_before_read(void)
{
	close_unlinked(FUSE_READ, op_read_unlinked);
}

static int op_write_and_close(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	pwrite_all(fd, "x", 1, 0);
	return close(fd);
}

static void unlink_before_write(void)
{
	struct rogue r = start(FUSE_WRITE);
	pid_t pid = rogue_client(op_write_and_close);

	rogue_await(&r, 1);
	rogue_dies(pid);
	CHECK_EQ(rogue_try(op_unlink, 10), 0);
	let_go(true);
	rogue_end(&r);
}

/* --- a server that unmounts is who should answer ------------------------------------------------ */

static void unmounting_server(void)
{
	struct rogue r = start(FUSE_WRITE);
	pid_t pid = rogue_client(op_write_and_close);
	int status;

	rogue_await(&r, 1);
	rogue_dies(pid);
	plan->umount = true;
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	CHECK_SOON(rogue_state(r.pid) == 'D', 20, "the server does not wait in umount");
	DO(kill(r.pid, SIGKILL));
	if (!rogue_gone(r.pid, &status, 20))
		claim_fail(__FILE__, __LINE__, "the server waits for itself");
	DO(rmdir("mnt"));
}

/* --- times: the flusher tells them, and an fsync() or a SETATTR comes meanwhile --------------- */

static int op_sync(void)
{
	plan->ready = true;
	return syncfs(DO(open("mnt", O_RDONLY | O_DIRECTORY)));
}

/* Written, and the times are on their way for sync(); which waits. */
static pid_t sync_times(const struct rogue *r)
{
	pid_t pid = rogue_client(op_sync);

	rogue_await(r, 1);
	rogue_await_waiting(pid, &plan->ready);
	return pid;
}

static int op_fsync(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	plan->ready = true;
	return fsync(fd);
}

static void fsync_beside_times(void)
{
	struct rogue r = start(FUSE_SETATTR);
	int fd = DO(open("mnt/file", O_RDWR));
	pid_t syncs, pid;

	pwrite_all(fd, "x", 1, 0);
	syncs = sync_times(&r);
	pid = rogue_client(op_fsync);
	rogue_await_waiting(pid, &plan->ready);
	rogue_dies(pid);
	/* Who goes on waiting is told when it is over. */
	pid = rogue_client(op_fsync);
	rogue_await_waiting(pid, &plan->ready);
	let_go(false);
	wait_ok(pid);
	wait_ok(syncs);
	DO(close(fd));
	rogue_end(&r);
}

static int op_hold_unlinked(void)
{
	pwrite_all(open_unlinked(), "x", 1, 0);
	plan->ready = true;
	return pause();
}

static void close_beside_times(void)
{
	struct rogue r = start(FUSE_SETATTR);
	pid_t pid = rogue_client(op_hold_unlinked);
	pid_t syncs;

	await_ready();
	syncs = sync_times(&r);
	rogue_dies(pid);
	rogue_dies(syncs);
	let_go(true);
	rogue_end(&r);
}

static const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

static int op_set_times(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	plan->ready = true;
	return futimens(fd, long_ago);
}

/* In whatever order a server executes what it has. */
static void times_in_order(void)
{
	struct rogue r = start(FUSE_SETATTR);
	int fd = DO(open("mnt/file", O_RDWR));
	pid_t syncs, pid;

	pwrite_all(fd, "x", 1, 0);
	syncs = sync_times(&r);
	CHECK_EQ(plan->setattrs, 1);
	pid = rogue_client(op_set_times);
	rogue_await_waiting(pid, &plan->ready);
	CHECK_EQ(plan->setattrs, 1);
	let_go(false);
	wait_ok(pid);
	wait_ok(syncs);
	CHECK_EQ(plan->mtime, 1000);
	DO(close(fd));
	rogue_end(&r);
}

/* Whatever time a server takes for the file's when a WRITE comes. */
static void times_after_write(void)
{
	struct rogue r = start(FUSE_WRITE);
	int fd = DO(open("mnt/file", O_RDWR));
	int i, before;
	pid_t syncs;

	pwrite_all(fd, "x", 1, 0);
	syncs = rogue_client(op_sync);
	rogue_await(&r, 1);
	for (i = 0; i < 200 && !plan->setattrs; i++)
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
	before = plan->setattrs;
	CHECK(before);
	let_go(false);
	wait_ok(syncs);
	DO(close(fd));
	CHECK(plan->setattrs > before);
	rogue_end(&r);
}

/* --- WRITEs: another's is not answered ------------------------------------------------------- */

static int op_fsync_second(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	pwrite_all(fd, "x", 1, 4096);
	return fsync(fd);
}

static int op_write_first(void)
{
	int fd = DO(open("mnt/file", O_RDWR | O_SYNC));

	plan->ready = true;
	return pwrite(fd, "x", 1, 0) == 1 ? 0 : -1;
}

static void sync_write_beside_write(void)
{
	struct rogue r = start(FUSE_WRITE);
	pid_t other, pid;

	plan->from = 4096;
	other = rogue_client(op_fsync_second);
	rogue_await(&r, 1);
	pid = rogue_client(op_write_first);
	rogue_await_waiting(pid, &plan->ready);
	rogue_dies(pid);
	let_go(false);
	wait_ok(other);
	rogue_end(&r);
}

static int shared_fd;

static int op_fsync_shared(void)
{
	plan->ready = true;
	return fsync(shared_fd);
}

static void fsync_leaves_error(void)
{
	struct rogue r = start(FUSE_WRITE);
	pid_t pid;

	plan->from = 4096;
	plan->refuse = true;
	shared_fd = DO(open("mnt/file", O_RDWR));
	pwrite_all(shared_fd, "x", 1, 0);
	pid = rogue_client(op_sync);
	waitpid(pid, NULL, 0);
	pwrite_all(shared_fd, "x", 1, 4096);
	plan->ready = false;
	pid = rogue_client(op_fsync_shared);
	rogue_await(&r, 1);
	rogue_await_waiting(pid, &plan->ready);
	rogue_dies(pid);
	let_go(false);
	CHECK_ERR(fsync(shared_fd), ENOSPC);
	DO(close(shared_fd));
	rogue_end(&r);
}

/* --- READs: what another reads is not answered ------------------------------------------------ */

static int op_write_direct_ready(void)
{
	plan->ready = true;
	return op_write_direct();
}

static int op_write_far(void)
{
	int fd = DO(open("mnt/file", O_WRONLY));

	plan->ready = true;
	return pwrite(fd, "x", 1, 100000) == 1 ? 0 : -1;
}

static int op_truncate_ready(void)
{
	plan->ready = true;
	return op_truncate();
}

static int op_open_ready(void)
{
	plan->ready = true;
	return op_open_file();
}

static int op_punch(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	plan->ready = true;
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, FILE_SIZE - 200);
}

/* @op is to drop pages, or a part of one, that are being read. */
static void beside_read(int (*op)(void))
{
	struct rogue r = start(FUSE_READ);
	pid_t reader = rogue_client(op_read_file), pid;

	rogue_await(&r, 1);
	pid = rogue_client(op);
	rogue_await_waiting(pid, &plan->ready);
	rogue_dies(pid);
	let_go(false);
	wait_ok(reader);
	rogue_end(&r);
}

static void write_beside_read(void)
{
	beside_read(op_write_direct_ready);
}

static void growth_beside_read(void)
{
	/* The page that it ends in is made zero behind that. */
	size = FILE_SIZE - 100;
	beside_read(op_write_far);
}

static void truncate_beside_read(void)
{
	beside_read(op_truncate_ready);
}

static void punch_beside_read(void)
{
	beside_read(op_punch);
}

static void open_beside_read(void)
{
	open_flags = 0;
	beside_read(op_open_ready);
}

static const struct claim claims[] = {
	{ "the last close of an unlinked file does not wait for its WRITE", close_before_write },
	{ "the last close of an unlinked file does not wait for its read-ahead", close_before_read },
	{ "unlink does not wait for a WRITE of a file that nobody has open", unlink_before_write },
	{ "a server that unmounts with a WRITE unanswered can be killed", unmounting_server },
	{ "fsync beside the flusher's SETATTR can be killed, or is told of its end",
	  fsync_beside_times },
	{ "the last close of an unlinked file does not wait for its SETATTR", close_beside_times },
	{ "explicit times go to the server after those that the flusher sends", times_in_order },
	{ "times that the flusher sends beside a WRITE are sent again after it", times_after_write },
	{ "a killed fsync leaves an error to who shares the file", fsync_leaves_error },
	{ "an O_SYNC write beside another's WRITE can be killed", sync_write_beside_write },
	{ "a direct write to what another reads can be killed", write_beside_read },
	{ "a write far behind what another reads can be killed", growth_beside_read },
	{ "a truncation of what another reads can be killed", truncate_beside_read },
	{ "a hole in what another reads can be killed", punch_beside_read },
	{ "an open that drops what another reads can be killed", open_beside_read },
};
CLAIMS_MAIN(claims)
