// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* /dev/ferry and mount(2) refuse what uapi/linux/ferry.h does not allow. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rogue.h"

static int create(struct ferry_setup *setup)
{
	int fd = rogue_open();

	if (ioctl(fd, FERRY_IOC_CREATE, setup)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int endpoint(enum style style)
{
	struct ferry_setup setup = rogue_setup(style);

	return DO(create(&setup));
}

static void other_abi(void)
{
	struct ferry_setup s = rogue_setup(SYNC);
	int fd = rogue_open();

	s.abi = FERRY_ABI + 1;
	CHECK_ERR(ioctl(fd, FERRY_IOC_CREATE, &s), EPROTO);
	CHECK_EQ(s.abi, FERRY_ABI);
	s.abi = 0;
	CHECK_ERR(ioctl(fd, FERRY_IOC_ATTACH, &s), EPROTO);
	s = rogue_setup(SYNC);
	s.size += 8;
	CHECK(ioctl(fd, FERRY_IOC_CREATE, &s) == -1 && (errno == EPROTO || errno == EINVAL));
	/* and the same file can be used for what is right */
	s = rogue_setup(SYNC);
	DO(ioctl(fd, FERRY_IOC_CREATE, &s));
	CHECK_EQ(s.geo.nr_queues, 1);
	CHECK_EQ(s.geo.depth, 8);
	CHECK(s.geo.data_size >= 65536);
	CHECK(s.id != 0);
}

static void bad_setups(void)
{
	static const struct { uint32_t queues, depth, data; } shapes[] = {
		{ 257, 1, 4096 }, { 1, 1025, 4096 }, { 256, 1024, 4096 }, { 1, 1, FERRY_DATA_MAX + 1 },
		{ ~0u, 1, 4096 }, { 1, ~0u, 4096 }, { 65536, 65537, 4096 }, { 1, 8, ~0u },
	};
	static const char *const names[] = { "", "a/b", "a b", "a\n", "\xff" };
	struct ferry_setup s;
	size_t i;

	for (i = 0; i < COUNT(shapes); i++) {
		s = rogue_setup(SYNC);
		s.geo.nr_queues = shapes[i].queues;
		s.geo.depth = shapes[i].depth;
		s.geo.data_size = shapes[i].data;
		CHECK_ERR(create(&s), EINVAL);
	}
	for (i = 0; i < COUNT(names); i++) {
		s = rogue_setup(SYNC);
		strcpy(s.name, names[i]);
		CHECK_ERR(create(&s), EINVAL);
	}
	s = rogue_setup(SYNC);
	memset(s.name, 'a', sizeof(s.name));
	CHECK_ERR(create(&s), EINVAL);
	s = rogue_setup(SYNC);
	s.class = 0;
	CHECK_ERR(create(&s), EINVAL);
	s.class = 99;
	CHECK_ERR(create(&s), EINVAL);
	s = rogue_setup(SYNC);
	s.flags = 1u << 31;
	CHECK_ERR(create(&s), EINVAL);
	s = rogue_setup(SYNC);
	s.reserved = 1;
	CHECK_ERR(create(&s), EINVAL);
	CHECK_ERR(ioctl(rogue_open(), FERRY_IOC_CREATE, NULL), EFAULT);
	CHECK_ERR(ioctl(rogue_open(), FERRY_IOC_CREATE, (void *)-4096L), EFAULT);
	CHECK_ERR(ioctl(rogue_open(), _IO(FERRY_IOC_MAGIC, 0x7f), 0), ENOTTY);
}

static void default_shape(void)
{
	struct ferry_setup s = rogue_setup(SYNC);
	int fd;

	memset(&s.geo, 0, sizeof(s.geo));
	fd = DO(create(&s));
	CHECK_EQ(s.geo.nr_queues, sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(s.geo.depth > 0 && s.geo.data_size > 0);
	CHECK(s.geo.slot_off >= s.geo.desc_off + s.geo.depth * sizeof(struct ferry_desc));
	CHECK(s.geo.slot_size >= s.geo.data_off + s.geo.data_size);
	CHECK((uint64_t)s.geo.slot_off + (uint64_t)s.geo.depth * s.geo.slot_size <= s.geo.queue_size);
	CHECK(s.geo.rep_off >= s.geo.req_size && s.geo.data_off >= s.geo.rep_off + s.geo.rep_size);
	CHECK_EQ(s.geo.queue_size % 4096, 0);
	DO(close(fd));
}

static void attach(void)
{
	struct ferry_setup s = rogue_setup(SYNC), a = s;
	int fd, other, pipes[2];

	s.geo.nr_queues = 2;
	fd = DO(create(&s));
	CHECK_ERR(ioctl(fd, FERRY_IOC_CREATE, &a), EBUSY);

	a = (struct ferry_setup){ .size = sizeof(a), .abi = FERRY_ABI, .fd = fd, .queue = 1 };
	CHECK_ERR(ioctl(fd, FERRY_IOC_ATTACH, &a), EBUSY);
	other = rogue_open();
	a = (struct ferry_setup){ .size = sizeof(a), .abi = FERRY_ABI, .fd = fd, .queue = 2 };
	CHECK_ERR(ioctl(other, FERRY_IOC_ATTACH, &a), EINVAL);
	a.queue = 1;
	a.fd = 999;
	CHECK_ERR(ioctl(other, FERRY_IOC_ATTACH, &a), EBADF);
	a.fd = -2;
	CHECK_ERR(ioctl(other, FERRY_IOC_ATTACH, &a), EBADF);
	DO(pipe(pipes));
	a.fd = pipes[0];
	CHECK_ERR(ioctl(other, FERRY_IOC_ATTACH, &a), EINVAL);
	a.fd = other;
	CHECK_ERR(ioctl(other, FERRY_IOC_ATTACH, &a), EINVAL);
	a.fd = fd;
	DO(ioctl(other, FERRY_IOC_ATTACH, &a));
	CHECK_EQ(a.id, s.id);
	CHECK_EQ(a.geo.nr_queues, 2);
	CHECK(!strcmp(a.name, "rogue"));
	/* The first endpoint goes, the channel stays. */
	DO(close(fd));
	CHECK_ERR(ioctl(other, FERRY_IOC_SYNC, FERRY_SYNC_POLL), EAGAIN);
}

static void no_endpoint(void)
{
	struct ferry_xfer x = { .flags = FERRY_XFER_PULL };
	int fd = rogue_open();
	static char buf[16384];

	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_WAIT), ENOTCONN);
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &x), ENOTCONN);
	CHECK(read(fd, buf, sizeof(buf)) == -1 && (errno == ENOTCONN || errno == EPERM));
	CHECK(write(fd, buf, 16) == -1 && (errno == ENOTCONN || errno == EPERM));
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENOTCONN);
}

