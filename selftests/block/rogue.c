// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Disks whose servers lie, keep silent or die: each ends soon, and with the right errno. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static bool is_io(const struct request *req)
{
	return req->head.opcode == FERRY_BLK_READ || req->head.opcode == FERRY_BLK_WRITE;
}

static bool silent(struct server *s, const struct request *req)
{
	return is_io(req);
}

static bool silent_in_init(struct server *s, const struct request *req)
{
	return req->head.opcode == FERRY_BLK_INIT;
}

static struct server start_honest(int *index)
{
	struct server s = server_new(NULL);

	server_start(&s);
	*index = server_wait_added(&s);
	CHECK(*index >= 0);
	return s;
}

/* The errno of a direct read, within @seconds; 0: it worked. */
static int try_read(int index, double seconds)
{
	double begin = now();
	int fd = DO(disk_open(index));
	void *buf = xmalloc(4096);
	int err = pread(fd, buf, 4096, 8192) == 4096 ? 0 : errno;

	close(fd);
	if (now() - begin > patience(seconds))
		claim_fail(__FILE__, __LINE__, "the read took %g s", now() - begin);
	return err;
}

static pid_t reader(int index, int should)
{
	pid_t pid = DO(fork());

	if (pid)
		return pid;
	CHECK_EQ(try_read(index, 1000), should);
	_exit(0);
}

static void serves(void)
{
	char *buf = xmalloc(8192), path[64];
	struct server s;
	int index, fd;

	s = start_honest(&index);
	snprintf(path, sizeof(path), "/sys/block/ferryb%d/ferryb%dp1", index, index);
	DO(access(path, F_OK));
	fd = DO(disk_open(index));
	fill_pattern(buf, 8192, 0, 1);
	CHECK_EQ(pwrite(fd, buf, 8192, 65536), 8192);
	DO(fsync(fd));
	memset(buf, 0, 8192);
	CHECK_EQ(pread(fd, buf, 8192, 65536), 8192);
	CHECK_EQ(find_difference(buf, 8192, 0, 1), -1);
	close(fd);
	server_end_disk(&s, index);
}

static void killed_idle(void)
{
	struct server s;
	int index;

	s = start_honest(&index);
	server_kill(&s);
	disk_wait_gone(index);
}

static void killed_holding(void)
{
	struct server s;
	int index, i;
	pid_t pids[4];

	s = server_start_then(silent, &index);
	for (i = 0; i < 4; i++)
		pids[i] = reader(index, EIO);
	server_wait_told(&s, 4);
	server_kill(&s);
	for (i = 0; i < 4; i++)
		wait_ok(pids[i]);
	disk_wait_gone(index);
}

static void killed_in_scan(void)
{
	struct server s = server_new(silent);
	struct server other;
	int index;

	server_start(&s);
	server_wait_told(&s, 1);
	server_kill(&s);
	disk_wait_gone(0);
	other = start_honest(&index);
	server_end_disk(&other, index);
}

static void killed_in_init(void)
{
	struct server s = server_new(silent_in_init);

	server_start(&s);
	server_wait_told(&s, 1);
	server_kill(&s);
	disk_wait_gone(0);
}

static void removed_in_scan(void)
{
	struct server s = server_new(silent);

	server_start(&s);
	server_wait_told(&s, 1);
	CHECK_ERR(disk_del(0, false), EBUSY);
	DO(disk_del(0, true));
	disk_wait_gone(0);
	CHECK_EQ(server_wait_added(&s), -ENOTCONN);
	server_end(&s);
}

static void killed_in_removal(void)
{
	struct server s;
	int index, i;
	pid_t pid, del;

	for (i = 0; i < 10; i++) {
		s = server_start_then(silent, &index);
		pid = reader(index, EIO);
		server_wait_told(&s, 1);
		del = DO(fork());
		if (!del) {
			disk_del(index, true);
			_exit(0);
		}
		usleep(i * 300);
		server_kill(&s);
		wait_ok(del);
		wait_ok(pid);
		disk_wait_gone(index);
	}
}

static void removed_open(void)
{
	void *buf = xmalloc(4096);
	struct server s, other;
	int index, second, fd;

	s = start_honest(&index);
	fd = DO(disk_open(index));
	CHECK_ERR(disk_del(index, false), EBUSY);
	CHECK_EQ(pread(fd, buf, 4096, 0), 4096);
	DO(disk_del(index, true));
	disk_wait_gone(index);
	CHECK(pread(fd, buf, 4096, 0) <= 0);
	server_end(&s);
	/* The name is taken as long as somebody means the old one by it. */
	other = start_honest(&second);
	CHECK(second != index);
	server_end_disk(&other, second);
	close(fd);
}

