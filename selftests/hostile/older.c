// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Answers that are older than what is known when they come, and files that change at the
 * server. Nobody lies here: one request is done at once, and answered when a READLINK comes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "rogue.h"

#define HOUR	3600

/** struct content - what the server's file holds: a pattern */
struct content {
	off_t size;
	unsigned int seed;
	unsigned int mtime;
};

/**
 * struct plan - what claim and server tell each other; in rogue.page
 * @file: as it is now
 * @opcode: of the request whose answer is kept; then 0
 * @kept: it is
 * @asked: how often attributes were
 * @forgot: FORGETs of it that have come
 * @end: where the last WRITE ended
 * @deed: the last WRITE or SETATTR
 * @ready: the client is about to do what it will wait for
 */
struct plan {
	volatile struct content file;
	volatile uint32_t opcode;
	volatile bool kept;
	volatile int asked;
	volatile int forgot;
	volatile off_t end;
	volatile uint32_t deed;
	volatile bool ready;
};

static struct plan *plan;
static uint32_t init_flags;
static uint32_t open_flags = FOPEN_KEEP_CACHE;
static unsigned int attr_valid = HOUR;
/* Bytes that are read, whatever the size is */
static ssize_t generated = -1;

static struct fuse_attr attr_of(const struct content *file)
{
	struct fuse_attr attr = rogue_attr(FILE_NODE);

	attr.size = file->size;
	attr.mtime = file->mtime;
	return attr;
}

static void answer_read(struct rogue *r, const struct request *req, const struct content *file)
{
	const struct fuse_read_in *in = (const void *)req->arg;
	off_t size = generated >= 0 ? generated : file->size, len = size - (off_t)in->offset;
	static char data[65536];

	if (len > (off_t)in->size)
		len = in->size;
	if (len < 0)
		len = 0;
	fill_pattern(data, len, in->offset, file->seed);
	rogue_answer(r, req, &(struct answer){ .data = data, .data_len = len });
}

/* "file" and "same" are one. */
static bool is_file(const struct request *req)
{
	if (req->head.opcode == FUSE_LOOKUP)
		return !strcmp(req->arg, "file") || !strcmp(req->arg, "same");
	return req->head.nodeid == FILE_NODE;
}

/* Answers as it was when it held @file; false: honest is good enough. */
static bool answer(struct rogue *r, const struct request *req, const struct content *file)
{
	struct fuse_init_out init = rogue_init(init_flags);
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .entry_valid = HOUR,
					.attr_valid = attr_valid, .attr = attr_of(file) };
	struct fuse_attr_out attr = { .attr_valid = attr_valid, .attr = entry.attr };
	struct fuse_open_out open = { .open_flags = open_flags };

	if (req->head.opcode == FUSE_INIT)
		rogue_reply(r, req, &init, sizeof(init));
	else if (!is_file(req))
		return false;
	else if (req->head.opcode == FUSE_LOOKUP)
		rogue_reply(r, req, &entry, sizeof(entry));
	else if (req->head.opcode == FUSE_GETATTR || req->head.opcode == FUSE_SETATTR)
		rogue_reply(r, req, &attr, sizeof(attr));
	else if (req->head.opcode == FUSE_OPEN)
		rogue_reply(r, req, &open, sizeof(open));
	else if (req->head.opcode == FUSE_READ)
		answer_read(r, req, file);
	else
		return false;
	return true;
}

static void note(const struct request *req)
{
	const struct fuse_setattr_in *set = (const void *)req->arg;
	const struct fuse_write_in *write = (const void *)req->arg;

	switch (req->head.opcode) {
	case FUSE_GETATTR:
		plan->asked++;
		break;
	case FUSE_FORGET:
		plan->forgot++;
		break;
	case FUSE_WRITE:
		plan->end = write->offset + write->size;
		if (plan->end > plan->file.size)
			plan->file.size = plan->end;
		plan->deed = FUSE_WRITE;
		break;
	case FUSE_SETATTR:
		if (set->valid & FATTR_MTIME)
			plan->file.mtime = set->mtime;
		plan->deed = FUSE_SETATTR;
		break;
	}
}

