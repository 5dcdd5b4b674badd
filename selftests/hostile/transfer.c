// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* FERRY_XFER_FD: files that a request's data goes to, and those it must not. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

enum { SMALL_SLOT = 4096 };

static int push_fd(struct rogue *r, const struct request *req, int fd, uint64_t offset, uint64_t pos)
{
	struct ferry_xfer x = {
		.tag = req->tag,
		.flags = FERRY_XFER_PUSH | FERRY_XFER_FD,
		.offset = offset,
		.fd = fd,
		.pos = pos,
		.len = 1 << 20,
	};

	return ioctl(r->fd, FERRY_IOC_XFER, &x);
}

static int pull_fd(struct rogue *r, const struct request *req, int fd, uint64_t offset, uint64_t pos)
{
	struct ferry_xfer x = {
		.tag = req->tag,
		.flags = FERRY_XFER_PULL | FERRY_XFER_FD,
		.offset = offset,
		.fd = fd,
		.pos = pos,
		.len = 1 << 20,
	};

	return ioctl(r->fd, FERRY_IOC_XFER, &x);
}

static void answer_ok(struct rogue *r, const struct request *req)
{
	CHECK_EQ(rogue_answer(r, req, &(struct answer){ .error = 0 }), 0);
}

/* The file that is moved from and to; FILE_SIZE bytes. */
static int host_fd;

static void open_host(void)
{
	make_file("host", FILE_SIZE, 7);
	host_fd = DO(open("host", O_RDWR));
}

static bool read_from_host(struct rogue *r, const struct request *req)
{
	const struct fuse_read_in *in = (const void *)req->arg;
	int half, n;

	if (req->head.opcode != FUSE_READ)
		return false;
	/* In two pieces, the second beginning where the first ended. */
	half = DO(push_fd(r, req, host_fd, 0, in->offset + FILE_SIZE / 2));
	CHECK(half <= FILE_SIZE / 2);
	n = DO(push_fd(r, req, host_fd, half, FILE_SIZE));
	CHECK_EQ(n, 0);
	answer_ok(r, req);
	return true;
}

static int op_read_second_half(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDONLY | O_DIRECT));

	CHECK_EQ(read(fd, buf, FILE_SIZE), FILE_SIZE / 2);
	CHECK_EQ(find_difference(buf, FILE_SIZE / 2, FILE_SIZE / 2, 7), -1);
	return 0;
}

static void push_stops_at_the_end(void)
{
	struct rogue r;

	rogue_data_size = SMALL_SLOT;
	open_host();
	r = rogue_start(SYNC, read_from_host);
	CHECK_EQ(rogue_try(op_read_second_half, 10), 0);
	rogue_end(&r);
}

static bool read_all_from_host(struct rogue *r, const struct request *req)
{
	const struct fuse_read_in *in = (const void *)req->arg;

	if (req->head.opcode == FUSE_INIT) {
		rogue_answer_init(r, req, false);
		return true;
	}
	if (req->head.opcode != FUSE_READ)
		return false;
	DO(push_fd(r, req, host_fd, 0, in->offset));
	answer_ok(r, req);
	return true;
}

static int op_read_cached(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDONLY));

	CHECK_EQ(posix_fadvise(fd, 0, FILE_SIZE, POSIX_FADV_WILLNEED), 0);
	CHECK_EQ(read_all(fd, buf, FILE_SIZE), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 7), -1);
	return 0;
}

static void push_fills_the_cache(void)
{
	struct rogue r;

	open_host();
	r = rogue_start(SYNC, read_all_from_host);
	CHECK_EQ(rogue_try(op_read_cached, 10), 0);
	rogue_await(&r, 2);
	rogue_end(&r);
}

static bool write_to_host(struct rogue *r, const struct request *req)
{
	const struct fuse_write_in *in = (const void *)req->arg;
	struct fuse_write_out out = { .size = in->size };

	if (req->head.opcode != FUSE_WRITE)
		return false;
	CHECK_EQ(pull_fd(r, req, host_fd, 0, in->offset), in->size);
	/* A part of it again, elsewhere. */
	CHECK_EQ(pull_fd(r, req, host_fd, in->size - 100, FILE_SIZE), 100);
	CHECK_EQ(pull_fd(r, req, host_fd, in->size, 0), 0);
	CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
	return true;
}

