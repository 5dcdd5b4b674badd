// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Requests of which nobody knows whether they were done: killed, too late, refused after
 * the deed. The server's answers are good for an hour, and the client asks again all the same.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rogue.h"

#define HOUR	3600

/* --- names: of "new" the server knows whether it is there, and what it is ---------------- */

static bool there;
static mode_t kind;

static struct fuse_entry_out entry_of_new(void)
{
	struct fuse_entry_out out = rogue_entry(there ? NEW_NODE : 0);

	out.entry_valid = HOUR;
	out.attr.mode = kind;
	return out;
}

/* What is told of "new", and of the node that it names. */
static bool tell_new(struct rogue *r, const struct request *req)
{
	struct fuse_entry_out entry = entry_of_new();
	struct fuse_attr_out attr = { .attr = entry.attr };

	if (req->head.opcode == FUSE_LOOKUP && !strcmp(req->arg, "new"))
		rogue_reply(r, req, &entry, sizeof(entry));
	else if (req->head.opcode == FUSE_GETATTR && req->head.nodeid == NEW_NODE)
		rogue_reply(r, req, &attr, sizeof(attr));
	else
		return false;
	return true;
}

static bool is_deed(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
		return true;
	}
	return false;
}

/* Does it, and says that it took too long. */
static bool do_and_refuse(struct rogue *r, const struct request *req)
{
	if (is_deed(req->head.opcode)) {
		there = !there;
		rogue_answer(r, req, &(struct answer){ .error = -ETIMEDOUT });
		return true;
	}
	return tell_new(r, req);
}

static size_t reply_len(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
		return 0;
	case FUSE_CREATE:
		return sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
	}
	return sizeof(struct fuse_entry_out);
}

/* Does it when a READLINK comes; who asked for it has been killed by then. */
static bool do_late(struct rogue *r, const struct request *req)
{
	static struct request kept;
	struct { struct fuse_entry_out entry; struct fuse_open_out open; } out = { 0 };

	if (is_deed(req->head.opcode)) {
		kept = *req;
		return true;
	}
	if (req->head.opcode == FUSE_READLINK && kept.head.opcode) {
		there = !there;
		out.entry = entry_of_new();
		CHECK_EQ(rogue_answer(r, &kept, &(struct answer){
			.structs = &out, .structs_len = reply_len(kept.head.opcode) }), 0);
		kept.head.opcode = 0;
	}
	/* Only deeds count as lies. */
	if (!tell_new(r, req))
		return false;
	(*r->told)--;
	return true;
}

static int op_make_dir(void)
{
	return mkdir("mnt/new", 0755);
}

static int op_make_fifo(void)
{
	return mkfifo("mnt/new", 0644);
}

static int op_make_symlink(void)
{
	return symlink("target", "mnt/new");
}

static int op_make_link(void)
{
	return link("mnt/file", "mnt/new");
}

static int op_make_file(void)
{
	return open("mnt/new", O_CREAT | O_RDWR, 0644) < 0 ? -1 : 0;
}

static int op_remove(void)
{
	return unlink("mnt/new");
}

static int op_remove_dir(void)
{
	return rmdir("mnt/new");
}

static int op_move_away(void)
{
	return rename("mnt/new", "mnt/newer");
}

static const struct {
	int (*op)(void);
	const char *what;
	mode_t kind;
	bool there;
} deeds[] = {
	{ op_make_dir, "mkdir", S_IFDIR | 0755, false },
	{ op_make_fifo, "mknod", S_IFIFO | 0644, false },
	{ op_make_symlink, "symlink", S_IFLNK | 0777, false },
	{ op_make_link, "link", S_IFREG | 0644, false },
	{ op_make_file, "create", S_IFREG | 0644, false },
	{ op_remove, "unlink", S_IFREG | 0644, true },
	{ op_remove_dir, "rmdir", S_IFDIR | 0755, true },
	{ op_move_away, "rename", S_IFREG | 0644, true },
};

static void expect(bool is, const char *what)
{
	struct stat st;

	if ((lstat("mnt/new", &st) == 0) != is)
		claim_fail(__FILE__, __LINE__, "%s: the name %s", what,
			   is ? "is not seen" : "is seen still");
}

