// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Servers that die and are followed by others: no request is lost, none comes twice. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#define BIG_SIZE	(1 << 20)

static struct ferry_setup reissuing(enum style style)
{
	struct ferry_setup setup = rogue_setup(style);

	setup.on_death = FERRY_DEATH_REISSUE;
	setup.grace = 30;
	return setup;
}

/* --- what a dead server had, in rogue.page ---------------------------------------- */

struct had {
	unsigned int nr;
	unsigned int again;
	struct {
		uint64_t unique;
		unsigned int tag;
		uint32_t opcode;
		bool came;
	} req[64];
};

static void note(struct rogue *r, unsigned int tag)
{
	const struct fuse_in_header *head = (void *)rogue_slot(r, tag);
	struct had *had = r->page;

	CHECK(had->nr < COUNT(had->req));
	had->req[had->nr].unique = head->unique;
	had->req[had->nr].opcode = head->opcode;
	had->req[had->nr++].tag = tag;
}

/* The opcode that the first server keeps. */
static uint32_t kept;

static bool keep(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != kept)
		return false;
	note(r, req->tag);
	return true;
}

/* What was had comes again, once, and is marked; and nothing else is. */
static bool compare(struct rogue *r, const struct request *req)
{
	bool again = rogue_desc(r, req->tag)->flags & FERRY_DESC_AGAIN;
	struct had *had = r->page;
	unsigned int i;

	for (i = 0; i < had->nr; i++) {
		if (had->req[i].unique != req->head.unique)
			continue;
		CHECK(again && !had->req[i].came);
		CHECK_EQ(req->tag, had->req[i].tag);
		CHECK_EQ(req->head.opcode, had->req[i].opcode);
		had->req[i].came = true;
		had->again++;
		return false;
	}
	CHECK(!again);
	return false;
}

static void all_came(const struct rogue *r)
{
	const struct had *had = r->page;

	CHECK(had->nr > 0);
	CHECK_EQ(had->again, had->nr);
}

static void still_waits(pid_t pid)
{
	int status;

	usleep(100000);
	if (waitpid(pid, &status, WNOHANG))
		claim_fail(__FILE__, __LINE__, "the client did not wait: status %#x", status);
}

/* --- claims -------------------------------------------------------------------------- */

/* A client waits for what @first keeps; that server dies, and one that does as @then follows. */
static void follow(enum style style, const struct wait *w, lie_fn first, lie_fn then)
{
	struct rogue r;
	pid_t pid;

	kept = w->opcode;
	r = rogue_start_as(reissuing(style), style, first);
	pid = rogue_waiting(&r, w);
	rogue_kill(&r);
	still_waits(pid);
	rogue_next(&r, then);
	rogue_unharmed(pid);
	all_came(&r);
	rogue_end(&r);
}

static void comes_again(enum style style)
{
	size_t i;

	for (i = 0; rogue_waits[i].op; i++)
		follow(style, &rogue_waits[i], keep, compare);
}

/* INIT as the rogue answers it, but for long requests, or with a page cache that writes back. */
static uint32_t init_flags;

static bool long_init(struct rogue *r, const struct request *req)
{
	struct fuse_init_out out = rogue_init(FUSE_BIG_WRITES | FUSE_MAX_PAGES | init_flags);

	if (req->head.opcode != FUSE_INIT)
		return false;
	out.max_write = BIG_SIZE;
	out.max_pages = BIG_SIZE / 4096;
	CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
	return true;
}

static int op_read_big(void)
{
	char *buf = xmalloc(BIG_SIZE);
	int fd = DO(open("mnt/file", O_RDONLY | O_DIRECT));

	CHECK_EQ(DO(pread(fd, buf, BIG_SIZE, 0)), BIG_SIZE);
	CHECK_EQ(find_difference(buf, BIG_SIZE, 0, 7), -1);
	return 0;
}

static int op_write_big(void)
{
	char *buf = xmalloc(BIG_SIZE);
	int fd = DO(open("mnt/file", O_WRONLY | O_DIRECT));

	fill_pattern(buf, BIG_SIZE, 0, 7);
	CHECK_EQ(DO(pwrite(fd, buf, BIG_SIZE, 0)), BIG_SIZE);
	return 0;
}

static int op_write_back(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDWR));

	fill_pattern(buf, FILE_SIZE, 0, 7);
	CHECK_EQ(DO(pwrite(fd, buf, FILE_SIZE, 0)), FILE_SIZE);
	DO(fsync(fd));
	return 0;
}