static int op_write_all(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_WRONLY | O_DIRECT));

	fill_pattern(buf, FILE_SIZE, 0, 9);
	CHECK_EQ(write(fd, buf, FILE_SIZE), FILE_SIZE);
	return 0;
}

static void pull_writes_the_file(void)
{
	char tail[101];
	struct rogue r;

	rogue_data_size = SMALL_SLOT;
	open_host();
	r = rogue_start(SYNC, write_to_host);
	CHECK_EQ(rogue_try(op_write_all, 10), 0);
	rogue_end(&r);
	CHECK_EQ(pread_all(host_fd, tail, 101, FILE_SIZE), 100);
	CHECK_EQ(find_difference(tail, 100, FILE_SIZE - 100, 9), -1);
	DO(ftruncate(host_fd, FILE_SIZE));
	check_file("host", FILE_SIZE, 9);
}

static bool try_bad_files(struct rogue *r, const struct request *req)
{
	int p[2];

	if (req->head.opcode != FUSE_READ)
		return false;
	DO(pipe(p));
	CHECK_ERR(push_fd(r, req, -1, 0, 0), EBADF);
	CHECK_ERR(push_fd(r, req, 12345, 0, 0), EBADF);
	CHECK_ERR(push_fd(r, req, DO(open("host", O_PATH)), 0, 0), EBADF);
	CHECK_ERR(push_fd(r, req, DO(open("host", O_WRONLY)), 0, 0), EBADF);
	CHECK_ERR(push_fd(r, req, DO(open(".", O_RDONLY)), 0, 0), EINVAL);
	CHECK_ERR(push_fd(r, req, DO(open("/dev/zero", O_RDONLY)), 0, 0), EINVAL);
	CHECK_ERR(push_fd(r, req, p[0], 0, 0), EINVAL);
	CHECK_ERR(push_fd(r, req, r->fd, 0, 0), EINVAL);
	CHECK_ERR(push_fd(r, req, host_fd, 0, 1ULL << 63), EINVAL);
	CHECK_ERR(push_fd(r, req, host_fd, 1, 0), EINVAL);
	CHECK_ERR(pull_fd(r, req, host_fd, 0, 0), EINVAL);
	rogue_be_honest(r, req);
	return true;
}

static void bad_files(void)
{
	struct rogue r;

	open_host();
	r = rogue_start(SYNC, try_bad_files);
	CHECK_EQ(rogue_try(op_read_file, 10), 0);
	rogue_await(&r, 1);
	rogue_end(&r);
}

static bool try_bad_arguments(struct rogue *r, const struct request *req)
{
	struct ferry_xfer x = { .tag = req->tag, .flags = FERRY_XFER_PUSH };
	struct ferry_xfer y = { .tag = req->tag, .flags = FERRY_XFER_PUSH | FERRY_XFER_FD, .len = 1,
				.fd = host_fd };

	if (req->head.opcode != FUSE_READ)
		return false;
	x.fd = 1;
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_XFER, &x), EINVAL);
	x.fd = 0;
	x.len = 1;
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_XFER, &x), EINVAL);
	y.nr_iov = 1;
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_XFER, &y), EINVAL);
	y.nr_iov = 0;
	y.flags |= FERRY_XFER_PULL;
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_XFER, &y), EINVAL);
	y.flags = FERRY_XFER_FD;
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_XFER, &y), EINVAL);
	y.flags = FERRY_XFER_FD | FERRY_XFER_PUSH | 0x8000;
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_XFER, &y), EINVAL);
	rogue_be_honest(r, req);
	CHECK_ERR(push_fd(r, req, host_fd, 0, 0), ENOENT);
	return true;
}

static void bad_arguments(void)
{
	struct rogue r;

	open_host();
	r = rogue_start(SYNC, try_bad_arguments);
	CHECK_EQ(rogue_try(op_read_file, 10), 0);
	rogue_end(&r);
}

static bool short_data(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != FUSE_READ)
		return false;
	CHECK_ERR(push_fd(r, req, host_fd, 0, 0), EOPNOTSUPP);
	rogue_be_honest(r, req);
	return true;
}

static void short_is_unsupported(void)
{
	struct rogue r;

	open_host();
	r = rogue_start(SYNC, short_data);
	CHECK_EQ(rogue_try(op_read_direct, 10), 0);
	rogue_end(&r);
}