static void refused_after_the_deed(void)
{
	size_t i;

	for (i = 0; i < COUNT(deeds); i++) {
		struct rogue r;

		there = deeds[i].there;
		kind = deeds[i].kind;
		r = rogue_start(SYNC, do_and_refuse);
		expect(deeds[i].there, deeds[i].what);
		CHECK_EQ(rogue_try(deeds[i].op, 5), ETIMEDOUT);
		expect(!deeds[i].there, deeds[i].what);
		rogue_end(&r);
	}
}

static void killed_before_the_deed(void)
{
	size_t i;

	for (i = 0; i < COUNT(deeds); i++) {
		struct rogue r;
		pid_t pid;

		there = deeds[i].there;
		kind = deeds[i].kind;
		r = rogue_start(SYNC, do_late);
		expect(deeds[i].there, deeds[i].what);
		pid = rogue_client(deeds[i].op);
		rogue_await(&r, 1);
		rogue_dies(pid);
		/* What the server says meanwhile holds for an hour, says the server. */
		expect(deeds[i].there, deeds[i].what);
		CHECK_EQ(rogue_try(op_readlink, 5), 0);
		expect(!deeds[i].there, deeds[i].what);
		rogue_end(&r);
	}
}

/* --- sizes: the kernel caches writes, and a size is its own to know -------------------------- */

/**
 * struct notes - what claim and server tell each other; in rogue.page
 * @at_once: what is kept is to be done as soon as a GETATTR of "file" has been answered
 * @looked_up: how often "file" was
 * @asked: how often its attributes were asked for
 */
struct notes {
	volatile bool at_once;
	volatile int looked_up;
	volatile int asked;
};

static off_t size = FILE_SIZE;
static unsigned int links = 1;
static bool emptied;
static bool no_writeback;

static struct fuse_attr attr_of_file(void)
{
	struct fuse_attr attr = rogue_attr(FILE_NODE);

	attr.size = size;
	attr.nlink = links;
	return attr;
}

static int answer_attr(struct rogue *r, const struct request *req)
{
	struct fuse_attr_out out = { .attr_valid = HOUR, .attr = attr_of_file() };

	return rogue_reply(r, req, &out, sizeof(out));
}

/* "file" has a size that changes, and zeroes in place of a hole. */
static bool tell_file(struct rogue *r, const struct request *req)
{
	struct fuse_init_out init = rogue_init(no_writeback ? 0 : FUSE_WRITEBACK_CACHE);
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .entry_valid = HOUR,
					.attr_valid = HOUR, .attr = attr_of_file() };
	struct fuse_open_out open = { .open_flags = FOPEN_KEEP_CACHE };
	static const char zeroes[65536];

	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_reply(r, req, &init, sizeof(init));
		return true;
	case FUSE_LOOKUP:
		if (strcmp(req->arg, "file"))
			return false;
		((struct notes *)r->page)->looked_up++;
		rogue_reply(r, req, &entry, sizeof(entry));
		return true;
	case FUSE_GETATTR:
		if (req->head.nodeid != FILE_NODE)
			return false;
		((struct notes *)r->page)->asked++;
		answer_attr(r, req);
		return true;
	case FUSE_OPEN:
		rogue_reply(r, req, &open, sizeof(open));
		return true;
	case FUSE_READ:
		if (!emptied)
			return false;
		rogue_answer(r, req, &(struct answer){ .data = zeroes, .data_len = req->room });
		return true;
	}
	return false;
}

/* A new size, or a hole, as asked for; false: it was something else. */
static bool change_file(const struct request *req)
{
	const struct fuse_setattr_in *set = (const void *)req->arg;
	const struct fuse_fallocate_in *fallocate = (const void *)req->arg;

	if (req->head.opcode == FUSE_SETATTR && set->valid & FATTR_SIZE)
		size = set->size;
	else if (req->head.opcode == FUSE_FALLOCATE && fallocate->mode & FALLOC_FL_PUNCH_HOLE)
		emptied = true;
	else if (req->head.opcode == FUSE_FALLOCATE)
		size = fallocate->offset + fallocate->length;
	else
		return false;
	return true;
}

static bool change_and_refuse(struct rogue *r, const struct request *req)
{
	if (!change_file(req))
		return tell_file(r, req);
	rogue_answer(r, req, &(struct answer){ .error = -ETIMEDOUT });
	return true;
}

