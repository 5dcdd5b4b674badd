// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Servers that do not answer, stop, or die: at each moment there is. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

/* The opcode that is never answered. */
static uint32_t silent_about;

static bool keep_silent(struct rogue *r, const struct request *req)
{
	return req->head.opcode == silent_about;
}

static void killable(enum style style)
{
	size_t i;

	for (i = 0; rogue_waits[i].op; i++) {
		struct rogue r;
		pid_t pid;

		silent_about = rogue_waits[i].opcode;
		r = rogue_start(style, keep_silent);
		pid = rogue_waiting(&r, &rogue_waits[i]);
		DO(kill(pid, SIGKILL));
		rogue_status(pid, 10, rogue_waits[i].what);
		rogue_kill(&r);
		rogue_end(&r);
	}
}
IN_EACH_STYLE(killable)

static void server_dies(enum style style)
{
	size_t i;

	for (i = 0; rogue_waits[i].op; i++) {
		struct rogue r;
		int status;
		pid_t pid;

		silent_about = rogue_waits[i].opcode;
		r = rogue_start(style, keep_silent);
		pid = rogue_waiting(&r, &rogue_waits[i]);
		rogue_kill(&r);
		status = rogue_status(pid, 10, rogue_waits[i].what);
		if (rogue_waits[i].op == op_map_file) {
			CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
		} else {
			CHECK(WIFEXITED(status));
			/* What was written is lost, which is what EIO says of write-back. */
			if (WEXITSTATUS(status) != ENOTCONN &&
			    !(rogue_waits[i].opcode == FUSE_WRITE && WEXITSTATUS(status) == EIO) &&
			    !(rogue_waits[i].op == op_read_file && WEXITSTATUS(status) == EIO))
				claim_fail(__FILE__, __LINE__, "%s: %s", rogue_waits[i].what,
					   strerror(WEXITSTATUS(status)));
		}
		CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
		CHECK_EQ(rogue_try(op_mkdir, 5), ENOTCONN);
		CHECK_EQ(rogue_try(op_list, 5), ENOTCONN);
		CHECK_EQ(rogue_try(op_statfs, 5), ENOTCONN);
		rogue_end(&r);
	}
}
IN_EACH_STYLE(server_dies)

static void before_first(enum style style)
{
	struct ferry_setup setup = rogue_setup(style);
	int fd = rogue_open();

	DO(ioctl(fd, FERRY_IOC_CREATE, &setup));
	DO(mkdir("mnt", 0755));
	DO(rogue_mount_fd(fd, "mnt"));
	DO(close(fd));
	CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
	CHECK_EQ(rogue_try(op_statfs, 5), ENOTCONN);
	DO(umount("mnt"));
}
IN_BOTH_STYLES(before_first)

static void before_mount(enum style style)
{
	struct ferry_setup setup = rogue_setup(style);
	int fd = rogue_open();

	DO(mkdir("mnt", 0755));
	DO(ioctl(fd, FERRY_IOC_CREATE, &setup));
	DO(close(fd));
	CHECK_ERR(rogue_mount_fd(fd, "mnt"), EINVAL);
}
IN_BOTH_STYLES(before_mount)

static bool exit_at_init(struct rogue *r, const struct request *req)
{
	if (req->head.opcode == FUSE_INIT)
		_exit(0);
	return false;
}

static bool exit_at_lookup(struct rogue *r, const struct request *req)
{
	if (req->head.opcode == FUSE_LOOKUP)
		_exit(0);
	return false;
}

static bool close_at_lookup(struct rogue *r, const struct request *req)
{
	if (req->head.opcode == FUSE_LOOKUP) {
		DO(close(r->fd));
		/* The mapping, if any, is the last that is left of it. */
		if (r->map)
			r->map[0] = 1;
		_exit(0);
	}
	return false;
}

static void exits(enum style style)
{
	static const lie_fn lies[] = { exit_at_init, exit_at_lookup, close_at_lookup };
	size_t i;

	for (i = 0; i < COUNT(lies); i++) {
		struct rogue r = rogue_start(style, lies[i]);

		CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
		CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
		rogue_end(&r);
	}
}
IN_EACH_STYLE(exits)

static bool answer_late(struct rogue *r, const struct request *req)
{
	int err;

	if (req->head.opcode != FUSE_LOOKUP || strcmp(req->arg, "file"))
		return false;
	/* Here the client is killed; see late_answer(). */
	(*r->told)++;
	while (*(volatile int *)r->page < *r->told)
		usleep(1000);
	rogue_be_honest(r, req);
	err = rogue_answer(r, req, &(struct answer){ .error = -EIO });
	CHECK(err == ENOENT || err == ENODEV);
	return true;
}

