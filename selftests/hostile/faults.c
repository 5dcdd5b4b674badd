// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Each allocation that a server's call, a mount or a disk makes fails once. */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/ferry_blk.h>

#include "rogue.h"
#include "../faults.h"

static int fd = -1, first = -1;
static struct ferry_setup setup;

static int close_it(int ret)
{
	int err = errno;

	close(fd);
	errno = err;
	return ret;
}

static int do_open(void)
{
	fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -1 : close_it(0);
}

static int do_create(void)
{
	fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	setup = rogue_setup(SYNC);
	return close_it(ioctl(fd, FERRY_IOC_CREATE, &setup));
}

static int do_attach(void)
{
	fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	setup.fd = first;
	return close_it(ioctl(fd, FERRY_IOC_ATTACH, &setup));
}

static int do_map(void)
{
	void *p = mmap(NULL, setup.geo.queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, first, 0);

	return p == MAP_FAILED ? -1 : munmap(p, setup.geo.queue_size);
}

static void endpoints(void)
{
	close(rogue_open());
	each_fault("open", do_open, NULL);
	each_fault("create", do_create, NULL);
	first = rogue_open();
	setup = rogue_setup(SYNC);
	DO(ioctl(first, FERRY_IOC_CREATE, &setup));
	each_fault("attach", do_attach, NULL);
	each_fault("map", do_map, NULL);
}

/* Each time a server of its own: one whose mount failed has no second. */
static struct rogue rogue;
static int do_mount(void) { return rogue_mount_fd(first, "mnt2"); }

static void serve_init(void)
{
	struct request req;

	rogue.style = RW;
	rogue.fd = first;
	rogue.buf = xmalloc(2 << 20);
	while (rogue_fetch(&rogue, &req))
		rogue_be_honest(&rogue, &req);
	_exit(0);
}

static void mounts(void)
{
	bool failed = true;
	int n, ret, err, status;
	pid_t pid;

	DO(mkdir("mnt2", 0755));
	for (n = 1; failed; n++) {
		first = rogue_open();
		setup = rogue_setup(RW);
		DO(ioctl(first, FERRY_IOC_CREATE, &setup));
		pid = DO(fork());
		if (!pid) {
			usleep(1000);
			serve_init();
		}
		fail_nth(n);
		ret = do_mount();
		err = errno;
		failed = has_failed();
		fail_nth(0);
		close(first);
		if (ret && (!failed || err != ENOMEM))
			claim_fail(__FILE__, __LINE__, "mount: with allocation %d failing: %s", n,
				   strerror(err));
		if (!ret)
			DO(umount("mnt2"));
		/* Where it was never bound nobody tells the server that it may go. */
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		CHECK(n < 2000);
	}
	claim_note("mount: %d allocations", n - 2);
}

/* --- a server's calls for a request that it has ------------------------------------- */

static struct rogue *server;
static const struct request *taken;
static int file;
static uint64_t moved;

/* In more pieces than the kernel keeps on its stack, a byte each. */
static int do_xfer(unsigned int flags)
{
	static char byte;
	struct iovec iov[20];
	struct ferry_xfer x = {
		.tag = taken->tag, .flags = flags, .offset = moved, .iov = (uintptr_t)iov,
		.nr_iov = COUNT(iov),
	};
	size_t i;
	int n;

	for (i = 0; i < COUNT(iov); i++)
		iov[i] = (struct iovec){ &byte, 1 };
	n = ioctl(server->fd, FERRY_IOC_XFER, &x);
	if (n > 0 && flags == FERRY_XFER_PUSH)
		moved += n;
	return n < 0 ? -1 : 0;
}

static int do_push(void) { return do_xfer(FERRY_XFER_PUSH); }
static int do_pull(void) { return do_xfer(FERRY_XFER_PULL); }

/* A page that the file does not have yet, each time. */
static int do_pull_to_file(void)
{
	static uint64_t pos = FILE_SIZE;
	struct ferry_xfer x = {
		.tag = taken->tag, .flags = FERRY_XFER_PULL | FERRY_XFER_FD, .fd = file,
		.pos = pos, .len = 4096,
	};

	pos += 4096;
	return ioctl(server->fd, FERRY_IOC_XFER, &x) < 0 ? -1 : 0;
}

