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
	{ "a disk in the kernel: each allocation fails once", disks },
};
CLAIMS_MAIN(claims)
