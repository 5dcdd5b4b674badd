// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Open replies that name a backing file: what goes past the server, and what is refused. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

/* Of the host's file that is behind "file": how it is opened, and what the reply says. */
static int host_flags;
static int spoil_id;
static bool agree = true;
/* How many OPENs are answered with it; the rest without */
static int nr_backed;

static int back(struct rogue *r, int fd)
{
	struct ferry_backing b = { .fd = fd };

	return ioctl(r->fd, FERRY_IOC_BACKING, &b) ? -1 : b.id;
}

static bool backs_file(struct rogue *r, const struct request *req)
{
	struct fuse_attr_out attr = { .attr = rogue_attr(FILE_NODE) };
	struct ferry_open_out out = { 0 };
	struct stat st;

	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_answer_init(r, req, agree);
		return true;
	case FUSE_GETATTR:
		if (req->head.nodeid != FILE_NODE || stat("host", &st))
			return false;
		attr.attr.size = st.st_size;
		CHECK_EQ(rogue_reply(r, req, &attr, sizeof(attr)), 0);
		return true;
	case FUSE_OPEN:
		if (nr_backed-- > 0) {
			int fd = DO(open("host", host_flags));

			out.open_flags = FERRY_OPEN_PASSTHROUGH;
			out.backing_id = DO(back(r, fd)) + spoil_id;
			DO(close(fd));
		}
		CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
		return true;
	}
	return false;
}

static struct rogue start(int flags)
{
	make_file("host", FILE_SIZE, 7);
	host_flags = flags;
	nr_backed = 1;
	return rogue_start(SYNC, backs_file);
}

static int op_use_backed(void)
{
	char *buf = xmalloc(FILE_SIZE), *p;
	int fd = DO(open("mnt/file", O_RDWR));
	struct stat st;

	CHECK_EQ(pread_all(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 7), -1);
	fill_pattern(buf, FILE_SIZE, FILE_SIZE, 7);
	pwrite_all(fd, buf, FILE_SIZE, FILE_SIZE);
	DO(fsync(fd));
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_size, 2 * FILE_SIZE);
	p = mmap(NULL, 2 * FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(find_difference(p, 2 * FILE_SIZE, 0, 7), -1);
	p[0] ^= 1;
	DO(close(fd));
	p[0] ^= 1;
	DO(munmap(p, 2 * FILE_SIZE));
	return 0;
}

static void data_goes_past_the_server(void)
{
	struct rogue r = start(O_RDWR);

	/* What the server itself would say is another pattern, and a write to it is lost. */
	CHECK_EQ(rogue_try(op_use_backed, 10), 0);
	check_file("host", 2 * FILE_SIZE, 7);
	rogue_end(&r);
}

static int op_append(void)
{
	char buf[100];
	int fd = DO(open("mnt/file", O_WRONLY | O_APPEND));

	fill_pattern(buf, 100, FILE_SIZE, 7);
	write_all(fd, buf, 100);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), FILE_SIZE + 100);
	return 0;
}

static void append_is_the_backing_files(void)
{
	struct rogue r = start(O_WRONLY);

	CHECK_EQ(rogue_try(op_append, 10), 0);
	check_file("host", FILE_SIZE + 100, 7);
	rogue_end(&r);
}

static void spoiled(int by)
{
	struct rogue r;

	spoil_id = by;
	r = start(O_RDWR);
	CHECK_EQ(rogue_try(op_open_file, 10), EIO);
	/* The next OPEN names none, and is well. */
	CHECK_EQ(rogue_try(op_open_file, 10), 0);
	rogue_end(&r);
}

static void unknown_number(void)
{
	spoiled(1);
	spoiled(-1);
	spoiled(-1000);
	spoiled(0x7ffffff0);
}

static void not_open_for_it(void)
{
	struct rogue r = start(O_RDONLY);

	CHECK_EQ(rogue_try(op_open_file, 10), EIO);
	CHECK_EQ(rogue_try(op_open_file, 10), 0);
	rogue_end(&r);
}

/* The first is served through the cache, so the second is too though it is backed. */
static bool backs_second(struct rogue *r, const struct request *req)
{
	struct ferry_open_out out = { 0 };

	if (req->head.opcode == FUSE_OPEN && nr_backed == 1) {
		nr_backed++;
		CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
		return true;
	}
	return backs_file(r, req);
}