static int do_push_from_file(void)
{
	struct ferry_xfer x = {
		.tag = taken->tag, .flags = FERRY_XFER_PUSH | FERRY_XFER_FD, .fd = file,
		.offset = moved, .len = 16,
	};
	int n = ioctl(server->fd, FERRY_IOC_XFER, &x);

	if (n > 0)
		moved += n;
	return n < 0 ? -1 : 0;
}

static struct ferry_backing backing;

static int do_backing(void)
{
	backing.fd = file;
	return ioctl(server->fd, FERRY_IOC_BACKING, &backing);
}

static void undo_backing(void)
{
	backing.fd = -1;
	DO(ioctl(server->fd, FERRY_IOC_BACKING, &backing));
}

static bool moves_with_faults(struct rogue *r, const struct request *req)
{
	struct fuse_write_out out = { .size = FILE_SIZE };

	server = r;
	taken = req;
	moved = 0;
	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_answer_init(r, req, true);
		return true;
	case FUSE_STATFS:
		each_fault("backing", do_backing, undo_backing);
		return false;
	case FUSE_READ:
		each_fault("push", do_push, NULL);
		each_fault("push from a file", do_push_from_file, NULL);
		CHECK_EQ(rogue_answer(r, req, &(struct answer){ 0 }), 0);
		return true;
	case FUSE_WRITE:
		each_fault("pull", do_pull, NULL);
		each_fault("pull to a file", do_pull_to_file, NULL);
		CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
		return true;
	}
	return false;
}

static int op_write_long(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int to = open("mnt/file", O_WRONLY | O_DIRECT);

	return to < 0 || write(to, buf, FILE_SIZE) != FILE_SIZE ? -1 : 0;
}

static void transfers(void)
{
	struct ferry_setup s = rogue_setup(SYNC);
	struct rogue r;

	s.geo.inline_max = 4096;
	make_file("host", FILE_SIZE, 7);
	file = DO(open("host", O_RDWR));
	r = rogue_start_as(s, SYNC, moves_with_faults);
	CHECK_EQ(rogue_try(op_statfs, 60), 0);
	CHECK_EQ(rogue_try(op_read_direct, 60), 0);
	CHECK_EQ(rogue_try(op_write_long, 60), 0);
	rogue_end(&r);
}

/* The allocation with the number that is on the page fails while it answers. */
static bool answers_with_faults(struct rogue *r, const struct request *req)
{
	const int *n = r->page;

	fail_nth(*n);
	rogue_be_honest(r, req);
	fail_nth(0);
	return true;
}

static void answers(void)
{
	static int (*const ops[])(void) = {
		op_stat_file, op_statfs, op_read_file, op_read_direct, op_write_direct,
		op_open_file,
	};
	enum style style;
	struct rogue r;
	size_t i;
	int *n;

	for (style = RW; style <= SYNC; style++) {
		r = rogue_start(style, answers_with_faults);
		n = r.page;
		for (*n = 1; *n <= 4; ++*n)
			for (i = 0; i < COUNT(ops); i++)
				CHECK_EQ(rogue_try(ops[i], 60), 0);
		*n = 0;
		rogue_end(&r);
	}
}

/* --- disks -------------------------------------------------------------------------- */

static struct ferry_blk_add add;

static int disk(unsigned long request, void *arg)
{
	int ret;

	fd = open("/dev/ferryblk", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = ioctl(fd, request, arg);
	return close_it(ret);
}

static int do_add(void) { return disk(FERRY_BLK_IOC_ADD, &add); }

static void undo_add(void)
{
	struct ferry_blk_del del = { .index = add.index, .flags = FERRY_BLK_DEL_FORCE };

	DO(disk(FERRY_BLK_IOC_DEL, &del));
}

static void disks(void)
{
	static const char *const backends[] = { "null", "ramdisk" };
	size_t i;

	need_root();
	if (access("/dev/ferryblk", F_OK))
		claim_skip("no /dev/ferryblk");
	for (i = 0; i < COUNT(backends); i++) {
		add = (struct ferry_blk_add){ .size = sizeof(add), .abi = FERRY_ABI, .fd = -1 };
		strcpy(add.backend, backends[i]);
		each_fault(backends[i], do_add, undo_add);
	}
}

static const struct claim claims[] = {
	{ "endpoints: each allocation fails once", endpoints },
	{ "mount: each allocation fails once", mounts },
	{ "XFER and BACKING: each allocation fails once, and the request goes on", transfers },
	{ "answers: allocations on their way fail, and no client notices", answers },
	{ "a disk in the kernel: each allocation fails once", disks },
};
CLAIMS_MAIN(claims)
