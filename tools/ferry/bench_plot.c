// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: grouped bars, time in proportion to the first peer's, by gnuplot. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

/* A line a case, a column a system; "?" is what gnuplot is told to leave out. */
static void write_data(FILE *file, const struct bench_opts *opts, const struct bench_results *res)
{
	fputs("$ratios << END\ncase", file);
	for (unsigned int i = 0; i < opts->class->nr_systems; i++)
		if (opts->systems & (1U << i))
			fprintf(file, " \"%s\"", opts->class->systems[i].label);
	fputc('\n', file);
	for (unsigned int c = 0; c < opts->class->nr_cases; c++) {
		const struct bench_row *fuse = bench_find(res, opts->class->cases[c].name, opts->class->peer);

		if (!fuse || fuse->median <= 0)
			continue;
		fputs(opts->class->cases[c].name, file);
		for (unsigned int i = 0; i < opts->class->nr_systems; i++) {
			const struct bench_row *row;

			if (!(opts->systems & (1U << i)))
				continue;
			row = bench_find(res, opts->class->cases[c].name, opts->class->systems[i].id);
			if (row)
				fprintf(file, " %.4f", bench_ratio(row, fuse));
			else
				fputs(" ?", file);
		}
		fputc('\n', file);
	}
	fputs("END\n", file);
}

/* Return: 0, or 1 after a message */
int bench_plot(const struct bench_opts *opts, const struct bench_results *res)
{
	char path[BENCH_PATH_MAX + 16];
	const char *const argv[] = { "gnuplot", path, NULL };
	unsigned int nr = __builtin_popcount(opts->systems);
	struct utsname uts;
	FILE *file;

	snprintf(path, sizeof(path), "%s/plot", opts->base);
	file = fopen(path, "we");
	if (!file) {
		bench_say("%s: %s", path, strerror(errno));
		return 1;
	}
	uname(&uts);
	fputs("set terminal svg size 1000,480 dynamic background rgb 'white'\n"
	      "set datafile missing '?'\n", file);
	fprintf(file, "set title \"%s per operation, %s = 1, Linux %s\" noenhanced\n",
		opts->icount ? "Instructions" : "Time", opts->class->peer_label, uts.release);
	fputs("set style data histogram\nset style histogram clustered gap 1\n"
	      "set style fill solid 0.8 border -1\nset xtics rotate by -25 scale 0 noenhanced\n"
	      "set key top left outside horizontal noenhanced\nset grid ytics\n"
	      "set yrange [0:*]\nset ylabel 'less is better'\n", file);
	write_data(file, opts, res);
	fprintf(file, "plot for [i=2:%u] $ratios using i:xtic(1) title columnheader(i), "
		"1 notitle with lines lc 'black' dt 2\n", nr + 1);
	if (fclose(file)) {
		bench_say("%s: %s", path, strerror(errno));
		return 1;
	}
	if (bench_exec(opts, argv, opts->plot, 120))
		return 1;
	return 0;
}
