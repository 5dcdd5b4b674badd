// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What a server gives up by a request it might still be using for a caller who has gone, or what
 * it would undo: RELEASE, FORGET and changes of the same come behind the late answer. FORGET also
 * comes behind what nobody waits for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rogue.h"

/**
 * struct seen - what the server tells; in rogue.page
 * @opcode: of the request to be kept, told by the client; then 0
 * @kept: it is
 * @early: RELEASEs, FORGETs and what is @watched that came meanwhile
 * @released, @forgot: how many of each came at all
 */
struct seen {
	volatile uint32_t opcode;
	volatile uint32_t watched;
	volatile bool kept;
	volatile int early;
	volatile int released;
	volatile int forgot;
};

static uint64_t node;

static bool forgets(const struct request *req)
{
	const struct fuse_batch_forget_in *head = (const void *)req->arg;
	const struct fuse_forget_one *one = (const void *)(head + 1);
	uint32_t i;

	if (req->head.opcode == FUSE_FORGET)
		return req->head.nodeid == node;
	for (i = 0; i < head->count; i++)
		if (one[i].nodeid == node)
			return true;
	return false;
}

/* Keeps one request, until a READLINK comes. */
static bool keep_one(struct rogue *r, const struct request *req)
{
	struct seen *seen = r->page;
	static struct request kept;
	static char arg[256];

	if (seen->opcode && req->head.opcode == seen->opcode) {
		CHECK(req->arg_len <= sizeof(arg));
		kept = *req;
		kept.arg = memcpy(arg, req->arg, req->arg_len);
		seen->opcode = 0;
		seen->kept = true;
		return true;
	}
	seen->early += seen->kept && req->head.opcode == seen->watched;
	switch (req->head.opcode) {
	case FUSE_RELEASE:
		seen->released++;
		seen->early += seen->kept;
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		if (!forgets(req))
			break;
		seen->forgot++;
		seen->early += seen->kept;
		break;
	case FUSE_READLINK:
		if (!seen->kept)
			break;
		seen->kept = false;
		rogue_be_honest(r, &kept);
	}
	return false;
}

static int op_link(void)
{
	return link("mnt/file", "mnt/new");
}

static int op_rename(void)
{
	return rename("mnt/file", "mnt/dir/new");
}

static const struct {
	int (*op)(void);
	const char *what;
	uint32_t opcode;
	bool opens;
	uint64_t node;
} requests[] = {
	{ op_read_direct, "direct read", FUSE_READ, true, FILE_NODE },
	{ op_write_direct, "direct write", FUSE_WRITE, true, FILE_NODE },
	{ op_list_dir, "readdir", FUSE_READDIR, false, DIR_NODE },
	{ op_truncate, "truncate", FUSE_SETATTR, false, FILE_NODE },
	{ op_link, "link", FUSE_LINK, false, FILE_NODE },
	{ op_rename, "rename", FUSE_RENAME, false, DIR_NODE },
};

/* Nothing uses its nodes: whatever may be sent of them is, and seen by the server. */
static void look(struct rogue *r, const char *what, bool opens)
{
	struct seen *seen = r->page;
	int i;

	for (i = 0; i < 3; i++) {
		drop_caches();
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
	}
	if (seen->early || seen->released || seen->forgot)
		claim_fail(__FILE__, __LINE__, "%s: %d requests came too early", what, seen->early);
	CHECK(seen->kept);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	CHECK(!seen->kept);
	for (i = 0; i < 100 && (!seen->forgot || (opens && !seen->released)); i++)
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
	if (!seen->forgot || (opens && !seen->released))
		claim_fail(__FILE__, __LINE__, "%s: %d FORGETs, %d RELEASEs after the answer", what,
			   seen->forgot, seen->released);
}

static void killed(enum style style)
{
	size_t i;

	for (i = 0; i < COUNT(requests); i++) {
		struct rogue r;
		struct seen *seen;
		pid_t pid;

		node = requests[i].node;
		r = rogue_start(style, keep_one);
		seen = r.page;
		seen->opcode = requests[i].opcode;
		pid = rogue_client(requests[i].op);
		rogue_await(&r, 1);
		rogue_dies(pid);
		look(&r, requests[i].what, requests[i].opens);
		rogue_end(&r);
	}
}
IN_BOTH_STYLES(killed)

static int op_mkdir_dir(void)
{
	return mkdir("mnt/dir/new", 0700);
}

static const struct {
	struct wait first, then;
} changes[] = {
	{ { FUSE_SETATTR, op_truncate, "truncate" }, { FUSE_WRITE, op_write_direct, "write" } },
	{ { FUSE_WRITE, op_write_direct, "write" }, { FUSE_SETATTR, op_truncate, "truncate" } },
	{ { FUSE_RENAME, op_rename, "rename" }, { FUSE_MKDIR, op_mkdir_dir, "mkdir where it goes" } },
};

static void overtaken(enum style style)
{
	size_t i;

	for (i = 0; i < COUNT(changes); i++) {
		const struct wait *first = &changes[i].first, *then = &changes[i].then;
		struct rogue r = rogue_start(style, keep_one);
		struct seen *seen = r.page;
		pid_t pid;

		seen->opcode = first->opcode;
		pid = rogue_client(first->op);
		rogue_await(&r, 1);
		rogue_dies(pid);
		seen->watched = then->opcode;
		/* It waits, and may be killed. */
		pid = rogue_client(then->op);
		rogue_await_sleep(pid);
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
		rogue_dies(pid);
		pid = rogue_client(then->op);
		rogue_await_sleep(pid);
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
		if (seen->early)
			claim_fail(__FILE__, __LINE__, "%s: %s came before its answer", first->what,
				   then->what);
		CHECK_EQ(rogue_try(op_readlink, 5), 0);
		CHECK_EQ(rogue_status(pid, 5, then->what), 0);
		rogue_end(&r);
	}
}
IN_BOTH_STYLES(overtaken)