/* A file of BIG_SIZE, so that a read of all of it is one request. */
static bool big_file(struct rogue *r, const struct request *req)
{
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);
	struct fuse_attr_out attr = { .attr = rogue_attr(FILE_NODE) };
	bool lookup = req->head.opcode == FUSE_LOOKUP;

	if (!lookup && (req->head.opcode != FUSE_GETATTR || req->head.nodeid != FILE_NODE))
		return long_init(r, req);
	entry.attr.size = BIG_SIZE;
	attr.attr.size = BIG_SIZE;
	CHECK_EQ(lookup ? rogue_reply(r, req, &entry, sizeof(entry)) :
			  rogue_reply(r, req, &attr, sizeof(attr)), 0);
	return true;
}

/* Moves half of the data, rubbish if it is the server's to give, and keeps the request. */
static bool move_half(struct rogue *r, const struct request *req)
{
	unsigned int way = kept == FUSE_READ ? FERRY_XFER_PUSH : FERRY_XFER_PULL;
	char *buf;

	if (req->head.opcode != kept)
		return big_file(r, req) ? (*r->told)--, true : false;
	CHECK_EQ(req->room, BIG_SIZE);
	buf = xmalloc(BIG_SIZE / 2);
	memset(buf, 0xee, BIG_SIZE / 2);
	CHECK_EQ(rogue_xfer(r, req, way, 0, buf, BIG_SIZE / 2), BIG_SIZE / 2);
	if (kept == FUSE_WRITE)
		CHECK_EQ(find_difference(buf, BIG_SIZE / 2, 0, 7), -1);
	return keep(r, req);
}

static bool move_all(struct rogue *r, const struct request *req)
{
	char *buf;

	if (req->head.opcode != kept)
		return big_file(r, req);
	CHECK(!compare(r, req));
	CHECK_EQ(req->room, BIG_SIZE);
	buf = xmalloc(BIG_SIZE);
	if (kept == FUSE_WRITE) {
		CHECK_EQ(rogue_xfer(r, req, FERRY_XFER_PULL, 0, buf, BIG_SIZE), BIG_SIZE);
		CHECK_EQ(find_difference(buf, BIG_SIZE, 0, 7), -1);
		return false;
	}
	fill_pattern(buf, BIG_SIZE, 0, 7);
	/* What the dead server moved counts as not moved. */
	CHECK_ERR(rogue_xfer(r, req, FERRY_XFER_PUSH, BIG_SIZE / 2, buf + BIG_SIZE / 2,
			     BIG_SIZE / 2), EINVAL);
	CHECK_EQ(rogue_xfer(r, req, FERRY_XFER_PUSH, 0, buf, BIG_SIZE), BIG_SIZE);
	CHECK_EQ(rogue_answer(r, req, &(struct answer){ 0 }), 0);
	return true;
}

static void half_moved(enum style style)
{
	static const struct wait big[] = {
		{ FUSE_READ, op_read_big, "a long read" },
		{ FUSE_WRITE, op_write_big, "a long write" },
	};
	size_t i;

	for (i = 0; i < COUNT(big); i++)
		follow(style, &big[i], move_half, move_all);
}

static bool keep_write_back(struct rogue *r, const struct request *req)
{
	init_flags = FUSE_WRITEBACK_CACHE;
	return long_init(r, req) ? (*r->told)--, true : keep(r, req);
}

/* The data of a write is in the slot, or is to be pulled; both are whole. */
static bool check_write(struct rogue *r, const struct request *req)
{
	const struct fuse_write_in *in = (const void *)req->arg;
	char buf[FILE_SIZE];

	if (req->head.opcode == FUSE_WRITE) {
		CHECK(in->size <= sizeof(buf));
		CHECK_EQ(rogue_xfer(r, req, FERRY_XFER_PULL, 0, buf, in->size), in->size);
		CHECK_EQ(find_difference(buf, in->size, in->offset, 7), -1);
		if (rogue_desc(r, req->tag)->flags & FERRY_DESC_IN_SLOT)
			CHECK(!memcmp(buf, rogue_slot(r, req->tag) + r->geo.data_off, in->size));
	}
	return compare(r, req);
}

static void write_back(enum style style)
{
	static const struct wait w = { FUSE_WRITE, op_write_back, "write-back" };

	follow(style, &w, keep_write_back, check_write);
}

/* Reply half and reply area are as the dead server left them: a journal may be there. */
static bool half_answer(struct rogue *r, const struct request *req)
{
	struct ferry_desc *d = rogue_desc(r, req->tag);

	if (!keep(r, req))
		return false;
	d->error = -EXDEV;
	d->rep_len = 12;
	d->rep_data = 34;
	d->mark = req->head.unique;
	memset(rogue_slot(r, req->tag) + r->geo.rep_off, 0x5a, r->geo.rep_size);
	return true;
}