static bool reply_short(struct server *s, const struct request *req)
{
	if (!is_io(req))
		return false;
	CHECK_EQ(server_answer(s, req, 0, s->disk, 512), 0);
	return true;
}

/* An answer that does not fit. Who is not told that there is one tells nobody what he thinks of it. */
static void answer_badly(struct server *s, const struct request *req, size_t len)
{
	int err = server_answer(s, req, 0, s->disk, len);

	CHECK(err == EINVAL || (!err && s->style == POLL));
}

static bool reply_long(struct server *s, const struct request *req)
{
	if (!is_io(req))
		return false;
	answer_badly(s, req, req->io.length + 512);
	return true;
}

static bool reply_nothing(struct server *s, const struct request *req)
{
	if (!is_io(req))
		return false;
	CHECK_EQ(server_answer(s, req, 0, NULL, 0), 0);
	return true;
}

static int reply_error;

static bool reply_err(struct server *s, const struct request *req)
{
	if (!is_io(req))
		return false;
	server_answer(s, req, reply_error, NULL, 0);
	return true;
}

static void read_fails(lie_fn lie, int should)
{
	struct server s;
	int index;

	s = server_start_then(lie, &index);
	CHECK_EQ(try_read(index, 5), should);
	s.shared->honest = 1;
	CHECK_EQ(try_read(index, 5), 0);
	server_end_disk(&s, index);
}

static void short_read(void)
{
	read_fails(reply_short, EIO);
}

static void long_read(void)
{
	read_fails(reply_long, EIO);
}

static void empty_read(void)
{
	read_fails(reply_nothing, EIO);
}

/* What has no answer but an error code is answered with data. */
static bool reply_data(struct server *s, const struct request *req)
{
	if (req->head.opcode != FERRY_BLK_WRITE && req->head.opcode != FERRY_BLK_FLUSH)
		return false;
	answer_badly(s, req, 512);
	return true;
}

static bool reply_eio(struct server *s, const struct request *req)
{
	if (req->head.opcode != FERRY_BLK_WRITE && req->head.opcode != FERRY_BLK_FLUSH)
		return false;
	CHECK_EQ(server_answer(s, req, -EIO, NULL, 0), 0);
	return true;
}

static void write_fails(lie_fn lie)
{
	void *buf = xmalloc(4096);
	struct server s;
	int index, fd;

	s = server_start_then(lie, &index);
	fd = DO(disk_open(index));
	CHECK_ERR(pwrite(fd, buf, 4096, 65536), EIO);
	s.shared->honest = 1;
	CHECK_EQ(pwrite(fd, buf, 4096, 65536), 4096);
	s.shared->honest = 0;
	CHECK_ERR(fsync(fd), EIO);
	s.shared->honest = 1;
	CHECK_EQ(pwrite(fd, buf, 4096, 65536), 4096);
	DO(fsync(fd));
	close(fd);
	server_end_disk(&s, index);
}

/* Of what is to be safe: writes that say so, and flushes; told by the honest server. */
static bool note_sync(struct server *s, const struct request *req)
{
	if (req->head.opcode == FERRY_BLK_WRITE && req->io.flags & FERRY_BLK_FUA)
		s->shared->fua++;
	if (req->head.opcode == FERRY_BLK_FLUSH)
		s->shared->flushes++;
	return false;
}

static void synchronous_write(bool has_fua)
{
	struct server s = server_new(note_sync);
	struct iovec iov = { xmalloc(4096), 4096 };
	int index, fd;

	if (has_fua)
		s.init.flags |= FERRY_BLK_HAS_FUA;
	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	fd = DO(disk_open(index));
	CHECK_EQ(pwritev2(fd, &iov, 1, 65536, 0), 4096);
	CHECK_EQ(s.shared->fua + s.shared->flushes, 0);
	CHECK_EQ(pwritev2(fd, &iov, 1, 65536, RWF_DSYNC), 4096);
	CHECK_EQ(s.shared->fua, has_fua);
	CHECK(has_fua || s.shared->flushes);
	close(fd);
	server_end_disk(&s, index);
}

