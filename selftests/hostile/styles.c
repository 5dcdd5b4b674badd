// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* An honest server in every style: what it is built for, 64 bits or 32, makes no difference. */
#include <fcntl.h>
#include <unistd.h>

#include "rogue.h"

/* A read through the cache, and what it brings. */
static int read_right(void)
{
	char *buf = xmalloc(FILE_SIZE), *right = xmalloc(FILE_SIZE);
	int fd = open("mnt/file", O_RDONLY);

	if (fd < 0 || read(fd, buf, FILE_SIZE) != FILE_SIZE)
		return -1;
	fill_pattern(right, FILE_SIZE, 0, 1);
	CHECK(!memcmp(buf, right, FILE_SIZE));
	return 0;
}

static void serves(enum style style)
{
	static int (*const ops[])(void) = {
		op_stat_file, read_right, op_read_direct, op_write_direct, op_list, op_list_dir,
		op_readlink, op_statfs, op_mkdir, op_truncate, op_unlink,
	};
	struct rogue r = rogue_start(style, NULL);
	size_t i;

	for (i = 0; i < COUNT(ops); i++) {
		int err = rogue_try(ops[i], 20);

		if (err)
			claim_fail(__FILE__, __LINE__, "operation %zu: %s", i, strerror(err));
	}
	rogue_end(&r);
}

static void in_rw(void) { serves(RW); }
static void in_sync(void) { serves(SYNC); }
static void in_poll(void) { serves(POLL); }
static void in_uring(void) { serves(URING); }

/* Killed while it waits, it lets go of all it had. */
static void dies(void)
{
	struct rogue r = rogue_start(URING, NULL);

	CHECK_EQ(rogue_try(op_stat_file, 20), 0);
	rogue_kill(&r);
	CHECK_EQ(rogue_try(op_stat_file, 20), ENOTCONN);
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "rw: requests of each kind are answered", in_rw },
	{ "sync: requests of each kind are answered", in_sync },
	{ "poll: requests of each kind are answered", in_poll },
	{ "uring: requests of each kind are answered", in_uring },
	{ "uring: a server that is killed is ENOTCONN", dies },
};
CLAIMS_MAIN(claims)