static bool find_answer(struct rogue *r, const struct request *req)
{
	const struct ferry_desc *d = rogue_desc(r, req->tag);
	const char *reply = rogue_slot(r, req->tag) + r->geo.rep_off;

	compare(r, req);
	if (req->head.opcode != kept || !(d->flags & FERRY_DESC_AGAIN))
		return false;
	CHECK_EQ(d->error, -EXDEV);
	CHECK_EQ(d->rep_len, 12);
	CHECK_EQ(d->rep_data, 34);
	CHECK_EQ(d->done, 0);
	CHECK_EQ(d->mark, req->head.unique);
	CHECK(reply[0] == 0x5a && reply[r->geo.rep_size - 1] == 0x5a);
	return false;
}

static void as_left(enum style style)
{
	static const struct wait w = { FUSE_STATFS, op_statfs, "statfs" };

	follow(style, &w, half_answer, find_answer);
}

/* Another name each time: what many clients ask for at once. */
static void start_all(pid_t *pids, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		pids[i] = rogue_client(op_statfs);
}

static void all_end_well(const pid_t *pids, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		rogue_unharmed(pids[i]);
}

static void never_fetched(enum style style)
{
	struct rogue r = rogue_start_as(reissuing(style), style, NULL);
	pid_t pids[6];

	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	DO(kill(r.pid, SIGSTOP));
	usleep(100000);
	start_all(pids, 3);
	still_waits(pids[0]);
	rogue_kill(&r);
	start_all(pids + 3, 3);
	still_waits(pids[3]);
	/* Nothing is known of what was had: none may come AGAIN. */
	rogue_next(&r, compare);
	all_end_well(pids, COUNT(pids));
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

static void more_than_slots(enum style style)
{
	pid_t pids[24];
	struct rogue r;

	kept = FUSE_STATFS;
	r = rogue_start_as(reissuing(style), style, keep);
	start_all(pids, 16);
	rogue_await(&r, 8);
	rogue_kill(&r);
	start_all(pids + 16, 8);
	still_waits(pids[0]);
	rogue_next(&r, compare);
	all_end_well(pids, COUNT(pids));
	all_came(&r);
	rogue_end(&r);
}

/* Answers by `done`, when its client sleeps, and says nothing to the kernel. */
static bool answer_unsaid(struct rogue *r, const struct request *req)
{
	volatile struct ferry_desc *d = rogue_desc(r, req->tag);

	if (req->head.opcode != FUSE_STATFS)
		return false;
	while (!d->wait)
		;
	r->no_kick = true;
	rogue_be_honest(r, req);
	CHECK_EQ(d->done, 1);
	_exit(0);
}

static void done_counts(void)
{
	struct rogue r = rogue_start_as(reissuing(POLL), POLL, answer_unsaid);
	unsigned int i;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		pid = rogue_client(op_statfs);
		/* Nobody else is there to answer. */
		rogue_unharmed(pid);
		DO(waitpid(r.pid, NULL, 0));
		kept = FUSE_STATFS;
		rogue_next(&r, i < 4 ? answer_unsaid : compare);
	}
	CHECK_EQ(rogue_try(op_statfs, 5), 0);
	rogue_end(&r);
}

/* At READLINK: leaves SPINNING in the box, waits for a tag there, and does not take it. */
static bool leave_in_box(struct rogue *r, const struct request *req)
{
	volatile struct ferry_box *box = rogue_box(r);

	if (req->head.opcode != FUSE_READLINK)
		return false;
	note(r, req->tag);
	box->cpu = ~0U;
	__atomic_store_n(&rogue_box(r)->box, FERRY_BOX_SPINNING, __ATOMIC_SEQ_CST);
	(*r->told)++;
	while (box->box == FERRY_BOX_SPINNING)
		;
	note(r, box->box);
	(*r->told)++;
	for (;;)
		pause();
}

static bool check_box(struct rogue *r, const struct request *req)
{
	/* The box was emptied for us. */
	CHECK(rogue_box(r)->box == FERRY_BOX_NONE);
	return compare(r, req);
}

static void left_in_box(void)
{
	struct rogue r = rogue_start_as(reissuing(POLL), POLL, leave_in_box);
	pid_t pids[2];

	pids[0] = rogue_client(op_readlink);
	rogue_await(&r, 1);
	pids[1] = rogue_client(op_statfs);
	rogue_await(&r, 2);
	still_waits(pids[1]);
	rogue_kill(&r);
	still_waits(pids[1]);
	rogue_next(&r, check_box);
	all_end_well(pids, COUNT(pids));
	all_came(&r);
	rogue_end(&r);
}