static void synchronous(void)
{
	synchronous_write(true);
	synchronous_write(false);
}

static void bad_writes(void)
{
	write_fails(reply_data);
	write_fails(reply_eio);
}

static void errors(void)
{
	static const int table[][2] = {
		{ -EIO, EIO }, { -ENOSPC, ENOSPC }, { -ETIMEDOUT, ETIMEDOUT },
		/* Those would mean something to the block layer. */
		{ -EAGAIN, EIO }, { -ENOMEM, EIO }, { -EBUSY, EIO }, { -EINTR, EIO },
		{ 5, EIO }, { -512, EIO }, { -4095, EIO },
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		reply_error = table[i][0];
		read_fails(reply_err, table[i][1]);
	}
}

static void bad_geometry(void)
{
	static const struct ferry_blk_init_out good = {
		.version = 1, .size = DISK_SIZE, .logical_block = 512, .physical_block = 512,
		.io_min = 512, .max_transfer = 4096,
	};
	struct ferry_blk_init_out bad[16];
	size_t i, n;

	for (n = 0; n < COUNT(bad); n++)
		bad[n] = good;
	n = 0;
	bad[n++].version = 0;
	bad[n++].version = 2;
	bad[n++].flags = ~0U;
	bad[n++].size = 0;
	bad[n++].size = DISK_SIZE + 1;
	bad[n++].size = ~0ULL << 9;
	bad[n++].logical_block = 0;
	bad[n++].logical_block = 513;
	bad[n++].logical_block = 8192;
	bad[n++].physical_block = 256;
	bad[n++].io_min = 0;
	bad[n++].io_opt = 1000;
	bad[n++].max_transfer = 0;
	bad[n++].max_transfer = 1U << 31;
	bad[n++].depth = 1000000;
	bad[n++].reserved[3] = 1;
	for (i = 0; i < n; i++) {
		struct server s = server_new(NULL);

		s.init = bad[i];
		server_start(&s);
		if (server_wait_added(&s) != -EPROTO)
			claim_fail(__FILE__, __LINE__, "case %zu: %d", i, s.shared->err);
		server_end(&s);
		disk_wait_gone(0);
	}
}

static bool init_short(struct server *s, const struct request *req)
{
	if (req->head.opcode != FERRY_BLK_INIT)
		return false;
	server_answer(s, req, 0, &s->init, 8);
	return true;
}

static bool init_fails(struct server *s, const struct request *req)
{
	if (req->head.opcode != FERRY_BLK_INIT)
		return false;
	server_answer(s, req, -ENOMEDIUM, NULL, 0);
	return true;
}

static void bad_init(void)
{
	struct server s = server_new(init_short);

	server_start(&s);
	CHECK_EQ(server_wait_added(&s), -EIO);
	server_end(&s);
	s = server_new(init_fails);
	server_start(&s);
	CHECK_EQ(server_wait_added(&s), -ENOMEDIUM);
	server_end(&s);
}

static int try_add(struct server s)
{
	int ret;

	server_start(&s);
	ret = server_wait_added(&s);
	if (ret < 0) {
		server_end(&s);
		return ret;
	}
	server_end_disk(&s, ret);
	return 0;
}

static void bad_add(void)
{
	struct server s = server_new(NULL), bad;
	int null = DO(open("/dev/null", O_RDWR));
	int plain = DO(open("/dev/ferry", O_RDWR));
	struct ferry_setup fs = {
		.size = sizeof(fs), .abi = FERRY_ABI, .class = FERRY_CLASS_FS, .state_fd = -1,
		.name = "fs",
	};

	DO(ioctl(plain, FERRY_IOC_CREATE, &fs));
#define WITH(field, value, should) do {				\
	bad = s;						\
	bad.how.field = (value);				\
	CHECK_EQ(try_add(bad), should);				\
	s.shared->added = 0;					\
} while (0)
	WITH(size, 8, -EPROTO);
	WITH(abi, 77, -EPROTO);
	WITH(fd, null, -EINVAL);
	WITH(fd, plain, -EINVAL);
	WITH(fd, 999, -EBADF);
	WITH(fd, -2, -EINVAL);
	WITH(fd, -1, -ENOENT);
	WITH(flags, 1U << 20, -EINVAL);
	WITH(reserved, 1, -EINVAL);
	WITH(depth, 1000000, -EINVAL);
	WITH(depth, 0, 0);
	WITH(depth, 1, 0);
	WITH(depth, FERRY_BLK_DEPTH_MAX, 0);
	WITH(timeout, 1000000, -EINVAL);
	WITH(logical_block, 256, -EINVAL);
	WITH(logical_block, 4096, 0);
	WITH(logical_block, 8192, -EINVAL);
	WITH(physical_block, 4095, -EINVAL);
	WITH(io_min, 3, -EINVAL);
	WITH(serial[0], '/', -EINVAL);
	bad = s;
	memset(bad.how.serial, 'x', sizeof(bad.how.serial));
	CHECK_EQ(try_add(bad), -EINVAL);
}

