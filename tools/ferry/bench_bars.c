// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: the bars that ferry has set itself. Each is a limit for the time that an
 * operation or a byte takes, as a part of what another system takes in the same run.
 */
#include <string.h>

#include "bench.h"

#define STYLES		{ "ferry-sync", "ferry-poll", "ferry-uring", "ferry-rw" }
/* And with data never through the slot, which is one option more. */
#define WAYS		{ "ferry-sync", "ferry-poll", "ferry-uring", "ferry-rw", "ferry-copy" }
#define OURS		{ "ferry-sync", "ferry-poll", "ferry-uring", "ferry-rw", "ferry-kernel" }

/* For which the bar is: */
enum mode { WALL, ICOUNT };

/**
 * struct bar - one of them
 * @ids: systems; one of them has to keep to it, or with @each all that were measured
 * @peer: the other system; NULL: @most is an absolute value
 * @most: part of the peer's time, 0.5 is twice as fast
 * @least: and not below that; 0: as fast as it likes
 */
struct bar {
	const struct bench_class *class;
	const char *cs;
	const char *ids[6];
	const char *peer;
	double most;
	double least;
	enum mode mode;
	bool each;
};

static const struct bar bars[] = {
	/* The main job's, in instructions. */
	{ &bench_fs, "stat", { "ferry-sync" }, "fuse", .most = .60, .mode = ICOUNT },
	{ &bench_fs, "read-4k", { "ferry-sync" }, "fuse", .most = .55, .mode = ICOUNT },
	{ &bench_fs, "write-4k", { "ferry-sync" }, "fuse", .most = .70, .mode = ICOUNT },
	{ &bench_fs, "stat", { "ferry-kernel" }, "fuse", .most = .20, .mode = ICOUNT },
	/* The same without the path, whose cost is nobody's here and counts for each alike. */
	{ &bench_fs, "fstat", { "ferry-sync" }, "fuse", .most = .60, .mode = ICOUNT },
	{ &bench_fs, "fstat", { "ferry-kernel" }, "fuse", .most = .20, .mode = ICOUNT },
	/* The fastest road's. */
	{ &bench_fs, "stat", { "ferry-sync" }, "fuse", .most = .52, .mode = ICOUNT },
	{ &bench_fs, "stat", STYLES, "fuse", .most = .40, .mode = ICOUNT },
	{ &bench_fs, "read-4k", WAYS, "fuse", .most = .35, .mode = ICOUNT },
	{ &bench_fs, "write-4k", WAYS, "fuse", .most = .50, .mode = ICOUNT },
	{ &bench_fs, "create-write", STYLES, "fuse", .most = .25, .mode = ICOUNT },
	{ &bench_fs, "stat", { "ferry-poll" }, "fuse", .most = 1.0 / 15 },
	{ &bench_fs, "read-4k", { "ferry-poll" }, "fuse", .most = 1.0 / 8 },
	{ &bench_fs, "create-write", STYLES, "fuse", .most = .25 },
	{ &bench_fs, "read-1m", STYLES, "fuse", .most = .5 },
	{ &bench_fs, "write-1m", STYLES, "fuse", .most = .5 },
	{ &bench_fs, "seq-read", STYLES, "fuse", .most = .5 },
	{ &bench_fs, "seq-write", STYLES, "fuse", .most = .5 },
	{ &bench_fs, "read-1m", STYLES, "fuse", .most = 1, .each = true },
	{ &bench_fs, "write-1m", STYLES, "fuse", .most = 1, .each = true },
	{ &bench_fs, "seq-read", OURS, "fuse", .most = 1, .each = true },
	{ &bench_fs, "seq-write", STYLES, "fuse", .most = 1, .each = true },
	{ &bench_fs, "seq-read", STYLES, "fuse", .most = .5, .mode = ICOUNT },
	{ &bench_fs, "seq-read", OURS, "fuse", .most = 1, .mode = ICOUNT, .each = true },
	/* mirror by passthrough, next to the directory itself: 90 % of its speed. */
#define MIRROR_BAR(cs)	{ &bench_fs, cs, STYLES, "host", .most = 1 / .9, .each = true },	\
	{ &bench_fs, cs, STYLES, "host", .most = 1 / .9, .mode = ICOUNT, .each = true }
	MIRROR_BAR("mirror-read-4k"), MIRROR_BAR("mirror-write-4k"),
	MIRROR_BAR("mirror-mmap-read-4k"), MIRROR_BAR("mirror-mmap-write-4k"),
	MIRROR_BAR("mirror-read-1m"), MIRROR_BAR("mirror-write-1m"),
	MIRROR_BAR("mirror-mmap-read-1m"), MIRROR_BAR("mirror-mmap-write-1m"),
	/* What the kernel has cached is nobody's business, wherever the server is. */
	{ &bench_fs, "cached-stat", { "ferry-sync" }, "ferry-kernel", .most = 1.05, .least = .95 },
	{ &bench_fs, "cached-read", { "ferry-sync" }, "ferry-kernel", .most = 1.05, .least = .95 },
	{ &bench_fs, "cached-stat", { "ferry-sync" }, "ferry-kernel", .most = 1.05, .least = .95,
	  .mode = ICOUNT },
	{ &bench_fs, "cached-read", { "ferry-sync" }, "ferry-kernel", .most = 1.05, .least = .95,
	  .mode = ICOUNT },
	/* Milliseconds of CPU in a second without a request; ten would be shown as 1 %. */
	{ &bench_fs, "idle", OURS, NULL, .most = 1, .each = true },

#define KERNEL_BAR(cs, peer)	{ &bench_block, cs, { "ferry-kernel" }, peer, .most = 1 / .9 }
	KERNEL_BAR("null-read-1", "null_blk"), KERNEL_BAR("null-write-1", "null_blk"),
	KERNEL_BAR("null-read-32", "null_blk"), KERNEL_BAR("null-write-32", "null_blk"),
	KERNEL_BAR("ramdisk-read-1", "brd"), KERNEL_BAR("ramdisk-write-1", "brd"),
	KERNEL_BAR("ramdisk-read-32", "brd"), KERNEL_BAR("ramdisk-write-32", "brd"),
#define USER_BAR(cs, peer, part)	{ &bench_block, cs, STYLES, peer, .most = part }
#define USER_BARS(kind)									\
	USER_BAR(kind "-read-1", "nbd", 1.0 / 3), USER_BAR(kind "-write-1", "nbd", 1.0 / 3),	\
	USER_BAR(kind "-read-32", "nbd", 1.0 / 3), USER_BAR(kind "-write-32", "nbd", 1.0 / 3),	\
	USER_BAR(kind "-read-1m", "nbd", .5), USER_BAR(kind "-write-1m", "nbd", .5),		\
	USER_BAR(kind "-read-1", "ublk", .5), USER_BAR(kind "-write-1", "ublk", .5),		\
	USER_BAR(kind "-read-32", "ublk", 1), USER_BAR(kind "-write-32", "ublk", 1),		\
	USER_BAR(kind "-read-1m", "ublk", 1), USER_BAR(kind "-write-1m", "ublk", 1)
	USER_BARS("null"),
	USER_BARS("ramdisk"),
#define FILE_BAR(cs)	{ &bench_block, cs, STYLES, "loop", .most = 1 / .9 }
	FILE_BAR("file-read-1"), FILE_BAR("file-write-1"), FILE_BAR("file-read-32"),
	FILE_BAR("file-write-32"), FILE_BAR("file-read-1m"), FILE_BAR("file-write-1m"),
};