/* Dies of each request that it is made to keep. */
static bool die_of_it(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != kept)
		return false;
	(*r->told)++;
	_exit(0);
}

static void deadly(enum style style)
{
	struct rogue r;
	pid_t pid;
	int i;

	kept = FUSE_STATFS;
	r = rogue_start_as(reissuing(style), style, die_of_it);
	pid = rogue_client(op_statfs);
	for (i = 1; i < 16; i++) {
		DO(waitpid(r.pid, NULL, 0));
		CHECK_EQ(*r.told, i);
		CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
		rogue_next(&r, die_of_it);
	}
	DO(waitpid(r.pid, NULL, 0));
	CHECK_EQ(WEXITSTATUS(rogue_status(pid, 5, "statfs")), EIO);
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_statfs, 5), 0);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

/* --- many deaths ---------------------------------------------------------------------- */

static int op_work(void)
{
	char *buf = xmalloc(FILE_SIZE), target[16];
	struct statfs sf;
	struct stat st;
	int fd;

	while (access("stop", F_OK)) {
		DO(stat("mnt/file", &st));
		CHECK_EQ(st.st_size, FILE_SIZE);
		DO(statfs("mnt", &sf));
		CHECK_EQ(sf.f_namelen, 255);
		CHECK_EQ(DO(readlink("mnt/link", target, sizeof(target))), 6);
		fd = DO(open("mnt/file", O_RDWR | O_DIRECT));
		CHECK_EQ(DO(pread(fd, buf, FILE_SIZE, 0)), FILE_SIZE);
		CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 1), -1);
		CHECK_EQ(DO(pwrite(fd, buf, FILE_SIZE, 0)), FILE_SIZE);
		DO(close(fd));
		CHECK_EQ(op_list(), 0);
	}
	return 0;
}

/* fill_pattern(..., 1) is what the file holds. */
static bool check_data(struct rogue *r, const struct request *req)
{
	const struct fuse_write_in *in = (const void *)req->arg;

	if (req->head.opcode == FUSE_WRITE) {
		CHECK(rogue_desc(r, req->tag)->flags & FERRY_DESC_IN_SLOT);
		CHECK_EQ(find_difference(rogue_slot(r, req->tag) + r->geo.data_off, in->size,
					 in->offset, 1), -1);
	}
	return false;
}

static void many_deaths(enum style style)
{
	struct rogue r = rogue_start_as(reissuing(style), style, check_data);
	unsigned int i, rounds = test_scale(300);
	uint64_t seed = test_seed();
	double began = now();
	pid_t pids[4];

	/* INIT is done with then, before which there is nothing to recover. */
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	for (i = 0; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_work);
	for (i = 0; i < rounds; i++) {
		usleep(next_random(&seed) % 20000);
		rogue_kill(&r);
		rogue_next(&r, check_data);
	}
	DO(close(DO(open("stop", O_CREAT | O_WRONLY, 0600))));
	all_end_well(pids, COUNT(pids));
	claim_note("%u deaths in %.1f s, seed %u", rounds, now() - began, test_seed());
	rogue_end(&r);
}

#define IN_SYNC_AND_POLL(fn)						\
	static void fn##_sync(void) { fn(SYNC); }			\
	static void fn##_poll(void) { fn(POLL); }
#define SYNC_AND_POLL(text, fn)						\
	{ "sync: " text, fn##_sync }, { "poll: " text, fn##_poll }

IN_SYNC_AND_POLL(comes_again)
IN_SYNC_AND_POLL(half_moved)
IN_SYNC_AND_POLL(write_back)
IN_SYNC_AND_POLL(as_left)
IN_SYNC_AND_POLL(never_fetched)
IN_SYNC_AND_POLL(more_than_slots)
IN_SYNC_AND_POLL(deadly)
IN_SYNC_AND_POLL(many_deaths)

static const struct claim claims[] = {
	SYNC_AND_POLL("what a dead server had comes again, once, and its client waits", comes_again),
	SYNC_AND_POLL("data that was half moved is moved anew", half_moved),
	SYNC_AND_POLL("write-back comes again with its data", write_back),
	SYNC_AND_POLL("reply half and mark are as the dead server left them", as_left),
	SYNC_AND_POLL("what was never fetched waits for the next server", never_fetched),
	SYNC_AND_POLL("more requests than slots wait for the next server", more_than_slots),
	{ "poll: an answer that nobody was told of counts", done_counts },
	{ "poll: a request that was left in the box comes again", left_in_box },
	SYNC_AND_POLL("a request that 16 servers die of fails with EIO", deadly),
	SYNC_AND_POLL("300 deaths under load are not noticed", many_deaths),
};
CLAIMS_MAIN(claims)