static void two_disks(void)
{
	struct server s;
	int index;

	s = start_honest(&index);
	CHECK_EQ(s.shared->second, EBUSY);
	server_end_disk(&s, index);
}

static void not_root(void)
{
	struct server s;
	int index, fd;
	pid_t pid;

	s = start_honest(&index);
	fd = DO(open("/dev/ferryblk", O_RDWR));
	pid = DO(fork());
	if (!pid) {
		struct ferry_blk_del del = { .index = index };

		become(65534, 65534);
		CHECK_ERR(ioctl(fd, FERRY_BLK_IOC_DEL, &del), EPERM);
		CHECK_ERR(open("/dev/ferryblk", O_RDWR), EACCES);
		_exit(0);
	}
	wait_ok(pid);
	close(fd);
	server_end_disk(&s, index);
}

static void no_such_disk(void)
{
	struct ferry_blk_set_size size = { .index = 4711, .bytes = 1 << 20 };

	server_new(NULL);
	CHECK_ERR(disk_del(4711, false), ENODEV);
	CHECK_ERR(disk_del(-1, true), ENODEV);
	CHECK_ERR(control(FERRY_BLK_IOC_RESIZE, &size), ENODEV);
	CHECK_ERR(control(_IO(FERRY_IOC_MAGIC, 0x7f), NULL), ENOTTY);
	CHECK_ERR(control(FERRY_BLK_IOC_ADD, NULL), EFAULT);
}

static struct request held;

static bool answer_late(struct server *s, const struct request *req)
{
	if (!is_io(req))
		return false;
	if (s->shared->told) {
		/* The one that was given up: nobody hears it, and its slot is free again. */
		server_answer(s, &held, 0, s->disk, held.io.length);
		return false;
	}
	held = *req;
	return true;
}

static void times_out(void)
{
	struct server s;
	double begin;
	int index;

	s = server_new_later(answer_late);
	s.how.timeout = 1;
	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	begin = now();
	CHECK_EQ(try_read(index, 5), ETIMEDOUT);
	CHECK(now() - begin > 0.9);
	CHECK_EQ(try_read(index, 5), 0);
	CHECK_EQ(try_read(index, 5), 0);
	server_end_disk(&s, index);
}

/* Keeps the first WRITE, and does it when a READ comes. */
static bool write_late(struct server *s, const struct request *req)
{
	static char data[4096];

	if (req->head.opcode == FERRY_BLK_WRITE && !s->shared->writes++) {
		held = *req;
		CHECK_EQ(req->io.length, sizeof(data));
		memcpy(data, req->data, sizeof(data));
		return true;
	}
	if (req->head.opcode == FERRY_BLK_READ && held.io.length) {
		memcpy(s->disk + held.io.offset, data, sizeof(data));
		server_answer(s, &held, 0, NULL, 0);
		held.io.length = 0;
	}
	return false;
}

static void not_overtaken(void)
{
	char *old = xmalloc(4096), *new = xmalloc(4096), *buf = xmalloc(4096);
	struct server s;
	int index, fd;

	held.io.length = 0;
	s = server_new_later(write_late);
	s.how.timeout = 1;
	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	fd = DO(disk_open(index));
	fill_pattern(old, 4096, 0, 1);
	fill_pattern(new, 4096, 0, 2);
	CHECK_ERR(pwrite(fd, old, 4096, 65536), ETIMEDOUT);
	CHECK_ERR(pwrite(fd, new, 4096, 65536), ETIMEDOUT);
	CHECK_EQ(s.shared->writes, 1);
	CHECK_EQ(try_read(index, 5), 0);
	CHECK_EQ(pwrite(fd, new, 4096, 65536), 4096);
	CHECK_EQ(pread(fd, buf, 4096, 65536), 4096);
	CHECK_EQ(find_difference(buf, 4096, 0, 2), -1);
	close(fd);
	server_end_disk(&s, index);
}

