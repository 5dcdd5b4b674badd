// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: ferry's results next to those of a file that --json has made, of this class
 * and way of measuring. On a kernel of the series that the file is of (6.1), instructions are
 * compared as they are: they agreed within 0.4 % from 6.1.0-50 to -57. Everything else (times,
 * which are another machine's or another day's, and another series' instructions) is compared
 * as a part of what the first peer takes in the same run.
 */
#include <string.h>
#include <sys/utsname.h>

#include <json-c/json.h>

#include "bench.h"

static const char *text_of(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static bool counts_instructions(struct json_object *root)
{
	struct json_object *machine, *icount;

	return json_object_object_get_ex(root, "machine", &machine) &&
	       json_object_object_get_ex(machine, "icount", &icount) &&
	       json_object_get_boolean(icount);
}

static bool has_rows(struct json_object *root, struct json_object **rows)
{
	return json_object_object_get_ex(root, "rows", rows) &&
	       json_object_is_type(*rows, json_type_array);
}

/* Return: NULL after a message */
struct json_object *bench_regress_open(const struct bench_opts *opts)
{
	struct json_object *root = json_object_from_file(opts->regress), *rows;
	const char *class, *wrong = NULL;

	if (!root) {
		bench_say("--regress %s: cannot be read, or is no JSON", opts->regress);
		return NULL;
	}
	class = text_of(root, "class");
	if (!has_rows(root, &rows) || !*text_of(root, "kernel"))
		wrong = "is no result of ferry bench --json";
	else if (strcmp(*class ? class : "fs", opts->class->name))
		wrong = "is of another class";
	else if (counts_instructions(root) != opts->icount)
		wrong = opts->icount ? "has times, not instructions" :
			"has instructions, not times: --icount";
	if (wrong) {
		bench_say("--regress %s: %s", opts->regress, wrong);
		json_object_put(root);
		return NULL;
	}
	return root;
}

static bool is_of(struct json_object *row, const struct bench_case *cs,
		  const struct bench_system *sys, const char *unit)
{
	return !strcmp(text_of(row, "case"), cs->name) &&
	       !strcmp(text_of(row, "system"), sys->system) &&
	       !strcmp(text_of(row, "placement"), sys->placement) &&
	       !strcmp(text_of(row, "wait"), sys->wait) &&
	       !strcmp(text_of(row, "data"), sys->data) && !strcmp(text_of(row, "unit"), unit);
}

static const char *unit_of(const struct bench_opts *opts, const struct bench_case *cs)
{
	return opts->icount ? "instr" : cs->unit;
}

/* Return: its median, or 0 if it is not there */
static double stored(struct json_object *root, const struct bench_case *cs,
		     const struct bench_system *sys, const char *unit)
{
	struct json_object *rows, *median;

	if (!has_rows(root, &rows))
		return 0;
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (is_of(row, cs, sys, unit) && json_object_object_get_ex(row, "median", &median))
			return json_object_get_double(median);
	}
	return 0;
}

/* What nobody looked at is not as it was. */
static void print_unmeasured(const struct bench_opts *opts, const struct bench_results *res,
			     struct json_object *root)
{
	unsigned int nr = 0, missing = 0, k;
	struct json_object *rows;

	if (!has_rows(root, &rows))
		return;
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (strcmp(text_of(row, "system"), "ferry"))
			continue;
		nr++;
		for (k = 0; k < res->nr; k++)
			if (res->rows[k].sys && is_of(row, res->rows[k].cs, res->rows[k].sys,
						      unit_of(opts, res->rows[k].cs)))
				break;
		missing += k == res->nr;
	}
	if (missing)
		printf("  %u of ferry's %u rows there were not measured\n", missing, nr);
}

/* By what the time of @row has grown since, 1 is not at all; 0: cannot be said */
static double growth(const struct bench_opts *opts, const struct bench_results *res,
		     struct json_object *root, const struct bench_row *row, bool absolute)
{
	const char *unit = unit_of(opts, row->cs);
	double was = stored(root, row->cs, row->sys, unit), peer_was;
	const struct bench_row *peer;

	if (was <= 0 || row->median <= 0)
		return 0;
	if (absolute)
		return row->median / was;
	peer = bench_find(res, row->cs->name, opts->class->peer);
	peer_was = peer ? stored(root, row->cs, peer->sys, unit) : 0;
	if (peer_was <= 0)
		return 0;
	return bench_ratio(row, peer) / (row->rate ? peer_was / was : was / peer_was);
}

static void print_growth(const struct bench_opts *opts, const struct bench_row *row, double by)
{
	printf("  %-20s%-15s %+6.1f %%  %s\n", row->cs->name, row->sys->id, (by - 1) * 100,
	       by > 1 + opts->tolerance / 100 ? "WORSE" :
	       by < 1 - opts->tolerance / 100 ? "better: tools/figures renews the file" :
	       "as it was");
}

/* "6.1.0-57-amd64" and "6.1.0-50-amd64" */
static bool same_series(const char *a, const char *b)
{
	unsigned int major[2], minor[2];

	return sscanf(a, "%u.%u", &major[0], &minor[0]) == 2 &&
	       sscanf(b, "%u.%u", &major[1], &minor[1]) == 2 &&
	       major[0] == major[1] && minor[0] == minor[1];
}

/* Return: 0, or 1 after a line for each case that got worse, or if nothing could be compared */
int bench_regress(const struct bench_opts *opts, const struct bench_results *res,
		  struct json_object *root)
{
	unsigned int nr = 0, worse = 0;
	struct utsname uts;
	bool absolute;

	uname(&uts);
	absolute = opts->icount && same_series(uts.release, text_of(root, "kernel"));
	printf("\nSince %s, of Linux %s%s:\n", opts->regress, text_of(root, "kernel"),
	       absolute ? "" : ", in proportion to the peer");
	for (unsigned int i = 0; i < res->nr; i++) {
		const struct bench_row *row = &res->rows[i];
		double by;

		if (!row->sys || !bench_is(row->sys, "ferry"))
			continue;
		by = growth(opts, res, root, row, absolute);
		if (by <= 0)
			continue;
		nr++;
		print_growth(opts, row, by);
		if (by <= 1 + opts->tolerance / 100)
			continue;
		worse++;
		bench_say("%s on %s takes %.1f %% more than in %s, %g %% are allowed",
			  row->cs->name, row->sys->label, (by - 1) * 100, opts->regress,
			  opts->tolerance);
	}
	print_unmeasured(opts, res, root);
	if (!nr)
		bench_say("--regress %s: nothing to compare: ferry's rows%s%s have to be measured and in it",
			  opts->regress, absolute ? "" : " and those of ",
			  absolute ? "" : opts->class->peer);
	return !nr || worse;
}