static void late_answer(enum style style)
{
	struct rogue r = rogue_start(style, answer_late);
	int i;

	for (i = 0; i < 3; i++) {
		pid_t pid = rogue_client(op_stat_file);

		rogue_await(&r, 2 * i + 1);
		rogue_dies(pid);
		*(volatile int *)r.page = 2 * i + 1;
		rogue_await(&r, 2 * i + 2);
		CHECK_EQ(rogue_try(op_readlink, 5), 0);
	}
	rogue_end(&r);
}
IN_BOTH_STYLES(late_answer)

/* Silent about lookups of "hoard-…" until a READLINK comes: then answers all of them. */
static bool hoard(struct rogue *r, const struct request *req)
{
	static struct request kept[64];
	static unsigned int nr_kept;

	if (req->head.opcode == FUSE_LOOKUP && !strncmp(req->arg, "hoard-", 6)) {
		CHECK(nr_kept < COUNT(kept));
		kept[nr_kept++] = *req;
		return true;
	}
	if (req->head.opcode == FUSE_READLINK) {
		struct fuse_entry_out out = rogue_entry(FILE_NODE);

		while (nr_kept) {
			int err = rogue_reply(r, &kept[--nr_kept], &out, sizeof(out));

			CHECK(err == 0 || err == ENOENT);
		}
	}
	return false;
}

/* Another name each time: lookups of one name wait for each other in the VFS. */
static unsigned int hoarded;

static int op_stat_hoarded(void)
{
	struct stat st;
	char name[32];

	snprintf(name, sizeof(name), "mnt/hoard-%u", hoarded);
	return stat(name, &st);
}

static void others_are_served(enum style style)
{
	struct rogue r = rogue_start(style, hoard);
	pid_t pid = rogue_client(op_stat_hoarded);
	int status;

	rogue_await(&r, 1);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(rogue_try(op_statfs, 5), 0);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	CHECK_EQ(rogue_status(pid, 5, "stat"), 0);
	rogue_end(&r);
}
IN_BOTH_STYLES(others_are_served)

static void slots_come_back(enum style style)
{
	struct rogue r = rogue_start(style, hoard);
	pid_t pids[6];
	unsigned int round, i;

	/* The channel has eight slots; six of them are abandoned, three times over. */
	for (round = 0; round < 3; round++) {
		for (i = 0; i < COUNT(pids); i++, hoarded++)
			pids[i] = rogue_client(op_stat_hoarded);
		rogue_await(&r, (round + 1) * COUNT(pids));
		for (i = 0; i < COUNT(pids); i++)
			rogue_dies(pids[i]);
		CHECK_EQ(rogue_try(op_readlink, 5), 0);
	}
	rogue_end(&r);
}
IN_BOTH_STYLES(slots_come_back)

static void more_clients_than_slots(enum style style)
{
	pid_t pids[24];
	struct rogue r;
	unsigned int i;

	silent_about = FUSE_STATFS;
	r = rogue_start(style, keep_silent);
	for (i = 0; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_statfs);
	rogue_await(&r, 8);
	usleep(300000);
	/* Those that wait for a slot first */
	for (i = COUNT(pids); i-- > 0;)
		rogue_dies(pids[i]);
	rogue_kill(&r);
	rogue_end(&r);
}
IN_EACH_STYLE(more_clients_than_slots)

static void forced_umount(enum style style)
{
	struct rogue r;
	int status;
	pid_t pid;

	silent_about = FUSE_STATFS;
	r = rogue_start(style, keep_silent);
	pid = rogue_client(op_statfs);
	rogue_await(&r, 1);
	umount2("mnt", MNT_FORCE);
	status = rogue_status(pid, 10, "statfs");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == ENOTCONN);
	/* Forced or not, it is gone now. */
	if (umount("mnt"))
		CHECK_EQ(errno, EINVAL);
	wait_ok(r.pid);
}
IN_EACH_STYLE(forced_umount)

static void stop(const struct rogue *r)
{
	int status;

	DO(kill(r->pid, SIGSTOP));
	CHECK_EQ(waitpid(r->pid, &status, WUNTRACED), r->pid);
	CHECK(WIFSTOPPED(status));
}

static void stopped(enum style style)
{
	struct rogue r = rogue_start(style, NULL);
	double began;
	pid_t pid;

	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	stop(&r);
	pid = rogue_client(op_stat_file);
	usleep(200000);
	rogue_dies(pid);
	/* A goodbye that nobody hears: umount does not wait for ever. */
	began = now();
	DO(umount("mnt"));
	CHECK(now() - began < patience(15));
	DO(kill(r.pid, SIGCONT));
	wait_ok(r.pid);
}
IN_BOTH_STYLES(stopped)

