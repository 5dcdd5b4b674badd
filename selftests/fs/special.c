// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Fifos, sockets and devices on the filesystem. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "../claim.h"

static void fifo_carries(void)
{
	char buf[6] = "";
	pid_t pid;
	int fd;

	DO(mkfifo("p", 0640));
	CHECK_EQ(stat_of("p").st_mode, S_IFIFO | 0640);
	CHECK_ERR(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
	pid = DO(fork());
	if (!pid) {
		fd = DO(open("p", O_WRONLY));
		write_all(fd, "hello", 5);
		_exit(0);
	}
	fd = DO(open("p", O_RDONLY));
	CHECK_EQ(read_all(fd, buf, 6), 5);
	CHECK(!strcmp(buf, "hello"));
	wait_ok(pid);
	CHECK_EQ(stat_of("p").st_size, 0);
}

static void socket_carries(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = DO(socket(AF_UNIX, SOCK_STREAM, 0)), c;
	char buf[6] = "";
	pid_t pid;

	DO(bind(s, (struct sockaddr *)&a, sizeof(a)));
	CHECK(S_ISSOCK(stat_of("sock").st_mode));
	CHECK_ERR(bind(DO(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&a, sizeof(a)),
		  EADDRINUSE);
	CHECK_ERR(open("sock", O_RDWR), ENXIO);
	DO(listen(s, 1));
	pid = DO(fork());
	if (!pid) {
		c = DO(socket(AF_UNIX, SOCK_STREAM, 0));
		DO(connect(c, (struct sockaddr *)&a, sizeof(a)));
		write_all(c, "hello", 5);
		_exit(0);
	}
	c = DO(accept(s, NULL, NULL));
	CHECK_EQ(read_all(c, buf, 6), 5);
	CHECK(!strcmp(buf, "hello"));
	wait_ok(pid);
	DO(unlink("sock"));
	c = DO(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_ERR(connect(c, (struct sockaddr *)&a, sizeof(a)), ENOENT);
}

static void device_numbers(void)
{
	static const struct { mode_t type; unsigned int major, minor; } dev[] = {
		{ S_IFCHR, 1, 3 }, { S_IFBLK, 7, 0 }, { S_IFCHR, 259, 70000 },
		{ S_IFBLK, 4095, 1048575 },
	};
	char name[8];
	size_t i;

	need_root();
	for (i = 0; i < sizeof(dev) / sizeof(dev[0]); i++) {
		snprintf(name, sizeof(name), "d%zu", i);
		DO(mknod(name, dev[i].type | 0600, makedev(dev[i].major, dev[i].minor)));
	}
	drop_caches();
	for (i = 0; i < sizeof(dev) / sizeof(dev[0]); i++) {
		snprintf(name, sizeof(name), "d%zu", i);
		CHECK_EQ(stat_of(name).st_mode, dev[i].type | 0600);
		CHECK_EQ(major(stat_of(name).st_rdev), dev[i].major);
		CHECK_EQ(minor(stat_of(name).st_rdev), dev[i].minor);
	}
}

static void device_works(void)
{
	char c;
	int fd;

	need_root();
	DO(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
	fd = open("zero", O_RDWR);
	if (fd < 0 && errno == EACCES)
		claim_skip("mounted nodev");
	CHECK(fd >= 0);
	c = 1;
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, 0);
	CHECK_EQ(write(fd, &c, 1), 1);
}

static void mknod_kinds(void)
{
	DO(mknod("r", S_IFREG | 0604, 0));
	CHECK_EQ(stat_of("r").st_mode, S_IFREG | 0604);
	DO(mknod("r0", 0604, 0));
	CHECK_EQ(stat_of("r0").st_mode, S_IFREG | 0604);
	DO(mknod("s", S_IFSOCK | 0600, 0));
	CHECK(S_ISSOCK(stat_of("s").st_mode));
	CHECK_ERR(mknod("r", S_IFIFO | 0600, 0), EEXIST);
	CHECK_ERR(mknod("d", S_IFDIR | 0700, 0), EPERM);
	CHECK_ERR(mknod("x", 0170000 | 0700, 0), EINVAL);
}

static const struct claim claims[] = {
	{ "a fifo carries data from process to process", fifo_carries },
	{ "a socket carries data from process to process", socket_carries },
	{ "device numbers come back, also big ones", device_numbers },
	{ "a device node opens the device", device_works },
	{ "mknod makes files, fifos and sockets, and no directories", mknod_kinds },
};
CLAIMS_MAIN(claims)