static bool is_kept(const struct request *req)
{
	return req->head.opcode == FUSE_WRITE || req->head.opcode == FUSE_UNLINK ||
	       (req->head.opcode == FUSE_SETATTR &&
		((const struct fuse_setattr_in *)req->arg)->valid & FATTR_SIZE);
}

static void do_kept(struct rogue *r, struct request *kept)
{
	const struct fuse_write_in *write = (const void *)kept->arg;
	struct fuse_write_out written = { .size = write->size };
	struct answer answer = { 0 };

	switch (kept->head.opcode) {
	case FUSE_SETATTR:
		CHECK(change_file(kept));
		CHECK_EQ(answer_attr(r, kept), 0);
		break;
	case FUSE_WRITE:
		size = write->offset + write->size;
		answer.structs = &written;
		answer.structs_len = sizeof(written);
		CHECK_EQ(rogue_answer(r, kept, &answer), 0);
		break;
	case FUSE_UNLINK:
		links = 0;
		CHECK_EQ(rogue_answer(r, kept, &answer), 0);
		break;
	}
	kept->head.opcode = 0;
}

/* Does it when a READLINK comes, or before who has asked for attributes may look at them. */
static bool change_late(struct rogue *r, const struct request *req)
{
	struct sched_param param = { .sched_priority = 1 };
	struct notes *notes = r->page;
	static struct request kept;
	static char arg[256];

	if (is_kept(req)) {
		kept = *req;
		kept.arg = memcpy(arg, req->arg, req->arg_len);
		return true;
	}
	if (req->head.opcode == FUSE_READLINK)
		do_kept(r, &kept);
	if (notes->at_once && req->head.opcode == FUSE_GETATTR && req->head.nodeid == FILE_NODE) {
		DO(sched_setscheduler(0, SCHED_FIFO, &param));
		CHECK_EQ(answer_attr(r, req), 0);
		do_kept(r, &kept);
		notes->at_once = false;
		param.sched_priority = 0;
		DO(sched_setscheduler(0, SCHED_OTHER, &param));
	} else if (!tell_file(r, req)) {
		return false;
	}
	/* Only what is kept counts as a lie. */
	(*r->told)--;
	return true;
}

/* Opens "file", and has all of it in the cache. */
static int open_cached(void)
{
	static char buf[FILE_SIZE];
	int fd = DO(open("mnt/file", O_RDWR));

	CHECK_EQ(pread_all(fd, buf, FILE_SIZE, 0), FILE_SIZE);
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 1), -1);
	return fd;
}

static void size_is(int fd, off_t should)
{
	struct stat st;

	DO(fstat(fd, &st));
	CHECK_EQ(st.st_size, should);
}

static void refused_truncation(void)
{
	struct rogue r = rogue_start(SYNC, change_and_refuse);
	int fd = open_cached();
	char c = 'x';

	CHECK_ERR(ftruncate(fd, 100), ETIMEDOUT);
	/* Whoever is first to need the size: stat, read, write, seek */
	size_is(fd, 100);
	CHECK_ERR(ftruncate(fd, 0), ETIMEDOUT);
	CHECK_EQ(pread(fd, &c, 1, 0), 0);
	CHECK_ERR(ftruncate(fd, 100000), ETIMEDOUT);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 100000);
	CHECK_ERR(ftruncate(fd, 5000), ETIMEDOUT);
	CHECK_EQ(pwrite(fd, &c, 1, 0), 1);
	size_is(fd, 5000);
	CHECK_ERR(fallocate(fd, 0, 0, 20000), ETIMEDOUT);
	size_is(fd, 20000);
	DO(close(fd));
	rogue_end(&r);
}

static int op_empty(void)
{
	return open("mnt/file", O_RDWR | O_TRUNC) < 0 ? -1 : 0;
}

static void killed_truncation(void)
{
	struct rogue r = rogue_start(SYNC, change_late);
	int fd = open_cached();
	pid_t pid = rogue_client(op_empty);
	char c;

	rogue_await(&r, 1);
	rogue_dies(pid);
	size_is(fd, FILE_SIZE);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	size_is(fd, 0);
	CHECK_EQ(pread(fd, &c, 1, 0), 0);
	DO(close(fd));
	rogue_end(&r);
}