/* --- files that take their time ---------------------------------------------- */

/* What the client opened on the mount reaches its server this way. */
static int pass[2];

static void send_fd(int fd)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } u = { 0 };
	struct iovec iov = { "", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	DO(sendmsg(pass[0], &m, 0));
}

static int receive_fd(void)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } u;
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	int fd;

	DO(recvmsg(pass[1], &m, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

static bool read_own_file(struct rogue *r, const struct request *req)
{
	pid_t pid;

	if (req->head.opcode != FUSE_READ)
		return false;
	/* Closing it is a request, but nobody waits for that at the end of a process. */
	pid = DO(fork());
	if (!pid) {
		CHECK_ERR(push_fd(r, req, receive_fd(), 0, 0), ELOOP);
		_exit(0);
	}
	wait_ok(pid);
	answer_ok(r, req);
	return true;
}

static int op_read_and_pass(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDONLY | O_DIRECT));

	send_fd(fd);
	return read(fd, buf, FILE_SIZE) < 0 ? -1 : 0;
}

static void own_mount_is_a_loop(void)
{
	struct rogue r;

	rogue_data_size = SMALL_SLOT;
	DO(socketpair(AF_UNIX, SOCK_DGRAM, 0, pass));
	r = rogue_start(SYNC, read_own_file);
	CHECK_EQ(rogue_try(op_read_and_pass, 10), 0);
	rogue_await(&r, 1);
	rogue_end(&r);
}

static bool never_read(struct rogue *r, const struct request *req)
{
	return req->head.opcode == FUSE_READ;
}

static bool read_slow_file(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != FUSE_READ)
		return false;
	++*r->told;		/* before, for it does not come back */
	push_fd(r, req, host_fd, 0, 0);
	return true;
}

/* A server whose transfer hangs, for it reads a file whose own server says nothing. */
static struct rogue start_slow(struct rogue *other)
{
	DO(mkdir("other", 0755));
	DO(chdir("other"));
	*other = rogue_start(SYNC, never_read);
	host_fd = DO(open("mnt/file", O_RDONLY));
	DO(chdir(".."));
	rogue_data_size = SMALL_SLOT;
	return rogue_start(SYNC, read_slow_file);
}

static void end_slow(struct rogue *r, struct rogue *other)
{
	if (r->pid)
		rogue_kill(r);
	rogue_end(r);
	DO(close(host_fd));
	DO(chdir("other"));
	rogue_end(other);
	DO(chdir(".."));
}

static void caller_is_killed(void)
{
	struct rogue other, r = start_slow(&other);
	pid_t client = rogue_client(op_read_direct);

	rogue_await(&r, 1);
	rogue_dies(client);
	end_slow(&r, &other);
}

static void server_is_killed(void)
{
	struct rogue other, r = start_slow(&other);
	pid_t client = rogue_client(op_read_direct);
	int status;

	rogue_await(&r, 1);
	rogue_kill(&r);
	DO(waitpid(client, &status, 0));
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), ENOTCONN);
	end_slow(&r, &other);
}

static void mount_is_aborted(void)
{
	struct rogue other, r = start_slow(&other);
	pid_t client = rogue_client(op_read_direct);
	int status;

	rogue_await(&r, 1);
	umount2("mnt", MNT_FORCE);
	rogue_kill(&r);
	DO(waitpid(client, &status, 0));
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), ENOTCONN);
	end_slow(&r, &other);
}

static const struct claim claims[] = {
	{ "a read takes bytes from a file, and ends where that ends", push_stops_at_the_end },
	{ "read-ahead takes bytes from a file", push_fills_the_cache },
	{ "a write goes to a file", pull_writes_the_file },
	{ "what is no file, or not open for that, is refused", bad_files },
	{ "arguments that make no sense are EINVAL", bad_arguments },
	{ "data that is in the slot is EOPNOTSUPP", short_is_unsupported },
	{ "a file of the mount that is served is ELOOP", own_mount_is_a_loop },
	{ "a caller can be killed while a file hangs", caller_is_killed },
	{ "a server can be killed while a file hangs, and its caller sees ENOTCONN",
	  server_is_killed },
	{ "umount -f while a file hangs", mount_is_aborted },
};
CLAIMS_MAIN(claims)