static void wrong_style(void)
{
	struct ferry_xfer x = { .flags = FERRY_XFER_PULL };
	static char buf[1 << 17];
	int fd = endpoint(RW);

	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_POLL), EOPNOTSUPP);
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &x), EOPNOTSUPP);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EOPNOTSUPP);
	CHECK_ERR(read(fd, buf, 100), EINVAL);
	CHECK_ERR(write(fd, buf, 3), EINVAL);
	CHECK_ERR(write(fd, buf, 16), EINVAL);
	fd = endpoint(SYNC);
	CHECK_ERR(read(fd, buf, sizeof(buf)), EOPNOTSUPP);
	CHECK_ERR(write(fd, buf, 16), EOPNOTSUPP);
}

static void rw_nothing_there(void)
{
	static char buf[1 << 17];
	int fd = endpoint(RW);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	DO(fcntl(fd, F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(fd, buf, sizeof(buf)), EAGAIN);
	CHECK_EQ(poll(&p, 1, 0), 0);
}

static void on_alarm(int sig)
{
}

static void sync_waits(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int fd = endpoint(SYNC);

	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_POLL), EAGAIN);
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, 0x80000000UL), EINVAL);
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, 0x01000000UL), EINVAL);
	if (sizeof(long) == 8)
		CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, (long)(FERRY_SYNC_WAIT | 1ULL << 40)), EINVAL);
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | 0), ENOENT);
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | 8), EINVAL);
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_WAIT), EINTR);
}