/* The client is woken when the file is as it said, and looks at that when it is not any more. */
static void attributes_of_before(void)
{
	cpu_set_t here;
	struct rogue r;
	pid_t pid;
	int fd;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	DO(sched_setaffinity(0, sizeof(here), &here));
	r = rogue_start(SYNC, change_late);
	fd = open_cached();
	pid = rogue_client(op_empty);
	rogue_await(&r, 1);
	rogue_dies(pid);
	((struct notes *)r.page)->at_once = true;
	size_is(fd, FILE_SIZE);
	CHECK(!((struct notes *)r.page)->at_once);
	size_is(fd, 0);
	DO(close(fd));
	rogue_end(&r);
}

static void attributes_through(void)
{
	no_writeback = true;
	attributes_of_before();
}

/* The inode that it was about is gone by then, and a new one is made of what the server says. */
static void attributes_of_new_inode(void)
{
	struct rogue r = rogue_start(SYNC, change_late);
	struct notes *notes = r.page;
	pid_t pid = rogue_client(op_empty);
	struct stat st;
	int i;

	rogue_await(&r, 1);
	rogue_dies(pid);
	for (i = 0; i < 3; i++)
		drop_caches();
	CHECK_EQ(notes->looked_up, 1);
	DO(stat("mnt/file", &st));
	CHECK_EQ(st.st_size, FILE_SIZE);
	CHECK_EQ(notes->looked_up, 2);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	DO(stat("mnt/file", &st));
	CHECK_EQ(st.st_size, 0);
	rogue_end(&r);
}

static void new_inode_through(void)
{
	no_writeback = true;
	attributes_of_new_inode();
}

static int op_grow_direct(void)
{
	int fd = DO(open("mnt/file", O_WRONLY | O_DIRECT));

	return pwrite(fd, xmalloc(4096), 4096, FILE_SIZE) == 4096 ? 0 : -1;
}

static void killed_growth(void)
{
	struct rogue r = rogue_start(SYNC, change_late);
	int fd = open_cached();
	pid_t pid = rogue_client(op_grow_direct);

	rogue_await(&r, 1);
	rogue_dies(pid);
	size_is(fd, FILE_SIZE);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	size_is(fd, FILE_SIZE + 4096);
	DO(close(fd));
	rogue_end(&r);
}

/* It names the directory. */
static void killed_unlink(void)
{
	struct rogue r = rogue_start(SYNC, change_late);
	int fd = open_cached();
	pid_t pid = rogue_client(op_unlink);
	struct stat st;

	rogue_await(&r, 1);
	rogue_dies(pid);
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	DO(close(fd));
	rogue_end(&r);
}

/* The first one, until a READLINK comes. */
static bool keep_read(struct rogue *r, const struct request *req)
{
	static struct request kept;
	static char arg[256];

	if (req->head.opcode == FUSE_READ && !kept.head.opcode) {
		kept = *req;
		kept.arg = memcpy(arg, req->arg, req->arg_len);
		return true;
	}
	if (req->head.opcode == FUSE_READLINK)
		rogue_be_honest(r, &kept);
	if (!tell_file(r, req))
		return false;
	(*r->told)--;
	return true;
}

/* A read changes nothing: what is known stays known, of this file and of all others. */
static void killed_read(void)
{
	struct rogue r = rogue_start(SYNC, keep_read);
	struct notes *notes = r.page;
	int fd = DO(open("mnt/file", O_RDONLY)), i;
	pid_t pid = rogue_client(op_read_direct);

	rogue_await(&r, 1);
	rogue_dies(pid);
	for (i = 0; i < 3; i++)
		size_is(fd, FILE_SIZE);
	CHECK(notes->asked <= 1);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	DO(close(fd));
	rogue_end(&r);
}

static void refused_hole(void)
{
	struct rogue r = rogue_start(SYNC, change_and_refuse);
	int fd = open_cached();
	char c = 'x';

	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, FILE_SIZE), ETIMEDOUT);
	CHECK_EQ(pread(fd, &c, 1, 10), 1);
	CHECK_EQ(c, 0);
	DO(close(fd));
	rogue_end(&r);
}

/* The first time that it is told times it says that it took too long; the page counts. */
static bool refuse_times(struct rogue *r, const struct request *req)
{
	volatile int *nr = r->page;

	if (req->head.opcode != FUSE_SETATTR)
		return tell_file(r, req);
	if ((*nr)++)
		return false;
	rogue_answer(r, req, &(struct answer){ .error = -ETIMEDOUT });
	return true;
}

