// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: disks. Each backend is compared with the kernel's own disk of its kind, and
 * with those that are served from user space.
 */
#include <string.h>

#include "bench.h"
#include "bench_disks.h"

#define FIO_RANDOM(depth)	"ioengine=io_uring\ndirect=1\niodepth=" depth "\nrandrepeat=1\n" \
				"norandommap=1\n"
#define FIO_SEQUENTIAL		"ioengine=io_uring\ndirect=1\niodepth=4\n"

/*
 * One request at a time is a matter of turns, as on a mount; with more of them the servers
 * may use all CPUs.
 */
#define RANDOM(kind, ready_, dir, depth, pinned) {					\
		.name = kind "-" dir "-" depth,						\
		.what = "4 KiB at random places, " dir ", " depth " at a time; " kind,	\
		.unit = "IOPS",								\
		.bytes = 4096,								\
		.backend = kind,							\
		.fio = "rw=rand" dir "\n" FIO_RANDOM(depth),				\
		.flags = BENCH_RATE | BENCH_TIMED | (pinned),				\
		.ready = ready_,							\
	}
#define SEQUENTIAL(kind, ready_, dir) {							\
		.name = kind "-" dir "-1m",						\
		.what = "1 MiB after the other, " dir ", 4 at a time; " kind,		\
		.unit = "MB/s",								\
		.bytes = 1048576,							\
		.backend = kind,							\
		.fio = "rw=" dir "\n" FIO_SEQUENTIAL,					\
		.flags = BENCH_RATE | BENCH_TIMED,					\
		.ready = ready_,							\
	}
#define CASES_OF(kind, ready)								\
	RANDOM(kind, ready, "read", "1", BENCH_PINNED),					\
	RANDOM(kind, ready, "write", "1", BENCH_PINNED),				\
	RANDOM(kind, ready, "read", "32", 0),						\
	RANDOM(kind, ready, "write", "32", 0),						\
	SEQUENTIAL(kind, ready, "read"),						\
	SEQUENTIAL(kind, ready, "write")

static const struct bench_case cases[] = {
	CASES_OF("null", NULL),
	CASES_OF("ramdisk", NULL),
	CASES_OF("file", bench_ready_files),
};

static const struct bench_system systems[] = {
	BENCH_FERRY_DAEMONS,
	{ "ferry-kernel", "ferry kernel", "ferry", "kernel", "", "" },
	{ "null_blk", "null_blk", "null_blk", "kernel", "", "" },
	{ "brd", "brd", "brd", "kernel", "", "" },
	{ "loop", "loop, direct I/O", "loop", "kernel", "", "" },
	{ "nbd", "nbd", "nbd", "user", "", "" },
	{ "ublk", "ublk", "ublk", "user", "uring", "" },
};

static const struct {
	const char *system;
	const char *backends[4];
} served[] = {
	{ "null_blk", { "null" } },
	{ "brd", { "ramdisk" } },
	{ "loop", { "file" } },
	{ "ublk", { "null", "ramdisk" } },
};

/*
 * What is of another kind is not even told: there would be a line for each of them. Nor is what
 * would be ferry-sync once more: 1 MiB goes past the slot in any case.
 */
static bool fits(const struct bench_system *sys, const struct bench_case *cs, const char **why)
{
	if (!strcmp(sys->data, "copy") && cs->bytes > 4096)
		return false;
	for (unsigned int i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
		if (!bench_is(sys, served[i].system))
			continue;
		for (unsigned int k = 0; served[i].backends[k]; k++)
			if (!strcmp(cs->backend, served[i].backends[k]))
				return true;
		return false;
	}
	return true;
}

const struct bench_class bench_block = {
	.name = "block",
	.begin = bench_disks_begin,
	.keep = true,
	.peer = "nbd",
	.peer_label = "nbd",
	.systems = systems,
	.nr_systems = sizeof(systems) / sizeof(systems[0]),
	.cases = cases,
	.nr_cases = sizeof(cases) / sizeof(cases[0]),
	.missing = bench_disk_missing,
	.fits = fits,
	.mount = bench_disk_add,
	.umount = bench_disk_del,
	.end = bench_disks_end,
};