static bool keep_one(struct rogue *r, const struct request *req)
{
	static struct content then;
	static struct request kept;
	static char arg[256];
	struct content now_;

	plan = r->page;
	if (is_file(req))
		note(req);
	now_ = plan->file;
	if (is_file(req) && req->head.opcode == plan->opcode) {
		CHECK(req->arg_len <= sizeof(arg));
		then = now_;
		kept = *req;
		kept.arg = memcpy(arg, req->arg, req->arg_len);
		plan->opcode = 0;
		plan->kept = true;
		return true;
	}
	if (req->head.opcode == FUSE_READLINK && plan->kept) {
		plan->kept = false;
		CHECK(answer(r, &kept, &then));
	}
	/* Only what is kept counts as a lie. */
	if (!answer(r, req, &now_))
		return false;
	(*r->told)--;
	return true;
}

static struct rogue start(off_t size)
{
	struct rogue r = rogue_start(SYNC, keep_one);

	plan = r.page;
	plan->file.size = size;
	plan->file.seed = 1;
	plan->file.mtime = 1000;
	return r;
}

static void let_go(void)
{
	CHECK(plan->kept);
	CHECK_EQ(rogue_try(op_readlink, 10), 0);
}

/* What the server says now, taken over. */
static off_t size_asked(void)
{
	struct statx st;

	DO(statx(AT_FDCWD, "mnt/file", AT_STATX_FORCE_SYNC, STATX_SIZE, &st));
	return st.stx_size;
}

static off_t size_known(void)
{
	struct statx st;

	DO(statx(AT_FDCWD, "mnt/file", AT_STATX_DONT_SYNC, STATX_SIZE, &st));
	return st.stx_size;
}

/* The file, shared */
static char *map_file(size_t len)
{
	int fd = DO(open("mnt/file", O_RDWR));
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	DO(close(fd));
	return p;
}

/* --- sizes ------------------------------------------------------------------------------------ */

static int op_size_is_8192(void)
{
	return size_asked() == 8192 ? 0 : -1;
}

static void older_size(void)
{
	struct rogue r = start(4096);
	pid_t pid;

	CHECK_EQ(size_asked(), 4096);
	plan->opcode = FUSE_GETATTR;
	pid = rogue_client(op_size_is_8192);
	rogue_await(&r, 1);
	plan->file.size = 8192;
	CHECK_EQ(size_asked(), 8192);
	let_go();
	rogue_unharmed(pid);
	CHECK_EQ(size_known(), 8192);
	rogue_end(&r);
}

static int op_chmod(void)
{
	return chmod("mnt/file", 0600);
}

/* What is stored behind the size that the answer to chmod() tells stays. */
static void older_change(void)
{
	struct rogue r = start(4096);
	char *p = map_file(8192);
	pid_t pid;

	plan->opcode = FUSE_SETATTR;
	pid = rogue_client(op_chmod);
	rogue_await(&r, 1);
	plan->file.size = 8192;
	CHECK_EQ(size_asked(), 8192);
	p[4096] = 'x';
	let_go();
	rogue_unharmed(pid);
	CHECK_EQ(size_known(), 8192);
	CHECK_EQ(p[4096], 'x');
	DO(msync(p, 8192, MS_SYNC));
	CHECK_EQ(plan->end, 8192);
	DO(munmap(p, 8192));
	rogue_end(&r);
}

