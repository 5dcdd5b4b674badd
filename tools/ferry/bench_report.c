// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the results for people. */
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

#define NUMBER_MAX	32

static const struct bar {
	const char *name;
	const char *id;
	unsigned int percent;
} bars[] = {
	{ "stat", "ferry-sync", 60 },
	{ "read-4k", "ferry-sync", 55 },
	{ "write-4k", "ferry-sync", 70 },
	{ "stat", "ferry-kernel", 20 },
	/* The same without the path, whose cost is nobody's here and counts for each alike. */
	{ "fstat", "ferry-sync", 60 },
	{ "fstat", "ferry-kernel", 20 },
};

/* Three digits that count: 1.23 12.3 123 */
static int digits(double v)
{
	return v < 10 ? 2 : v < 100 ? 1 : 0;
}

/* A time in a unit of its own size; "instr" and "MB/s" as they are */
static void format(char *buf, double v, const char *unit)
{
	if (!strcmp(unit, "us")) {
		if (v >= 1e6) {
			v /= 1e6;
			unit = "s";
		} else if (v >= 1e3) {
			v /= 1e3;
			unit = "ms";
		} else {
			unit = "µs";
		}
	}
	if (!strcmp(unit, "instr"))
		snprintf(buf, NUMBER_MAX, "%.0f %s", v, unit);
	else
		snprintf(buf, NUMBER_MAX, "%.*f %s", digits(v), v, unit);
}

/* To the right in @width columns; printf() would count bytes. */
static void right(int width, const char *text)
{
	int columns = 0;

	for (const char *c = text; *c; c++)
		columns += (*c & 0xc0) != 0x80;
	printf("%*s%s", width > columns ? width - columns : 0, "", text);
}

static void ratio(const struct bench_row *row, const struct bench_row *to)
{
	char buf[NUMBER_MAX] = "";

	if (to && to != row)
		snprintf(buf, sizeof(buf), "%.2f", bench_ratio(row, to));
	right(11, buf);
}

static void print_row(const struct bench_opts *opts, const struct bench_results *res,
		      const struct bench_row *row)
{
	const char *unit = opts->icount ? "instr" : row->cs->unit;
	char n[NUMBER_MAX], buf[NUMBER_MAX];

	printf("  %-16s", row->sys ? row->sys->label : "this machine");
	format(buf, row->median, unit);
	right(13, buf);
	format(buf, row->p10, unit);
	right(13, buf);
	format(buf, row->p90, unit);
	right(13, buf);
	snprintf(n, sizeof(n), "%zu", row->samples.nr);
	right(7, n);
	ratio(row, bench_find(res, row->cs->name, "fuse"));
	ratio(row, bench_find(res, row->cs->name, "ferry-kernel"));
	putchar('\n');
}

void bench_print(const struct bench_opts *opts, const struct bench_results *res)
{
	struct utsname uts;

	uname(&uts);
	printf("Linux %s. Times as multiples of FUSE's and of the kernel placement's (below 1: faster).\n",
	       uts.release);
	if (!opts->icount)
		printf("Client and server are both on CPU %d, but for seq-* and mmap-read.\n",
		       opts->cpu);
	printf("\n  %-16s%13s%13s%13s%7s%11s%11s\n", "", "median", "p10", "p90", "n", "to FUSE",
	       "to kernel");
	for (unsigned int i = 0; i < res->nr; i++) {
		const struct bench_row *row = &res->rows[i];

		if (!i || row->cs != row[-1].cs)
			printf("%s: %s\n", row->cs->name, row->cs->what);
		print_row(opts, res, row);
	}
}

/* What is left of it where nobody is asked at all. */
static void floor_of(const struct bench_row *tmpfs, const struct bench_row *fuse)
{
	if (tmpfs)
		printf(" (tmpfs: %.1f %%)", bench_ratio(tmpfs, fuse) * 100);
	putchar('\n');
}

/* Return: all were met */
bool bench_bars(const struct bench_results *res)
{
	bool all = true;

	printf("\nInstructions as a share of FUSE's:\n");
	for (unsigned int i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		const struct bar *bar = &bars[i];
		const struct bench_row *row = bench_find(res, bar->name, bar->id);
		const struct bench_row *fuse = bench_find(res, bar->name, "fuse");
		bool met = false;

		printf("  %-10s%-14s at most %2u %%: ", bar->name, bar->id, bar->percent);
		if (row && fuse) {
			met = bench_ratio(row, fuse) * 100 <= bar->percent;
			printf("%5.1f %%, %s", bench_ratio(row, fuse) * 100,
			       met ? "met" : "missed");
			floor_of(bench_find(res, bar->name, "tmpfs"), fuse);
		} else {
			printf("not measured\n");
		}
		all &= met;
	}
	return all;
}