static void cache_first(void)
{
	char *buf = xmalloc(FILE_SIZE);
	struct rogue r;
	int one, two;

	make_file("host", FILE_SIZE, 7);
	host_flags = O_RDWR;
	nr_backed = 1;
	r = rogue_start(SYNC, backs_second);
	one = DO(open("mnt/file", O_RDONLY));
	two = DO(open("mnt/file", O_RDONLY));
	CHECK_EQ(pread_all(two, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 1), -1);
	DO(close(one));
	DO(close(two));
	rogue_end(&r);
}

static void modes_do_not_mix(void)
{
	struct rogue r = start(O_RDWR);
	char *buf = xmalloc(FILE_SIZE);
	int past, by_server;
	void *p;

	past = DO(open("mnt/file", O_RDWR));
	by_server = DO(open("mnt/file", O_RDWR));
	CHECK_EQ(pread_all(past, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 7), -1);
	CHECK_EQ(pread_all(by_server, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 1), -1);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, by_server, 0) == MAP_FAILED &&
	      errno == ENODEV);
	DO(close(past));
	DO(close(by_server));
	/* Nobody has it open: it may be cached again. */
	by_server = DO(open("mnt/file", O_RDWR));
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, by_server, 0);
	CHECK(p != MAP_FAILED);
	DO(munmap(p, 4096));
	DO(close(by_server));
	rogue_end(&r);
}

static bool tries_to_register(struct rogue *r, const struct request *req)
{
	struct ferry_backing b = { .fd = -1, .id = 1 };
	int p[2], fd, i, id;
	struct rlimit lim;

	if (req->head.opcode == FUSE_INIT) {
		rogue_answer_init(r, req, agree);
		return true;
	}
	if (req->head.opcode != FUSE_STATFS)
		return false;
	DO(pipe(p));
	fd = DO(open("host", O_RDONLY));
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_BACKING, NULL), EFAULT);
	CHECK_ERR(ioctl(r->fd, FERRY_IOC_BACKING, &b), EINVAL);
	CHECK_ERR(back(r, 12345), EBADF);
	CHECK_ERR(back(r, -2), EBADF);
	CHECK_ERR(back(r, DO(open("host", O_PATH))), EBADF);
	CHECK_ERR(back(r, DO(open(".", O_RDONLY))), EINVAL);
	CHECK_ERR(back(r, DO(open("/dev/zero", O_RDONLY))), EINVAL);
	CHECK_ERR(back(r, p[0]), EINVAL);
	CHECK_ERR(back(r, r->fd), EINVAL);
	if (!agree) {
		CHECK_ERR(back(r, fd), EOPNOTSUPP);
	} else {
		id = DO(back(r, fd));
		CHECK(id > 0);
		b.id = id;
		DO(ioctl(r->fd, FERRY_IOC_BACKING, &b));
		CHECK_ERR(ioctl(r->fd, FERRY_IOC_BACKING, &b), EINVAL);
		DO(getrlimit(RLIMIT_NOFILE, &lim));
		lim.rlim_cur = 64;
		DO(setrlimit(RLIMIT_NOFILE, &lim));
		for (i = 0; i < 64; i++)
			DO(back(r, fd));
		CHECK_ERR(back(r, fd), EMFILE);
	}
	rogue_be_honest(r, req);
	return true;
}

static void registered(bool agreed)
{
	struct rogue r;

	agree = agreed;
	make_file("host", FILE_SIZE, 7);
	r = rogue_start(SYNC, tries_to_register);
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	rogue_await(&r, 2);
	rogue_end(&r);
}

static void what_may_be_registered(void)
{
	registered(true);
}

static void nothing_without_agreement(void)
{
	registered(false);
}

static void before_there_is_a_mount(void)
{
	struct ferry_setup setup = rogue_setup(SYNC);
	struct ferry_backing b = { 0 };
	int fd = rogue_open();

	make_file("host", 1, 1);
	b.fd = DO(open("host", O_RDONLY));
	CHECK_ERR(ioctl(fd, FERRY_IOC_BACKING, &b), ENOTCONN);
	DO(ioctl(fd, FERRY_IOC_CREATE, &setup));
	CHECK_ERR(ioctl(fd, FERRY_IOC_BACKING, &b), ENOTCONN);
}

static void outlives_the_server(void)
{
	struct rogue r = start(O_RDWR);
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDWR));

	rogue_kill(&r);
	CHECK_EQ(pread_all(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 7), -1);
	close(fd);
	rogue_end(&r);
}

/* The first server registers a file, notes its number, and dies; the second names it. */
static bool registers_and_keeps(struct rogue *r, const struct request *req)
{
	int *id = r->page;

	if (req->head.opcode != FUSE_OPEN)
		return backs_file(r, req);
	*id = DO(back(r, DO(open("host", O_RDWR))));
	(*r->told)++;
	pause();
	return true;
}