static void refused_times(void)
{
	struct rogue r = rogue_start(SYNC, refuse_times);
	int fd = open_cached();

	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_ERR(fsync(fd), ETIMEDOUT);
	DO(fsync(fd));
	CHECK(*(volatile int *)r.page >= 2);
	DO(close(fd));
	rogue_end(&r);
}

/* --- appending: others do too, and a reader has the attributes changed meanwhile ------------ */

/* Keeps the answer about an open file's size until the next READLINK. */
static bool grow_meanwhile(struct rogue *r, const struct request *req)
{
	static struct request kept;
	struct fuse_attr_out out = { .attr_valid = HOUR, .attr = attr_of_file() };

	switch (req->head.opcode) {
	case FUSE_GETATTR:
		if (!(((const struct fuse_getattr_in *)req->arg)->getattr_flags & FUSE_GETATTR_FH))
			return false;
		if (size == FILE_SIZE) {
			size += 100;
			kept = *req;
			return true;
		}
		rogue_reply(r, req, &out, sizeof(out));
		return true;
	case FUSE_READ:
		/* Shorter than the file is known to be */
		rogue_answer(r, req, &(struct answer){ 0 });
		return true;
	case FUSE_READLINK:
		rogue_reply(r, &kept, &out, sizeof(out));
		return false;
	case FUSE_WRITE:
		CHECK_EQ(((const struct fuse_write_in *)req->arg)->offset, FILE_SIZE + 100);
		return false;
	}
	return false;
}

static int op_append(void)
{
	int fd = open("mnt/file", O_WRONLY | O_APPEND);

	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : 0;
}

static void appends_at_the_end(void)
{
	struct rogue r = rogue_start(SYNC, grow_meanwhile);
	int fd = DO(open("mnt/file", O_RDONLY | O_DIRECT));
	char *buf = xmalloc(4096);
	pid_t pid = rogue_client(op_append);

	rogue_await(&r, 1);
	CHECK_EQ(pread(fd, buf, 4096, 0), 0);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	wait_ok(pid);
	DO(close(fd));
	rogue_end(&r);
}

/* --- what is mounted below ------------------------------------------------------------------ */

/* Told by the client when: how the name of the directory is answered. */
static bool refuse_dir(struct rogue *r, const struct request *req)
{
	int err = *(volatile int *)r->page;

	if (!err || req->head.opcode != FUSE_LOOKUP || strcmp(req->arg, "dir"))
		return false;
	rogue_answer(r, req, &(struct answer){ .error = -err });
	return true;
}

static void mounts_stay(void)
{
	static const int errors[] = { ETIMEDOUT, EIO, ENOTCONN };
	struct rogue r = rogue_start(SYNC, refuse_dir);
	size_t i;

	DO(mount("below", "mnt/dir", "tmpfs", 0, NULL));
	DO(mkdir("mnt/dir/inside", 0755));
	for (i = 0; i < COUNT(errors); i++) {
		*(volatile int *)r.page = errors[i];
		CHECK_ERR(mkdir("mnt/dir", 0755), errors[i]);
		*(volatile int *)r.page = 0;
		DO(access("mnt/dir/inside", F_OK));
	}
	DO(umount("mnt/dir"));
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "what failed after it was done is seen: names come and go", refused_after_the_deed },
	{ "what is done for a killed caller is seen: names come and go", killed_before_the_deed },
	{ "write-back: sizes that failed after they were set are seen", refused_truncation },
	{ "write-back: a size that is set for a killed caller is seen", killed_truncation },
	{ "write-back: a size from before it is set for a killed caller is not believed",
	  attributes_of_before },
	{ "attributes from before what is done for a killed caller are not believed",
	  attributes_through },
	{ "write-back: nor are those of a new inode", attributes_of_new_inode },
	{ "nor are those of a new inode", new_inode_through },
	{ "write-back: that a direct write made a file longer for a killed caller is seen",
	  killed_growth },
	{ "that a file lost its name for a killed caller is seen in its attributes",
	  killed_unlink },
	{ "a read of a killed caller leaves attributes believed", killed_read },
	{ "write-back: a hole that failed after it was made is seen", refused_hole },
	{ "write-back: times that failed to be written are written the next time", refused_times },
	{ "what others appended is not written over, though attributes change meanwhile",
	  appends_at_the_end },
	{ "an error about a mount point's name takes nothing away that is mounted there",
	  mounts_stay },
};
CLAIMS_MAIN(claims)
