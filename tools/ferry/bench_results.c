// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: samples, and what becomes of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static struct bench_row *row_get(struct bench_results *res, const struct bench_case *cs,
				 const struct bench_system *sys)
{
	struct bench_row *row;

	for (unsigned int i = 0; i < res->nr; i++)
		if (res->rows[i].cs == cs && res->rows[i].sys == sys)
			return &res->rows[i];
	row = &res->rows[res->nr++];
	*row = (struct bench_row){
		.cs = cs,
		.sys = sys,
		.rate = cs->flags & BENCH_RATE && !res->icount,
	};
	return row;
}

static int append(struct bench_samples *s, double v)
{
	if (s->nr == s->max) {
		size_t max = s->max ? s->max * 2 : 64;
		double *more = realloc(s->v, max * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->v = more;
		s->max = max;
	}
	s->v[s->nr++] = v;
	return 0;
}

int bench_add(struct bench_results *res, const struct bench_case *cs,
	      const struct bench_system *sys, double v)
{
	return append(&row_get(res, cs, sys)->samples, v);
}

int bench_add_cpu(struct bench_results *res, const struct bench_case *cs,
		  const struct bench_system *sys, double us)
{
	return append(&row_get(res, cs, sys)->cpu, us);
}

struct bench_hist *bench_hist_of(struct bench_results *res, const struct bench_case *cs,
				 const struct bench_system *sys)
{
	return &row_get(res, cs, sys)->hist;
}

/* What a system did before it failed is no result. */
void bench_forget(struct bench_results *res, const struct bench_case *cs,
		  const struct bench_system *sys)
{
	struct bench_row *row = row_get(res, cs, sys);

	free(row->samples.v);
	free(row->cpu.v);
	memmove(row, row + 1, (res->rows + res->nr - row - 1) * sizeof(*row));
	res->nr--;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_sort(struct bench_samples *s)
{
	if (s->nr)
		qsort(s->v, s->nr, sizeof(*s->v), compare);
}

/* Between two samples in proportion; @s is sorted and not empty. */
double bench_quantile(const struct bench_samples *s, double q)
{
	double at = q * (double)(s->nr - 1);
	size_t low = at;
	size_t high = low + 1 < s->nr ? low + 1 : low;

	return s->v[low] + (at - low) * (s->v[high] - s->v[low]);
}

void bench_summarize(struct bench_results *res)
{
	for (unsigned int i = 0; i < res->nr; i++) {
		struct bench_row *row = &res->rows[i];

		bench_sort(&row->samples);
		row->median = bench_quantile(&row->samples, 0.5);
		row->p10 = bench_quantile(&row->samples, 0.1);
		row->p90 = bench_quantile(&row->samples, 0.9);
		bench_sort(&row->cpu);
		row->cpu_us = row->cpu.nr ? bench_quantile(&row->cpu, 0.5) : 0;
	}
}

void bench_free(struct bench_results *res)
{
	for (unsigned int i = 0; i < res->nr; i++) {
		free(res->rows[i].samples.v);
		free(res->rows[i].cpu.v);
	}
}

/* By the name of the case and the id of the system; NULL: not measured */
const struct bench_row *bench_find(const struct bench_results *res, const char *name,
				   const char *id)
{
	for (unsigned int i = 0; i < res->nr; i++) {
		const struct bench_row *row = &res->rows[i];

		if (row->sys && !strcmp(row->cs->name, name) && !strcmp(row->sys->id, id))
			return row;
	}
	return NULL;
}

/* Of the time that one operation or one byte takes: below 1 is faster. */
double bench_ratio(const struct bench_row *row, const struct bench_row *to)
{
	if (row->rate)
		return to->median / row->median;
	return row->median / to->median;
}