#if __SIZEOF_POINTER__ == 8
/*
 * A stopped server has requests that it has not seen: the data of a WRITE is not in its slot yet
 * when the caller goes, and shall not be what his memory has become by the time it is. If the
 * server was at something else (udev looks at new disks) it has not got the request at all.
 */
static void left_unseen(void)
{
	static const char nothing[4096];
	char *buf = xmalloc(4096);
	struct server s = server_new(NULL);
	int index, fd, status, tries = 0;

	s.how.timeout = 1;
	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	fd = DO(disk_open(index));
	do {
		fill_pattern(buf, 4096, 0, 1);
		DO(kill(s.pid, SIGSTOP));
		CHECK_EQ(waitpid(s.pid, &status, WUNTRACED), s.pid);
		CHECK_ERR(pwrite(fd, buf, 4096, 65536), ETIMEDOUT);
		fill_pattern(buf, 4096, 0, 2);
		DO(kill(s.pid, SIGCONT));
		CHECK_EQ(pread(fd, buf, 4096, 65536), 4096);
	} while (!memcmp(buf, nothing, 4096) && ++tries < 5);
	CHECK_EQ(find_difference(buf, 4096, 0, 1), -1);
	close(fd);
	server_end_disk(&s, index);
}
#endif

/* Its own disk, or the partition, in the place of what it has. */
static bool read_itself(struct server *s, const struct request *req)
{
	struct ferry_xfer x = {
		.tag = req->tag,
		.flags = FERRY_XFER_PUSH | FERRY_XFER_FD,
		.pos = req->io.offset,
		.len = req->io.length,
	};
	static const char *const names[] = { "", "p1" };
	char path[64];
	size_t i;

	/* What is short is in the slot. */
	if (req->head.opcode != FERRY_BLK_READ || req->io.length <= s->geo.data_size)
		return false;
	for (i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "/dev/ferryb%d%s", s->shared->index, names[i]);
		x.fd = DO(open(path, O_RDONLY));
		CHECK_ERR(ioctl(s->fd, FERRY_IOC_XFER, &x), ELOOP);
		close(x.fd);
	}
	s->shared->told++;
	return false;
}

static void transfers_itself(void)
{
	const size_t len = 512 << 10;
	char *buf = xmalloc(len);
	struct server s;
	int index, fd;

	server_style = SYNC;
	s = server_new_later(read_itself);
	s.how.timeout = 2;
	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	fd = DO(disk_open(index));
	CHECK_EQ(pread(fd, buf, len, 0), (ssize_t)len);
	CHECK(s.shared->told);
	close(fd);
	server_end_disk(&s, index);
}

static int lied_size;

static bool resize_lie(struct server *s, const struct request *req)
{
	const struct ferry_blk_resize out = { lied_size };

	if (req->head.opcode != FERRY_BLK_RESIZE)
		return false;
	if (lied_size < 0)
		return true;
	server_answer(s, req, 0, &out, sizeof(out));
	return true;
}

static void resize_lied(void)
{
	struct server s;
	int index;
	pid_t pid;

	lied_size = 1000;
	s = server_start_then(resize_lie, &index);
	CHECK_ERR(disk_resize(index, DISK_SIZE / 2), EPROTO);
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 512);
	server_end_disk(&s, index);

	lied_size = -1;
	s = server_start_then(resize_lie, &index);
	pid = DO(fork());
	if (!pid) {
		CHECK_ERR(disk_resize(index, DISK_SIZE / 2), ENOTCONN);
		_exit(0);
	}
	server_wait_told(&s, 1);
	server_kill(&s);
	wait_ok(pid);
	disk_wait_gone(index);
}

static void many(void)
{
	struct server s[8];
	int index[8], i;

	for (i = 0; i < 8; i++)
		s[i] = start_honest(&index[i]);
	for (i = 0; i < 8; i += 2)
		server_kill(&s[i]);
	for (i = 1; i < 8; i += 2)
		server_end_disk(&s[i], index[i]);
	for (i = 0; i < 8; i += 2)
		disk_wait_gone(index[i]);
}

/* NAME once more for those who answer in slots; in the table by SLOTS("what", NAME). */
#define IN_SLOTS(fn)						\
	static void fn##_sync(void) { server_style = SYNC; fn(); }	\
	static void fn##_poll(void) { server_style = POLL; fn(); }