static bool names_what_is_noted(struct rogue *r, const struct request *req)
{
	const int *id = r->page;
	struct ferry_open_out out = { .open_flags = FERRY_OPEN_PASSTHROUGH, .backing_id = *id };

	if (req->head.opcode != FUSE_OPEN)
		return backs_file(r, req);
	CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
	return true;
}

static void named_by_the_next(void)
{
	struct ferry_setup setup = rogue_setup(SYNC);
	struct rogue r;
	pid_t pid;
	int status;

	setup.on_death = FERRY_DEATH_REISSUE;
	setup.grace = 20;
	make_file("host", FILE_SIZE, 7);
	r = rogue_start_as(setup, SYNC, registers_and_keeps);
	pid = rogue_client(op_use_backed);
	rogue_await(&r, 1);
	while (!*(volatile int *)r.page)
		usleep(1000);
	rogue_kill(&r);
	rogue_next(&r, names_what_is_noted);
	status = rogue_status(pid, 10, "the client");
	CHECK_EQ(status, 0);
	rogue_end(&r);
}

/* A user's server, and root's program: what is written goes with the server's rights. */
static bool backs_as_user(struct rogue *r, const struct request *req)
{
	if (geteuid())
		return backs_file(r, req);
	become(65534, 65534);
	return backs_file(r, req);
}

static int op_write_backed(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	write_all(fd, "x", 1);
	return 0;
}

static void with_the_servers_rights(void)
{
	struct rogue r;
	struct stat st;

	make_file("host", FILE_SIZE, 7);
	DO(chown("host", 65534, 65534));
	DO(chmod("host", 06755));
	host_flags = O_RDWR;
	nr_backed = 1;
	r = rogue_start(SYNC, backs_as_user);
	CHECK_EQ(rogue_try(op_write_backed, 10), 0);
	DO(stat("host", &st));
	/* Root may keep them (CAP_FSETID). */
	CHECK_EQ(st.st_mode & 07777, 0755);
	rogue_end(&r);
}

/* Registers one file, and never names it. */
static bool registers_only(struct rogue *r, const struct request *req)
{
	struct ferry_move saved = { .size = sizeof(saved), .to = FERRY_MOVE_SAVED };

	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_answer_init(r, req, agree);
		return true;
	case FUSE_STATFS:
		DO(back(r, DO(open("host", O_RDWR))));
		return false;
	case FERRY_OP_SAVE:
		saved.fd = DO(memfd_create("state", 0));
		DO(ioctl(r->fd, FERRY_IOC_MOVE, &saved));
		CHECK_EQ(rogue_answer(r, req, &(struct answer){ 0 }), 0);
		return true;
	}
	return false;
}

static void given_back_by_a_move(void)
{
	struct ferry_move move = { .size = sizeof(move), .to = FERRY_MOVE_USER };
	double end;
	struct rogue r;
	int fd;

	make_file("host", 1, 1);
	r = rogue_start(SYNC, registers_only);
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	/* Which is what nobody gets for a file that somebody else has open for writing. */
	fd = DO(open("host", O_RDWR));
	CHECK_ERR(fcntl(fd, F_SETLEASE, F_WRLCK), EAGAIN);
	move.id = r.id;
	move.fd = DO(memfd_create("stream", 0));
	DO(ioctl(rogue_open(), FERRY_IOC_MOVE, &move));
	rogue_kill(&r);
	end = now() + patience(10);
	while (fcntl(fd, F_SETLEASE, F_WRLCK)) {
		CHECK(errno == EAGAIN && now() < end);
		usleep(10000);
	}
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "data of a backed file goes past the server", data_goes_past_the_server },
	{ "O_APPEND is the backing file's", append_is_the_backing_files },
	{ "a number that was not given is EIO", unknown_number },
	{ "a file that is not open for what the client's is is EIO", not_open_for_it },
	{ "a file that is cached already is not read past the cache", cache_first },
	{ "a file is in one mode for all who have it open", modes_do_not_mix },
	{ "what is no regular file, or not open, or too much, is refused",
	  what_may_be_registered },
	{ "without agreement nothing is registered", nothing_without_agreement },
	{ "before there is a mount nothing is registered", before_there_is_a_mount },
	{ "a backed file outlives the server", outlives_the_server },
	{ "a file that a dead server registered can be named by the next", named_by_the_next },
	{ "a backed file is written with the server's rights, not the program's",
	  with_the_servers_rights },
	{ "a file that was never named is given back when its server is moved",
	  given_back_by_a_move },
};
CLAIMS_MAIN(claims)