static void xfer_arguments(void)
{
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct ferry_xfer x = { .flags = FERRY_XFER_PULL, .iov = (uintptr_t)&iov, .nr_iov = 1 }, y;
	int fd = endpoint(SYNC);

	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &x), ENOENT);
	y = x, y.tag = 8;
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &y), EINVAL);
	y = x, y.tag = ~0u;
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &y), EINVAL);
	y = x, y.flags = 0;
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &y), EINVAL);
	y = x, y.flags = 3;
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &y), EINVAL);
	y = x, y.fd = 1;
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &y), EINVAL);
	y = x, y.nr_iov = 1025;
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, &y), EINVAL);
	y = x, y.offset = ~0ull;
	CHECK(ioctl(fd, FERRY_IOC_XFER, &y) == -1 && (errno == EINVAL || errno == ENOENT));
	CHECK_ERR(ioctl(fd, FERRY_IOC_XFER, NULL), EFAULT);
}

static void mapping_rules(void)
{
	struct ferry_setup s = rogue_setup(SYNC);
	int fd = DO(create(&s));
	size_t size = s.geo.queue_size;
	const int rw = PROT_READ | PROT_WRITE;
	char *p;

	CHECK(mmap(NULL, size + 4096, rw, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, size - 4096, rw, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, size, rw, MAP_SHARED, fd, 4096) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, size, rw, MAP_SHARED, fd, size) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, size, rw, MAP_SHARED, fd, LONG_MAX & ~4095L) == MAP_FAILED);
	CHECK(mmap(NULL, size, rw, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, size, rw | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED);
	p = mmap(NULL, size, rw, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(mprotect(p, size, rw | PROT_EXEC) == -1);
	memset(p, 0xff, size);
	/* The mapping outlives the file. */
	DO(close(fd));
	memset(p, 0xaa, size);
	DO(munmap(p, size));
}

static int try_mount(const char *source, const char *options)
{
	return mount(source, "mnt", "ferry", 0, options);
}

static void mount_options(void)
{
	char opt[200];
	int fd = endpoint(RW), null = DO(open("/dev/null", O_RDWR));

	DO(mkdir("mnt", 0755));
	snprintf(opt, sizeof(opt), "fd=%d,rootmode=40000,user_id=0,group_id=0", null);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	CHECK(try_mount("rogue", "fd=999,rootmode=40000,user_id=0,group_id=0") == -1 &&
	      (errno == EINVAL || errno == EBADF));
	snprintf(opt, sizeof(opt), "fd=%d", fd);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	snprintf(opt, sizeof(opt), "fd=%d,rootmode=100000,user_id=0,group_id=0", fd);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	snprintf(opt, sizeof(opt), "fd=%d,rootmode=40000,user_id=0,group_id=0,nonsense", fd);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	snprintf(opt, sizeof(opt), "fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=1", fd);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	snprintf(opt, sizeof(opt), "fd=%d,rootmode=40000,user_id=x,group_id=0", fd);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	snprintf(opt, sizeof(opt), "fd=%d,rootmode=40000,user_id=0,group_id=0,attr_timeout=-1", fd);
	CHECK_ERR(try_mount("rogue", opt), EINVAL);
	CHECK_ERR(try_mount("memfs", "nonsense"), EINVAL);
	CHECK_ERR(try_mount("memfs", "max_read="), EINVAL);
}

static void mount_sources(void)
{
	char longer[5000];

	rogue_open();
	DO(mkdir("mnt", 0755));
	CHECK_ERR(try_mount("nosuchbackend", NULL), ENOENT);
	CHECK(try_mount("", NULL) == -1);
	CHECK(try_mount(":", NULL) == -1);
	CHECK(try_mount("a/b", NULL) == -1);
	memset(longer, 'a', sizeof(longer));
	longer[200] = 0;
	CHECK(try_mount(longer, NULL) == -1);
	CHECK_ERR(try_mount("memfs:nonsense", NULL), EINVAL);
	CHECK_ERR(try_mount("memfs:size=x", NULL), EINVAL);
	CHECK_ERR(mount("memfs", "missing", "ferry", 0, NULL), ENOENT);
	make_file("file", 1, 1);
	CHECK_ERR(mount("memfs", "file", "ferry", 0, NULL), ENOTDIR);
}

static void mounted_twice(void)
{
	struct rogue r = rogue_start(SYNC, NULL);
	struct ferry_setup s = rogue_setup(RW);
	int fd;

	DO(mkdir("two", 0755));
	fd = DO(create(&s));
	DO(rogue_mount_fd(fd, "two"));
	DO(mkdir("three", 0755));
	CHECK_ERR(rogue_mount_fd(fd, "three"), EBUSY);
	DO(close(fd));
	CHECK_EQ(umount("two"), 0);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

static void in_use(void)
{
	struct rogue r = rogue_start(SYNC, NULL);
	int fd = DO(open("mnt/file", O_RDONLY));

	CHECK_ERR(umount("mnt"), EBUSY);
	DO(close(fd));
	rogue_end(&r);
}

static void others_may_not(void)
{
	close(rogue_open());
	become(65534, 65534);
	CHECK_ERR(open("/dev/ferry", O_RDWR), EACCES);
	CHECK_ERR(mount("memfs", ".", "ferry", 0, NULL), EPERM);
}

static void many_channels(void)
{
	int fds[100], round;
	size_t i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < COUNT(fds); i++)
			fds[i] = endpoint(i & 1 ? SYNC : RW);
		for (i = 0; i < COUNT(fds); i++)
			DO(close(fds[i]));
	}
}