/* The client has ended, and its file is not closed at the server yet. */
static void not_released(enum style style, uint32_t opcode, const char *what)
{
	struct rogue r;
	struct seen *seen;

	node = FILE_NODE;
	r = rogue_start(style, keep_one);
	seen = r.page;
	seen->opcode = opcode;
	CHECK_EQ(rogue_try(op_open_file, 5), 0);
	rogue_await(&r, 1);
	look(&r, what, opcode == FUSE_FLUSH);
	rogue_end(&r);
}

static void before_release(enum style style)
{
	not_released(style, FUSE_RELEASE, "release");
}
IN_BOTH_STYLES(before_release)

static void before_flush(enum style style)
{
	not_released(style, FUSE_FLUSH, "flush");
}
IN_BOTH_STYLES(before_flush)

/* Read-ahead is submitted, and given up by whoever looks at the clock. */
static void too_late(void)
{
	struct ferry_setup setup = rogue_setup(SYNC);
	struct rogue r;
	struct seen *seen;

	node = FILE_NODE;
	setup.timeout = 1;
	r = rogue_start_as(setup, SYNC, keep_one);
	seen = r.page;
	seen->opcode = FUSE_READ;
	/* What read-ahead did not bring is asked for once more. */
	CHECK_EQ(rogue_try(op_read_file, 20), 0);
	look(&r, "read-ahead", true);
	rogue_end(&r);
}

/* Keeps a READDIRPLUS until a READLINK comes; that shows NEW_NODE twice, and something torn. */
static bool keep_plus(struct rogue *r, const struct request *req)
{
	struct seen *seen = r->page;
	static struct request kept;
	struct fuse_init_out init = rogue_init(FUSE_DO_READDIRPLUS);
	struct { struct fuse_direntplus d; char name[8]; } e[3];
	size_t i;

	switch (req->head.opcode) {
	case FUSE_INIT:
		rogue_reply(r, req, &init, sizeof(init));
		(*r->told)--;
		return true;
	case FUSE_READDIRPLUS:
		kept = *req;
		seen->kept = true;
		return true;
	case FUSE_FORGET:
		if (forgets(req))
			seen->forgot += ((const struct fuse_forget_in *)req->arg)->nlookup;
		break;
	case FUSE_BATCH_FORGET:
		for (i = 0; i < ((const struct fuse_batch_forget_in *)req->arg)->count; i++)
			seen->forgot += ((const struct fuse_forget_one *)(req->arg + 8))[i].nodeid == node;
		break;
	case FUSE_READLINK:
		if (!seen->kept)
			break;
		seen->kept = false;
		for (i = 0; i < COUNT(e); i++) {
			e[i].d = (struct fuse_direntplus){
				.entry_out = rogue_entry(NEW_NODE),
				.dirent = { .ino = NEW_NODE, .off = i + 1, .namelen = 8 },
			};
			memcpy(e[i].name, "new name", 8);
		}
		e[2].d.dirent.namelen = 200;
		rogue_answer(r, &kept, &(struct answer){ .data = e, .data_len = sizeof(e) });
	}
	return false;
}

static void killed_reader(enum style style)
{
	struct rogue r;
	struct seen *seen;
	pid_t pid;
	int i;

	node = NEW_NODE;
	r = rogue_start(style, keep_plus);
	seen = r.page;
	pid = rogue_client(op_list);
	rogue_await(&r, 1);
	rogue_dies(pid);
	CHECK(seen->kept);
	CHECK_EQ(rogue_try(op_readlink, 5), 0);
	for (i = 0; i < 100 && seen->forgot < 2; i++)
		CHECK_EQ(rogue_try(op_statfs, 5), 0);
	CHECK_EQ(seen->forgot, 2);
	rogue_end(&r);
}
IN_BOTH_STYLES(killed_reader)

/* The answer never comes. */
static void unmounted(void)
{
	struct rogue r;
	struct seen *seen;
	pid_t pid;

	node = FILE_NODE;
	r = rogue_start(SYNC, keep_one);
	seen = r.page;
	seen->opcode = FUSE_READ;
	pid = rogue_client(op_read_direct);
	rogue_await(&r, 1);
	rogue_dies(pid);
	rogue_end(&r);
	CHECK_EQ(seen->early, 0);
}

static const struct claim claims[] = {
	BOTH("RELEASE and FORGET come behind the answer to a killed caller's request", killed),
	BOTH("what changes the same waits for the answer to a killed caller's change", overtaken),
	BOTH("FORGET comes behind the answer to RELEASE", before_release),
	BOTH("it comes behind the answer to the FLUSH of a process at its end", before_flush),
	{ "they come behind the answer to read-ahead that took too long", too_late },
	{ "umount does not wait for that answer, nor sends them before it", unmounted },
	BOTH("what READDIRPLUS brings for a killed reader is forgotten", killed_reader),
};
CLAIMS_MAIN(claims)