#define SLOTS(text, fn)	{ "sync: " text, fn##_sync }, { "poll: " text, fn##_poll }
#if __SIZEOF_POINTER__ == 8
#define IN_RING(fn)	static void fn##_uring(void) { server_style = URING; fn(); }
#define RING(text, fn)	{ "uring: " text, fn##_uring },
#else
#define IN_RING(fn)
#define RING(text, fn)
#endif
IN_SLOTS(serves)
IN_SLOTS(killed_holding)
IN_SLOTS(killed_in_scan)
IN_SLOTS(short_read)
IN_SLOTS(long_read)
IN_SLOTS(empty_read)
IN_SLOTS(bad_writes)
IN_SLOTS(errors)
IN_SLOTS(bad_init)
IN_SLOTS(times_out)
IN_SLOTS(not_overtaken)
IN_SLOTS(resize_lied)
IN_RING(serves)
IN_RING(killed_idle)
IN_RING(killed_holding)
IN_RING(killed_in_scan)
IN_RING(short_read)
IN_RING(long_read)
IN_RING(bad_writes)
IN_RING(times_out)
IN_RING(not_overtaken)
IN_RING(left_unseen)
IN_RING(resize_lied)

static const struct claim claims[] = {
	{ "a disk reads, writes, has its partition, and goes", serves },
	{ "server killed while idle: the disk goes", killed_idle },
	{ "server killed with requests: they fail, the disk goes", killed_holding },
	{ "server killed while partitions are looked for", killed_in_scan },
	{ "server killed before it said what it has", killed_in_init },
	{ "removed by force while partitions are looked for", removed_in_scan },
	{ "server killed during removal", killed_in_removal },
	{ "an open disk is removed by force alone, and its name stays taken", removed_open },
	{ "a short read is EIO", short_read },
	{ "a long read is EIO", long_read },
	{ "an empty read is EIO", empty_read },
	{ "a synchronous write is FUA, or followed by a flush", synchronous },
	{ "a write or flush that fails, or is answered with data, is EIO", bad_writes },
	{ "errors of a server are those that a disk may have", errors },
	{ "a geometry that makes no sense is EPROTO", bad_geometry },
	{ "INIT that is short or fails: no disk", bad_init },
	{ "bad arguments of ADD are refused", bad_add },
	{ "a channel has one disk", two_disks },
	{ "who is not root makes no disks", not_root },
	{ "what is not there is ENODEV", no_such_disk },
	{ "a request that takes too long is ETIMEDOUT, and the disk goes on", times_out },
	{ "no write overtakes one that took too long", not_overtaken },
	{ "a server that lies or dies in a resize", resize_lied },
	{ "the disk that is served is ELOOP to its server's transfer", transfers_itself },
	{ "disks come and go side by side", many },
	SLOTS("a disk reads, writes, has its partition, and goes", serves),
	SLOTS("server killed with requests: they fail, the disk goes", killed_holding),
	SLOTS("server killed while partitions are looked for", killed_in_scan),
	SLOTS("a short read is EIO", short_read),
	SLOTS("a long read is EIO", long_read),
	SLOTS("an empty read is EIO", empty_read),
	SLOTS("a write or flush that fails, or is answered with data, is EIO", bad_writes),
	SLOTS("errors of a server are those that a disk may have", errors),
	SLOTS("INIT that is short or fails: no disk", bad_init),
	SLOTS("a request that takes too long is ETIMEDOUT, and the disk goes on", times_out),
	SLOTS("no write overtakes one that took too long", not_overtaken),
	SLOTS("a server that lies or dies in a resize", resize_lied),
	RING("a disk reads, writes, has its partition, and goes", serves)
	RING("server killed while idle: the disk goes", killed_idle)
	RING("server killed with requests: they fail, the disk goes", killed_holding)
	RING("server killed while partitions are looked for", killed_in_scan)
	RING("a short read is EIO", short_read)
	RING("a long read is EIO", long_read)
	RING("a write or flush that fails, or is answered with data, is EIO", bad_writes)
	RING("a request that takes too long is ETIMEDOUT, and the disk goes on", times_out)
	RING("no write overtakes one that took too long", not_overtaken)
	RING("a write that is given up before its server looked has its own bytes", left_unseen)
	RING("a server that lies or dies in a resize", resize_lied)
};
CLAIMS_MAIN(claims)