/* A descriptor is passed on while the other side waits in it. */
static void shared_descriptor(void)
{
	int fd = endpoint(SYNC);
	pid_t pids[4];
	size_t i;

	for (i = 0; i < COUNT(pids); i++) {
		pids[i] = DO(fork());
		if (!pids[i]) {
			ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_WAIT);
			_exit(0);
		}
	}
	usleep(100000);
	for (i = 0; i < COUNT(pids); i++)
		rogue_dies(pids[i]);
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_POLL), EAGAIN);
}

static void random_ioctls(void)
{
	uint64_t state = 0x2545f4914f6cdd1dull + test_seed();
	unsigned int i, steps = test_scale(20000);
	uint64_t block[32];
	int fds[3];

	claim_note("seed %u", test_seed());
	fds[0] = rogue_open();
	fds[1] = endpoint(RW);
	fds[2] = endpoint(SYNC);
	for (i = 0; i < steps; i++) {
		uint32_t nr = next_random(&state) % 6, what = next_random(&state);
		int fd = fds[next_random(&state) % 3];
		size_t j;

		for (j = 0; j < COUNT(block); j++)
			block[j] = next_random(&state) >> (next_random(&state) % 32);
		if (what & 1) {
			struct ferry_setup *s = (void *)block;

			s->size = sizeof(*s);
			s->abi = FERRY_ABI;
			s->fd = fds[what % 3];
		}
		switch (nr) {
		case 0:
			/* ATTACH only: a random CREATE may rightly succeed on the bare file. */
			if (fd != fds[0])
				ioctl(fd, FERRY_IOC_CREATE, block);
			break;
		case 1:
			if (fd != fds[0])
				ioctl(fd, FERRY_IOC_ATTACH, block);
			break;
		case 2:
			ioctl(fd, FERRY_IOC_SYNC, (unsigned long)what & ~FERRY_SYNC_WAIT);
			break;
		case 3:
			ioctl(fd, FERRY_IOC_XFER, block);
			break;
		case 4:
			if (write(fd, block, what % sizeof(block)) > 0)
				claim_fail(__FILE__, __LINE__, "a random reply was taken");
			break;
		case 5:
			ioctl(fd, what, block);
			break;
		}
	}
}

static const struct claim claims[] = {
	{ "another ABI is EPROTO, and the right one is told", other_abi },
	{ "channels of impossible shapes, names, classes and flags are EINVAL", bad_setups },
	{ "a channel's shape that is left to the module makes sense", default_shape },
	{ "ATTACH wants an endpoint and a queue of it, once", attach },
	{ "a file that is no endpoint is ENOTCONN", no_endpoint },
	{ "what belongs to the other style is EOPNOTSUPP", wrong_style },
	{ "read without a request is EAGAIN if it may not wait", rw_nothing_there },
	{ "SYNC wants known bits and fetched tags, and ends by a signal", sync_waits },
	{ "XFER wants its arguments in order", xfer_arguments },
	{ "a queue is mapped as a whole, shared, and not to be run", mapping_rules },
	{ "mount options that are wrong are EINVAL", mount_options },
	{ "mount sources and directories that are wrong are refused", mount_sources },
	{ "a channel is mounted once", mounted_twice },
	{ "a mount in use is EBUSY", in_use },
	{ "who is not root may neither serve nor mount", others_may_not },
	{ "hundreds of channels come and go", many_channels },
	{ "several processes wait on one descriptor and die of SIGKILL", shared_descriptor },
	{ "random ioctls and writes do no harm", random_ioctls },
};
CLAIMS_MAIN(claims)