/* The time that a WRITE has given it is asked for, whatever the answer to chmod() tells. */
static void change_beside_write(void)
{
	struct rogue r = start(4096);
	char *p = map_file(4096);
	pid_t pid;

	p[0] = 'x';
	plan->opcode = FUSE_SETATTR;
	pid = rogue_client(op_chmod);
	rogue_await(&r, 1);
	plan->file.mtime = 2000;
	DO(msync(p, 4096, MS_SYNC));
	CHECK_EQ(plan->deed, FUSE_WRITE);
	let_go();
	rogue_unharmed(pid);
	CHECK_EQ(stat_of("mnt/file").st_mtime, 2000);
	DO(munmap(p, 4096));
	rogue_end(&r);
}

static int op_stat_now(void)
{
	struct stat st;

	return stat("mnt/file", &st) || st.st_size != 200 ||
	       st.st_mtime != (time_t)plan->file.mtime;
}

static void before_eviction(void)
{
	struct rogue r = start(100);
	double end = now() + patience(20);
	pid_t pid;
	int fd;

	plan->opcode = FUSE_LOOKUP;
	pid = rogue_client(op_stat_now);
	rogue_await(&r, 1);
	fd = DO(open("mnt/same", O_WRONLY | O_APPEND));
	write_all(fd, xmalloc(100), 100);
	DO(close(fd));
	CHECK_EQ(plan->file.size, 200);
	while (!plan->forgot && now() < end) {
		drop_caches();
		CHECK_EQ(rogue_try(op_statfs, 10), 0);
	}
	CHECK_EQ(plan->forgot, 1);
	let_go();
	rogue_unharmed(pid);
	rogue_end(&r);
}

static void before_eviction_back(void)
{
	init_flags = FUSE_WRITEBACK_CACHE;
	before_eviction();
}

/* --- data ------------------------------------------------------------------------------------- */

static int op_read_to_end(void)
{
	int fd = DO(open("mnt/file", O_RDONLY | O_DIRECT));

	CHECK_EQ(pread(fd, xmalloc(16384), 16384, 0), FILE_SIZE);
	return 0;
}

static void appended_beside(void)
{
	struct rogue r;
	pid_t pid;
	int fd;

	init_flags = FUSE_WRITEBACK_CACHE;
	r = start(FILE_SIZE);
	fd = DO(open("mnt/file", O_WRONLY | O_APPEND));
	plan->opcode = FUSE_READ;
	pid = rogue_client(op_read_to_end);
	rogue_await(&r, 1);
	write_all(fd, "appended", 8);
	CHECK_EQ(plan->file.size, FILE_SIZE);
	let_go();
	rogue_unharmed(pid);
	DO(close(fd));
	rogue_end(&r);
}

static int op_read_first(void)
{
	char c;

	return pread(DO(open("mnt/file", O_RDONLY)), &c, 1, 0) != 1;
}

static int op_ask_size(void)
{
	plan->ready = true;
	return size_asked() != 4246;
}

/* Of the file's two pages the first is being read, and cannot be dropped. */
static void longer_file(void)
{
	struct rogue r = start(4096 + 100);
	char *buf = xmalloc(4096);
	pid_t reader, asker;
	int fd, n;

	fd = DO(open("mnt/file", O_RDONLY));
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	CHECK_EQ(pread(fd, buf, 4096, 4096), 100);
	plan->opcode = FUSE_READ;
	reader = rogue_client(op_read_first);
	rogue_await(&r, 1);
	plan->file.size += 50;
	asker = rogue_client(op_ask_size);
	rogue_await_waiting(asker, &plan->ready);
	n = pread(fd, buf, 4096, 4096);
	CHECK(n >= 100);
	CHECK_EQ(find_difference(buf, n, 4096, 1), -1);
	let_go();
	rogue_unharmed(reader);
	rogue_unharmed(asker);
	DO(close(fd));
	rogue_end(&r);
}

