// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What the kernel has sent for somebody, or for nobody, is not answered: no process waits
 * for that in a place where it cannot be killed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rogue.h"

#define HOUR	3600

/**
 * struct plan - what claim and server tell each other; in rogue.page
 * @opcode: of the request to be kept until a READLINK comes; then 0
 * @kept: it is
 * @forgot: FORGETs of "file" that have come
 */
struct plan {
	volatile uint32_t opcode;
	volatile bool kept;
	volatile int forgot;
};

static struct plan *plan;

/* "file" is one for write-back, and has no name any more after UNLINK. */
static bool tell_file(struct rogue *r, const struct request *req)
{
	static bool unlinked;
	struct fuse_init_out init = {
		.major = 7, .minor = 38, .max_readahead = 65536, .max_write = 65536, .time_gran = 1,
		.flags = FUSE_WRITEBACK_CACHE | FUSE_ASYNC_READ,
	};
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);
	struct fuse_attr_out attr = { .attr_valid = HOUR, .attr = entry.attr };
	struct fuse_open_out open = { .open_flags = FOPEN_KEEP_CACHE };

	entry.entry_valid = entry.attr_valid = HOUR;
	attr.attr.nlink = !unlinked;
	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_answer(r, req, &(struct answer){ .structs = &init,
						       .structs_len = sizeof(init) });
		return true;
	case FUSE_LOOKUP:
		if (strcmp(req->arg, "file") || unlinked)
			return false;
		rogue_answer(r, req, &(struct answer){ .structs = &entry,
						       .structs_len = sizeof(entry) });
		return true;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		if (req->head.nodeid != FILE_NODE)
			return false;
		rogue_answer(r, req, &(struct answer){ .structs = &attr,
						       .structs_len = sizeof(attr) });
		return true;
	case FUSE_OPEN:
		rogue_answer(r, req, &(struct answer){ .structs = &open,
						       .structs_len = sizeof(open) });
		return true;
	case FUSE_UNLINK:
		unlinked = true;
		return false;
	}
	return false;
}

static bool keep_one(struct rogue *r, const struct request *req)
{
	static struct request kept;
	static char arg[256];

	plan = r->page;
	if (req->head.opcode == FUSE_FORGET)
		plan->forgot += req->head.nodeid == FILE_NODE;
	if (plan->opcode && req->head.opcode == plan->opcode) {
		CHECK(req->arg_len <= sizeof(arg));
		kept = *req;
		kept.arg = memcpy(arg, req->arg, req->arg_len);
		plan->opcode = 0;
		plan->kept = true;
		return true;
	}
	if (req->head.opcode == FUSE_READLINK && plan->kept) {
		plan->kept = false;
		if (!tell_file(r, &kept))
			rogue_be_honest(r, &kept);
	}
	/* Only what is kept counts as a lie. */
	if (!tell_file(r, req))
		return false;
	(*r->told)--;
	return true;
}

static struct rogue start(uint32_t opcode)
{
	struct rogue r = rogue_start(SYNC, keep_one);

	plan = r.page;
	plan->opcode = opcode;
	return r;
}

/* The request that was kept is answered now; @unlinked: nothing of the file is left then. */
static void let_go(bool unlinked)
{
	int i;

	CHECK(plan->kept);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	for (i = 0; unlinked && !plan->forgot && i < 200; i++)
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
	CHECK_EQ(plan->forgot, unlinked);
}

/* --- the last close of a file without a name -------------------------------------------------- */

static int open_unlinked(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	DO(unlink("mnt/file"));
	return fd;
}

static int op_write_unlinked(void)
{
	int fd = open_unlinked();

	pwrite_all(fd, "x", 1, 0);
	return fsync(fd);
}

static int op_read_unlinked(void)
{
	char c;

	return read(open_unlinked(), &c, 1);
}

static void close_unlinked(uint32_t opcode, int (*op)(void))
{
	struct rogue r = start(opcode);
	pid_t pid = rogue_client(op);

	rogue_await(&r, 1);
	rogue_dies(pid, 10);
	let_go(true);
	rogue_end(&r);
}

static void close_before_write(void)
{
	close_unlinked(FUSE_WRITE, op_write_unlinked);
}

static void close_before_read(void)
{
	close_unlinked(FUSE_READ, op_read_unlinked);
}

static int op_write_and_close(void)
{
	int fd = DO(open("mnt/file", O_RDWR));

	pwrite_all(fd, "x", 1, 0);
	return close(fd);
}

static void unlink_before_write(void)
{
	struct rogue r = start(FUSE_WRITE);
	pid_t pid = rogue_client(op_write_and_close);

	rogue_await(&r, 1);
	rogue_dies(pid, 10);
	CHECK_EQ(rogue_try(op_unlink, 10), 0);
	let_go(true);
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "the last close of an unlinked file does not wait for its WRITE", close_before_write },
	{ "the last close of an unlinked file does not wait for its read-ahead", close_before_read },
	{ "unlink does not wait for a WRITE of a file that nobody has open", unlink_before_write },
};
CLAIMS_MAIN(claims)
