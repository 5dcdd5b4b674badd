// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Clients of a channel without server, and deadlines: nobody waits longer than was said. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

static struct ferry_setup policy(unsigned int grace, unsigned int timeout)
{
	struct ferry_setup setup = rogue_setup(SYNC);

	setup.on_death = grace ? FERRY_DEATH_REISSUE : FERRY_DEATH_FAIL;
	setup.grace = grace;
	setup.timeout = timeout;
	return setup;
}

static uint32_t silent_about;

static bool keep_silent(struct rogue *r, const struct request *req)
{
	return req->head.opcode == silent_about;
}

/* A channel whose server has died. */
static struct rogue detached(unsigned int grace, unsigned int timeout)
{
	struct rogue r = rogue_start_as(policy(grace, timeout), SYNC, NULL);

	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_kill(&r);
	return r;
}

static void still_wait(const pid_t *pids, unsigned int nr)
{
	unsigned int i;
	int status;

	for (i = 0; i < nr; i++)
		if (waitpid(pids[i], &status, WNOHANG))
			claim_fail(__FILE__, __LINE__, "client %u did not wait: status %#x", i,
				   status);
}

static void all_end_with(const pid_t *pids, unsigned int nr, int err, unsigned int seconds)
{
	double end = now() + seconds;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		double left = end - now();

		CHECK_EQ(WEXITSTATUS(rogue_status(pids[i], left > 1 ? left : 1, "a client")), err);
	}
}

/* --- killed while detached ----------------------------------------------------------- */

static bool watch_queued(struct rogue *r, const struct request *req)
{
	CHECK(req->head.opcode != FUSE_STATFS && req->head.opcode != FUSE_READLINK);
	return false;
}