static void longer_killed(void)
{
	struct rogue r = start(4096 + 100);
	pid_t reader, asker;

	plan->opcode = FUSE_READ;
	reader = rogue_client(op_read_first);
	rogue_await(&r, 1);
	plan->file.size += 50;
	asker = rogue_client(op_ask_size);
	rogue_await_waiting(asker, &plan->ready);
	rogue_dies(asker);
	let_go();
	rogue_unharmed(reader);
	CHECK_EQ(size_asked(), 4246);
	rogue_end(&r);
}

static void longer_mapped(void)
{
	struct rogue r = start(100);
	char *p = map_file(4096);

	p[0] = 'x';
	plan->file.size = 150;
	CHECK_EQ(size_asked(), 150);
	DO(msync(p, 4096, MS_SYNC));
	/* What is behind that it had never read. */
	CHECK_EQ(plan->end, 100);
	DO(munmap(p, 4096));
	rogue_end(&r);
}

static void changed_in_place(void)
{
	char *buf = xmalloc(FILE_SIZE);
	struct rogue r;
	int fd;

	init_flags = FUSE_AUTO_INVAL_DATA;
	attr_valid = 0;
	r = start(FILE_SIZE);
	fd = DO(open("mnt/file", O_RDONLY));
	CHECK_EQ(pread_all(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 1), -1);
	plan->file.seed = 2;
	plan->file.mtime++;
	CHECK_EQ(pread(fd, buf, 100, 4000), 100);
	CHECK_EQ(find_difference(buf, 100, 4000, 2), -1);
	DO(close(fd));
	rogue_end(&r);
}

static void made_when_read(void)
{
	char *buf = xmalloc(8192);
	struct rogue r;
	int fd;

	init_flags = FUSE_WRITEBACK_CACHE;
	open_flags = FOPEN_DIRECT_IO;
	generated = 100;
	r = start(0);
	fd = DO(open("mnt/file", O_RDONLY));
	CHECK_EQ(pread(fd, buf, 4096, 0), 100);
	CHECK_EQ(find_difference(buf, 100, 0, 1), -1);
	DO(close(fd));
	rogue_end(&r);

	r = start(4096);
	fd = DO(open("mnt/file", O_RDONLY));
	CHECK_EQ(pread(fd, buf, 4096, 0), 100);
	DO(close(fd));
	rogue_end(&r);
}

/* --- times ------------------------------------------------------------------------------------ */

/* It may stamp the file at each WRITE; most of these come within one tick of our clock. */
static void times_after_direct(void)
{
	char *buf = xmalloc(4096);
	struct rogue r;
	int fd, i;

	init_flags = FUSE_WRITEBACK_CACHE;
	r = start(FILE_SIZE);
	fd = DO(open("mnt/file", O_WRONLY | O_DIRECT));
	for (i = 0; i < 50; i++) {
		CHECK_EQ(pwrite(fd, buf, 4096, 0), 4096);
		CHECK_EQ(plan->deed, FUSE_WRITE);
		DO(fsync(fd));
		CHECK_EQ(plan->deed, FUSE_SETATTR);
	}
	DO(close(fd));
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "a size from before another one that is known is not believed", older_size },
	{ "a size from before another one that is known is not believed of chmod() either",
	  older_change },
	{ "chmod() beside a write does not tell the time from before that", change_beside_write },
	{ "attributes from before an inode went are not believed of the next", before_eviction },
	{ "write-back: attributes from before an inode went are not believed of the next",
	  before_eviction_back },
	{ "write-back: a direct read beside an append has no byte that was not written",
	  appended_beside },
	{ "who reads while a longer file is heard of sees no byte that was not written",
	  longer_file },
	{ "who hears of a longer file while another reads it can be killed", longer_killed },
	{ "a store to a mapping of a file that became longer takes nothing of that away",
	  longer_mapped },
	{ "auto_inval_data: what is changed in place is seen by who has the file open",
	  changed_in_place },
	{ "write-back: of a file that the server wants uncached its answers are all", made_when_read },
	{ "write-back: times are told after the last direct write", times_after_direct },
};
CLAIMS_MAIN(claims)