static void resumed(enum style style)
{
	struct rogue r = rogue_start(style, NULL);
	int status;
	pid_t pid;

	stop(&r);
	pid = rogue_client(op_stat_file);
	usleep(200000);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	DO(kill(r.pid, SIGCONT));
	CHECK_EQ(rogue_status(pid, 5, "stat"), 0);
	rogue_end(&r);
}
IN_BOTH_STYLES(resumed)

static void dirty_pages(enum style style)
{
	struct rogue r = rogue_start(style, NULL);
	char buf[4096] = "dirty";
	int fd;
	char *p;

	fd = DO(open("mnt/file", O_RDWR));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 'x';
	rogue_kill(&r);
	CHECK(pwrite(fd, buf, 4096, 0) == -1 || fsync(fd) == -1);
	CHECK(msync(p, 4096, MS_SYNC) == -1 || fsync(fd) == -1);
	sync();
	DO(munmap(p, 4096));
	close(fd);
	rogue_end(&r);
}
IN_BOTH_STYLES(dirty_pages)

/* INIT is the first request; what it is answered decides about the mount. */
static struct fuse_init_out init_answer;
static size_t init_len;
static int init_error;

static bool answer_init(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != FUSE_INIT)
		return false;
	rogue_answer(r, req, &(struct answer){ .error = init_error, .structs = &init_answer,
					       .structs_len = init_len });
	return true;
}

static void init_is(enum style style, int should)
{
	struct rogue r = rogue_start(style, answer_init);
	int err = rogue_try(op_stat_file, 10);

	if (should >= 0)
		CHECK_EQ(err, should);
	rogue_end(&r);
}

static void bad_init(enum style style)
{
	static const struct fuse_init_out good = {
		.major = 7, .minor = 38, .max_write = 65536, .max_readahead = 4096,
		.flags = FUSE_BIG_WRITES,
	};

	init_len = sizeof(good);
	init_answer = good;
	init_is(style, 0);
	init_answer.major = 6;
	init_is(style, ENOTCONN);
	init_answer.major = 99;
	init_is(style, ENOTCONN);
	init_answer = good;
	init_answer.minor = 4;
	init_is(style, ENOTCONN);
	init_answer = good;
	init_len = 4;
	init_is(style, ENOTCONN);
	init_len = 0;
	init_is(style, ENOTCONN);
	init_error = -EIO;
	init_is(style, ENOTCONN);
	init_error = 0;
	init_len = sizeof(good);
	/* Sizes that make no sense are made to, or end the mount. */
	init_answer.max_write = 0;
	init_is(style, -1);
	memset(&init_answer, 0xff, sizeof(init_answer));
	init_answer.major = 7;
	init_is(style, -1);
	memset(&init_answer, 0, sizeof(init_answer));
	init_is(style, ENOTCONN);
}
IN_BOTH_STYLES(bad_init)

static void no_init(enum style style)
{
	struct rogue r;
	pid_t pid;

	silent_about = FUSE_INIT;
	r = rogue_start(style, keep_silent);
	pid = rogue_client(op_stat_file);
	rogue_await(&r, 1);
	usleep(100000);
	rogue_dies(pid);
	pid = rogue_client(op_stat_file);
	usleep(200000);
	rogue_kill(&r);
	CHECK_EQ(WEXITSTATUS(rogue_status(pid, 10, "stat")), ENOTCONN);
	rogue_end(&r);
}
IN_BOTH_STYLES(no_init)

static const struct claim claims[] = {
	EACH("a client that waits dies of SIGKILL, whatever it waits for", killable),
	EACH("a server's death is ENOTCONN for who waits and who comes", server_dies),
	BOTH("a server that dies before the first request is ENOTCONN", before_first),
	BOTH("a server that dies before the mount cannot be mounted", before_mount),
	EACH("a server that exits at INIT or a lookup is ENOTCONN", exits),
	BOTH("an answer for a killed client is taken and thrown away", late_answer),
	BOTH("a request without answer does not hold up others", others_are_served),
	BOTH("slots of killed clients come back when answered", slots_come_back),
	EACH("clients that wait for a slot die of SIGKILL", more_clients_than_slots),
	EACH("umount -f lets go of who waits", forced_umount),
	BOTH("a stopped server holds neither SIGKILL nor umount", stopped),
	BOTH("a stopped server goes on where it was", resumed),
	BOTH("dirty pages of a dead server are an error and no hang", dirty_pages),
	BOTH("answers to INIT that make no sense end the mount", bad_init),
	BOTH("INIT without answer holds up nobody for good", no_init),
};
CLAIMS_MAIN(claims)