static void queued_are_killed(void)
{
	struct rogue r = detached(30, 0);
	unsigned int i;
	pid_t pids[20];

	/* More than slots: some have none yet. */
	for (i = 0; i < COUNT(pids); i++)
		pids[i] = rogue_client(i % 2 ? op_statfs : op_readlink);
	usleep(300000);
	still_wait(pids, COUNT(pids));
	/* All of them, for lookups of one name wait for each other in the VFS, unkillably. */
	for (i = 0; i < COUNT(pids); i++)
		DO(kill(pids[i], SIGKILL));
	for (i = 0; i < COUNT(pids); i++)
		CHECK(WIFSIGNALED(rogue_status(pids[i], 10, "a client that was killed")));
	/* Nobody had them: nobody hears of them. */
	rogue_next(&r, watch_queued);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

static void fetched_are_killed(void)
{
	size_t i;

	for (i = 0; rogue_waits[i].op; i++) {
		struct rogue r;
		pid_t pid;

		silent_about = rogue_waits[i].opcode;
		r = rogue_start_as(policy(30, 0), SYNC, keep_silent);
		pid = rogue_waiting(&r, &rogue_waits[i]);
		rogue_kill(&r);
		rogue_dies(pid);
		rogue_next(&r, NULL);
		CHECK_EQ(rogue_try(op_stat_file, 5), 0);
		CHECK_EQ(rogue_try(op_list, 5), 0);
		rogue_end(&r);
	}
}

/* What a late answer brings is given back: told counts that. */
static uint32_t given_back_by;

static bool watch_late(struct rogue *r, const struct request *req)
{
	bool again = rogue_desc(r, req->tag)->flags & FERRY_DESC_AGAIN;
	bool *came = r->page;

	if (req->head.opcode == silent_about && again) {
		CHECK(!*came);
		*came = true;
	}
	if (*came && req->head.opcode == given_back_by && req->head.nodeid == FILE_NODE) {
		rogue_be_honest(r, req);
		return true;
	}
	return false;
}

static void late_is_given_back(void)
{
	static const struct { uint32_t opcode, back; int (*op)(void); } late[] = {
		{ FUSE_LOOKUP, FUSE_FORGET, op_stat_file },
		{ FUSE_OPEN, FUSE_RELEASE, op_open_file },
	};
	size_t i;

	for (i = 0; i < COUNT(late); i++) {
		const struct wait w = { late[i].opcode, late[i].op, "the client" };
		struct rogue r;
		pid_t pid;

		silent_about = w.opcode;
		given_back_by = late[i].back;
		r = rogue_start_as(policy(30, 0), SYNC, keep_silent);
		pid = rogue_waiting(&r, &w);
		rogue_kill(&r);
		rogue_dies(pid);
		*r.told = 0;
		rogue_next(&r, watch_late);
		rogue_await(&r, 1);
		CHECK(*(bool *)r.page);
		rogue_end(&r);
	}
}

/* A request that the first server had; its client is killed before or after that one dies. */
static void killed_before(void)
{
	const struct wait w = { FUSE_LOOKUP, op_stat_file, "stat" };
	struct rogue r;
	pid_t pid;

	silent_about = w.opcode;
	given_back_by = FUSE_FORGET;
	r = rogue_start_as(policy(30, 0), SYNC, keep_silent);
	pid = rogue_waiting(&r, &w);
	rogue_dies(pid);
	rogue_kill(&r);
	*r.told = 0;
	rogue_next(&r, watch_late);
	rogue_await(&r, 1);
	rogue_end(&r);
}

/* --- grace ----------------------------------------------------------------------------- */

static void grace_ends(void)
{
	struct rogue r;
	pid_t pids[20];
	unsigned int i;
	double began;
	struct ferry_setup next;

	silent_about = FUSE_STATFS;
	r = rogue_start_as(policy(3, 0), SYNC, keep_silent);
	for (i = 0; i < 16; i++)
		pids[i] = rogue_client(op_statfs);
	rogue_await(&r, 8);
	rogue_kill(&r);
	began = now();
	for (; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_statfs);
	while (now() < began + 2.5) {
		still_wait(pids, COUNT(pids));
		usleep(100000);
	}
	all_end_with(pids, COUNT(pids), ENOTCONN, 5);
	CHECK(now() - began >= 2.9);
	CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
	next = rogue_succession(r.id);
	CHECK_ERR(ioctl(rogue_open(), FERRY_IOC_ATTACH, &next), ENOTCONN);
	rogue_end(&r);
}

static void grace_begins_anew(void)
{
	struct rogue r = detached(3, 0);
	double began = now();
	pid_t pid;

	usleep(2000000);
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_kill(&r);
	pid = rogue_client(op_stat_file);
	/* The first time would be over by then. */
	while (now() < began + 4)
		usleep(10000);
	still_wait(&pid, 1);
	all_end_with(&pid, 1, ENOTCONN, 5);
	rogue_end(&r);
}

/* --- the end ---------------------------------------------------------------------------- */

static int umount_flags;

static int op_umount(void)
{
	return umount2("mnt", umount_flags);
}

static void ends_within_5_s(int flags)
{
	umount_flags = flags;
	CHECK_EQ(rogue_try(op_umount, 5), 0);
}

static void umounts(void)
{
	static const int flags[] = { 0, MNT_FORCE, MNT_DETACH };
	size_t i;

	for (i = 0; i < COUNT(flags); i++) {
		struct rogue r = detached(30, 0);
		struct ferry_setup next;

		ends_within_5_s(flags[i]);
		CHECK_ERR(umount("mnt"), EINVAL);
		DO(rmdir("mnt"));
		next = rogue_succession(r.id);
		CHECK_ERR(ioctl(rogue_open(), FERRY_IOC_ATTACH, &next), ENOENT);
	}
}

static void umount_lets_go(void)
{
	struct rogue r;
	pid_t pids[12];
	unsigned int i;

	silent_about = FUSE_STATFS;
	r = rogue_start_as(policy(30, 0), SYNC, keep_silent);
	for (i = 0; i < 6; i++)
		pids[i] = rogue_client(op_statfs);
	rogue_await(&r, 6);
	rogue_kill(&r);
	for (; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_statfs);
	usleep(200000);
	still_wait(pids, COUNT(pids));
	umount2("mnt", MNT_FORCE);
	all_end_with(pids, COUNT(pids), ENOTCONN, 5);
	umount("mnt");
	DO(rmdir("mnt"));
}

static void umount_of_stopped(void)
{
	struct rogue r = rogue_start_as(policy(30, 0), SYNC, NULL);
	pid_t pid;

	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	DO(kill(r.pid, SIGSTOP));
	usleep(100000);
	pid = rogue_client(op_statfs);
	usleep(200000);
	umount2("mnt", MNT_FORCE);
	all_end_with(&pid, 1, ENOTCONN, 2);
	umount("mnt");
	CHECK_ERR(umount("mnt"), EINVAL);
	DO(kill(r.pid, SIGCONT));
	wait_ok(r.pid);
	DO(rmdir("mnt"));
}

/* --- deadlines --------------------------------------------------------------------------- */

/* Keeps what it is to be silent about until READLINK, and then answers all of it. */
static bool hoard(struct rogue *r, const struct request *req)
{
	static struct request kept[16];
	static unsigned int nr;

	if (req->head.opcode == silent_about) {
		CHECK(nr < COUNT(kept));
		kept[nr] = *req;
		/* What comes after the header lies in a buffer that is used again. */
		kept[nr].arg = memcpy(xmalloc(req->arg_len + 1), req->arg, req->arg_len);
		nr++;
		return true;
	}
	if (req->head.opcode == FUSE_READLINK) {
		while (nr) {
			rogue_be_honest(r, &kept[--nr]);
			CHECK_EQ(rogue_answer(r, &kept[nr], &(struct answer){ .error = -EIO }),
				 ENOENT);
		}
	}
	return false;
}

static void in_time(const pid_t *pids, unsigned int nr, int err, double began)
{
	all_end_with(pids, nr, err, 4);
	CHECK(now() - began >= 0.9);
}

static void call_times_out(void)
{
	double began;
	struct rogue r;
	pid_t pid;

	silent_about = FUSE_STATFS;
	r = rogue_start_as(policy(0, 1), SYNC, hoard);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	began = now();
	pid = rogue_client(op_statfs);
	in_time(&pid, 1, ETIMEDOUT, began);
	/* The others' requests go on, and the late answer is thrown away. */
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	silent_about = 0;
	CHECK_EQ(rogue_try(op_list, 5), 0);
	rogue_end(&r);
}

static void slot_wait_times_out(void)
{
	pid_t pids[20];
	unsigned int i;
	double began;
	struct rogue r;

	silent_about = FUSE_STATFS;
	r = rogue_start_as(policy(0, 1), SYNC, keep_silent);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	began = now();
	for (i = 0; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_statfs);
	in_time(pids, COUNT(pids), ETIMEDOUT, began);
	/* All slots are the server's for good. */
	CHECK_EQ(rogue_try(op_stat_file, 5), ETIMEDOUT);
	rogue_kill(&r);
	rogue_end(&r);
}

static void read_ahead_times_out(void)
{
	double began;
	struct rogue r;
	pid_t pid;

	silent_about = FUSE_READ;
	r = rogue_start_as(policy(0, 1), SYNC, hoard);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	began = now();
	pid = rogue_client(op_read_file);
	/* It fails in the background; who needs the page asks for it, and waits once more. */
	all_end_with(&pid, 1, ETIMEDOUT, 8);
	CHECK(now() - began >= 0.9);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	CHECK_EQ(rogue_try(op_list, 5), 0);
	rogue_end(&r);
}

static bool write_back_init(struct rogue *r, const struct request *req)
{
	const struct fuse_init_out out = {
		.major = 7, .minor = 38, .max_write = 4096, .max_readahead = 4096,
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_WRITEBACK_CACHE, .max_pages = 1,
		.time_gran = 1,
	};
	struct fuse_attr_out attr = { .attr = rogue_attr(FILE_NODE) };
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);

	attr.attr.size = entry.attr.size = 1 << 20;
	if (req->head.opcode == FUSE_INIT)
		rogue_reply(r, req, &out, sizeof(out));
	else if (req->head.opcode == FUSE_LOOKUP)
		rogue_reply(r, req, &entry, sizeof(entry));
	else if (req->head.opcode == FUSE_GETATTR && req->head.nodeid == FILE_NODE)
		rogue_reply(r, req, &attr, sizeof(attr));
	else
		return req->head.opcode == FUSE_WRITE;
	return true;
}

