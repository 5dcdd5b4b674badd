// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Requests of which nobody knows whether they were done: killed, too late, refused after
 * the deed. The server's answers are good for an hour, and the client asks again all the same.
 */
#include <fcntl.h>
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
		rogue_answer(r, req, &(struct answer){ .structs = &entry,
						       .structs_len = sizeof(entry) });
	else if (req->head.opcode == FUSE_GETATTR && req->head.nodeid == NEW_NODE)
		rogue_answer(r, req, &(struct answer){ .structs = &attr,
						       .structs_len = sizeof(attr) });
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
		rogue_dies(pid, 2);
		CHECK_EQ(rogue_try(op_readlink, 5), 0);
		expect(!deeds[i].there, deeds[i].what);
		rogue_end(&r);
	}
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
	{ "an error about a mount point's name takes nothing away that is mounted there",
	  mounts_stay },
};
CLAIMS_MAIN(claims)