static double value_of(const struct bar *bar, const struct bench_row *row,
		       const struct bench_row *peer)
{
	return bar->peer ? bench_ratio(row, peer) : row->median;
}

/* The best of them, or the worst if each has to keep to it. NULL: none was measured */
static const struct bench_row *decisive(const struct bar *bar, const struct bench_results *res,
					const struct bench_row *peer)
{
	const struct bench_row *found = NULL;

	for (unsigned int i = 0; i < sizeof(bar->ids) / sizeof(bar->ids[0]) && bar->ids[i]; i++) {
		const struct bench_row *row = bench_find(res, bar->cs, bar->ids[i]);

		if (row && (!found || (value_of(bar, row, peer) > value_of(bar, found, peer)) ==
				      bar->each))
			found = row;
	}
	return found;
}

static void print_limit(const struct bar *bar, double v)
{
	if (!bar->peer)
		printf("at most %4.1f: %6.2f", bar->most, v);
	else if (bar->least > 0)
		printf("%.0f to %.0f %% of %s: %.1f %%", bar->least * 100, bar->most * 100,
		       bar->peer, v * 100);
	else
		printf("at most %5.1f %% of %s: %.1f %%", bar->most * 100, bar->peer, v * 100);
}

/* What was not measured is no bar of this run. Return: all were met */
bool bench_bars(const struct bench_opts *opts, const struct bench_results *res)
{
	unsigned int nr = 0, missed = 0;

	for (unsigned int i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		const struct bar *bar = &bars[i];
		const struct bench_row *peer = NULL, *row;
		bool met;
		double v;

		if (bar->class != opts->class || (bar->mode == ICOUNT) != opts->icount)
			continue;
		if (bar->peer)
			peer = bench_find(res, bar->cs, bar->peer);
		if (bar->peer && !peer)
			continue;
		row = decisive(bar, res, peer);
		if (!row)
			continue;
		if (!nr++)
			printf("\nBars, %s of an operation or a byte:\n",
			       opts->icount ? "instructions" : "time");
		v = value_of(bar, row, peer);
		met = v <= bar->most && v >= bar->least;
		missed += !met;
		printf("  %-21s%-13s %-7s", bar->cs, row->sys->id, met ? "met" : "MISSED");
		print_limit(bar, v);
		if (bar->each && bar->ids[1])
			printf(", the worst of those measured");
		else if (bar->ids[1])
			printf(", the best of those measured");
		putchar('\n');
	}
	if (nr)
		printf("  %u met, %u missed\n", nr - missed, missed);
	else if (opts->check)
		printf("\nNothing was measured that has a bar.\n");
	return nr && !missed;
}
