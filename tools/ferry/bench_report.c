// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the results for people. */
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

#define NUMBER_MAX	32

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
	if (!strcmp(unit, "IOPS") && v >= 1e4) {
		v /= 1e3;
		unit = "kIOPS";
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

	if (to && to != row && to->median > 0 && row->median > 0)
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
	ratio(row, bench_find(res, row->cs->name, opts->class->peer));
	ratio(row, bench_find(res, row->cs->name, "ferry-kernel"));
	putchar('\n');
}

static void print_header(const struct bench_opts *opts)
{
	char peer[NUMBER_MAX];
	struct utsname uts;

	uname(&uts);
	snprintf(peer, sizeof(peer), "to %s", opts->class->peer_label);
	printf("Linux %s. Times as multiples of %s's and of the kernel placement's (below 1: faster).\n",
	       uts.release, opts->class->peer_label);
	if (!opts->icount && opts->other_cpu == opts->cpu)
		printf("There is one CPU.\n");
	else if (!opts->icount)
		printf("Where they take turns, client and server are on CPU %d, poll's server on CPU %d.\n",
		       opts->cpu, opts->other_cpu);
	printf("\n  %-16s%13s%13s%13s%7s%11s%11s\n", "", "median", "p10", "p90", "n", peer,
	       "to kernel");
}

/* Of how long single operations took, and of what they cost all CPUs. */
static void print_single(const struct bench_opts *opts, const struct bench_row *row)
{
	static const double quantiles[] = { 0.5, 0.99, 0.999 };
	const char *unit = opts->icount ? "instr" : "us";
	char buf[NUMBER_MAX];

	printf("  %-16s", row->sys->label);
	for (unsigned int i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		double v = bench_hist_quantile(&row->hist, quantiles[i]);

		format(buf, opts->icount ? v : v / 1e3, unit);
		right(13, bench_hist_tells(&row->hist, quantiles[i]) ? buf : "-");
	}
	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)row->hist.total);
	right(11, buf);
	*buf = '\0';
	if (row->cpu.nr)
		format(buf, row->cpu_us, "us");
	right(13, buf);
	putchar('\n');
}

/* A line a power of two. */
static void print_histogram(const struct bench_opts *opts, const struct bench_row *row)
{
	static const char bar[] = "##################################################";
	char low[NUMBER_MAX];

	for (unsigned int power = 0; power < 47; power++) {
		uint64_t nr = bench_hist_power(&row->hist, power);
		double v = (double)(1ULL << power);

		if (!nr)
			continue;
		format(low, opts->icount ? v : v / 1e3, opts->icount ? "instr" : "us");
		right(22, low);
		printf(" %10llu %.*s\n", (unsigned long long)nr,
		       (int)(50 * nr / row->hist.total), bar);
	}
}

static void print_singles(const struct bench_opts *opts, const struct bench_results *res)
{
	const struct bench_case *last = NULL;

	for (unsigned int i = 0; i < res->nr; i++) {
		const struct bench_row *row = &res->rows[i];

		if (!row->sys || !row->hist.total)
			continue;
		if (!last)
			printf("\nSingle operations%s:\n  %-16s%13s%13s%13s%11s%13s\n",
			       opts->icount ? "" : ", and all CPUs' time for one", "",
			       "p50", "p99", "p99.9", "n", opts->icount ? "" : "CPU");
		if (row->cs != last)
			printf("%s: %s\n", row->cs->name, row->cs->what);
		last = row->cs;
		print_single(opts, row);
		if (opts->histogram)
			print_histogram(opts, row);
	}
}

void bench_print(const struct bench_opts *opts, const struct bench_results *res)
{
	print_header(opts);
	for (unsigned int i = 0; i < res->nr; i++) {
		const struct bench_row *row = &res->rows[i];

		if (!i || row->cs != row[-1].cs)
			printf("%s: %s\n", row->cs->name, row->cs->what);
		print_row(opts, res, row);
	}
	print_singles(opts, res);
}