/* A page here and there: each a request, and more of them than slots. */
static int op_dirty_many(void)
{
	char *buf = xmalloc(4096);
	int fd = DO(open("mnt/file", O_RDWR));
	int i;

	for (i = 0; i < 32; i++)
		DO(pwrite(fd, buf, 4096, i * 8192));
	return fsync(fd);
}

static void write_back_times_out(void)
{
	double began = now();
	struct rogue r = rogue_start_as(policy(0, 1), SYNC, write_back_init);
	pid_t pid = rogue_client(op_dirty_many);

	all_end_with(&pid, 1, ETIMEDOUT, 5);
	CHECK(now() - began >= 0.9);
	/* What waited for a slot, and never reached the server, has ended as well. */
	rogue_kill(&r);
	rogue_end(&r);
}

static void detached_times_out(void)
{
	struct rogue r = detached(30, 1);
	double began = now();
	pid_t pids[12];
	unsigned int i;

	for (i = 0; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_statfs);
	in_time(pids, COUNT(pids), ETIMEDOUT, began);
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_statfs, 5), 0);
	rogue_end(&r);
}

static void fetched_times_out_detached(void)
{
	const struct wait w = { FUSE_STATFS, op_statfs, "statfs" };
	struct rogue r;
	double began;
	pid_t pid;

	silent_about = w.opcode;
	r = rogue_start_as(policy(30, 2), SYNC, keep_silent);
	began = now();
	pid = rogue_waiting(&r, &w);
	rogue_kill(&r);
	in_time(&pid, 1, ETIMEDOUT, began);
	/* It comes again all the same, for it may have been executed; nobody is told. */
	rogue_next(&r, watch_late);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	CHECK(*(bool *)r.page);
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "clients of requests that nobody fetched die of SIGKILL, and these are forgotten",
	  queued_are_killed },
	{ "clients of requests that a dead server had die of SIGKILL", fetched_are_killed },
	{ "a late answer of the next server is given back", late_is_given_back },
	{ "so is that to a client that was killed before its server", killed_before },
	{ "when grace is over all who wait get ENOTCONN, and not before", grace_ends },
	{ "each server's death gives the whole grace time", grace_begins_anew },
	{ "umount, umount -f and umount -l end without a server", umounts },
	{ "umount -f lets go of who waits for a server", umount_lets_go },
	{ "umount -f ends with a stopped server that would be waited for", umount_of_stopped },
	{ "timeout: a call fails with ETIMEDOUT, a late answer is thrown away", call_times_out },
	{ "timeout: so does one that waits for a slot", slot_wait_times_out },
	{ "timeout: read-ahead fails, and who reads gets ETIMEDOUT", read_ahead_times_out },
	{ "timeout: write-back fails, in slots and behind them, and fsync says so", write_back_times_out },
	{ "timeout: it counts without a server too", detached_times_out },
	{ "timeout: what a dead server had comes again nevertheless", fetched_times_out_detached },
};
CLAIMS_MAIN(claims)
