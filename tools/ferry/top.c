// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry top: the channels at work. */
#include "channel.h"
#include "ferry.h"
#include "flags.h"
#include "mounts.h"
#include "screen.h"
#include "table.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS	1000

static const char usage[] =
	"Usage: ferry top\n"
	"\n"
	"Watch the channels at work; the rates are those of the last second. Keys:\n"
	"\n"
	"  r e w i o p n  sort by requests, errors, requests under way, data in, data out,\n"
	"                 99th percentile of the time, number of the channel\n"
	"  t              take times, or no more (root only; ends with top)\n"
	"  q              quit\n"
	"\n"
	"  -h, --help     show this help\n";

static const struct column columns[] = {
	{ "ID", true }, { "NAME", false }, { "SIDE", false }, { "STYLE", false },
	{ "STATE", false }, { "REQ/s", true }, { "ERR/s", true }, { "WAY", true },
	{ "IN/s", true }, { "OUT/s", true }, { "P50", true }, { "P99", true },
	{ "SLEPT", true }, { "PLACE", false },
};

/* A channel: its counts now, and what came since the last look, per second. */
struct row {
	struct channel c;
	uint64_t all[FERRY_LATENCY_BUCKETS];
	uint64_t recent[FERRY_LATENCY_BUCKETS];
	double requests;
	double errors;
	double bytes_in;
	double bytes_out;
	double slept;
};

/**
 * struct top - what is looked at
 * @rows: in order of the channels' numbers
 * @when: of them, ns
 * @timing: we were asked to take times
 * @timed: numbers of the channels that we have told to
 * @note: what went wrong last, for a line on the screen
 */
struct top {
	struct row *rows;
	size_t nr;
	double when;
	char key;
	bool timing;
	uint32_t *timed;
	size_t nr_timed;
	char note[80];
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void add_op(struct row *rows, size_t nr, const struct op *op)
{
	size_t i;
	int b;

	for (i = 0; i < nr && rows[i].c.id != op->id; i++)
		;
	for (b = 0; i < nr && b < FERRY_LATENCY_BUCKETS; b++)
		rows[i].all[b] += op->latencies[b];
}

/* Return: the rows of all channels, or NULL with *err. */
static struct row *read_rows(size_t *nr, int *err)
{
	struct channel *channels;
	struct row *rows = NULL;
	struct op *ops = NULL;
	size_t nr_ops = 0, i;

	*err = channels_get(&channels, nr);
	if (*err)
		return NULL;
	*err = ops_get(0, &ops, &nr_ops);
	if (!*err)
		rows = calloc(*nr + 1, sizeof(*rows));
	if (!*err && !rows)
		*err = -ENOMEM;
	for (i = 0; rows && i < *nr; i++)
		rows[i].c = channels[i];
	for (i = 0; rows && i < nr_ops; i++)
		add_op(rows, *nr, &ops[i]);
	free(channels);
	free(ops);
	return rows;
}

/* What @row did since @before, which is NULL if it is new, in @seconds. */
static void take_rates(struct row *row, const struct row *before, double seconds)
{
	static const struct row none;
	const struct counts *c = &row->c.counts, *b;
	int i;

	if (!before)
		before = &none;
	b = &before->c.counts;
	for (i = 0; i < FERRY_LATENCY_BUCKETS; i++)
		row->recent[i] = row->all[i] > before->all[i] ? row->all[i] - before->all[i] : 0;
	row->requests = (double)(c->requests - b->requests) / seconds;
	row->errors = (double)(c->errors - b->errors) / seconds;
	row->bytes_in = (double)(c->bytes_in - b->bytes_in) / seconds;
	row->bytes_out = (double)(c->bytes_out - b->bytes_out) / seconds;
	row->slept = (double)(row->c.slept - before->c.slept) / seconds;
}

static int look(struct top *top)
{
	double when = now_ns(), seconds = top->when ? (when - top->when) / 1e9 : 1e9;
	struct row *rows;
	size_t nr, i, j;
	int err;

	rows = read_rows(&nr, &err);
	if (!rows)
		return err;
	for (i = 0, j = 0; i < nr; i++) {
		while (j < top->nr && top->rows[j].c.id < rows[i].c.id)
			j++;
		take_rates(&rows[i], j < top->nr && top->rows[j].c.id == rows[i].c.id ?
			   &top->rows[j] : NULL, seconds);
	}
	free(top->rows);
	top->rows = rows;
	top->nr = nr;
	top->when = when;
	return 0;
}

static double value(const struct row *row, char key)
{
	switch (key) {
	case 'e':
		return row->errors;
	case 'w':
		return (double)row->c.counts.in_flight;
	case 'i':
		return row->bytes_in;
	case 'o':
		return row->bytes_out;
	case 'p':
		return latency(row->recent, 0.99);
	case 'n':
		return -(double)row->c.id;
	default:
		return row->requests;
	}
}

static int compare(const void *a, const void *b, void *key)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	double vx = value(x, *(const char *)key), vy = value(y, *(const char *)key);

	if (vx != vy)
		return vx > vy ? -1 : 1;
	return x->c.id < y->c.id ? -1 : 1;
}

static void add_row(struct table *table, const struct row *row, struct libmnt_table *mounts)
{
	char place[PATH_MAX];

	table_number(table, row->c.id);
	table_text(table, row->c.name);
	table_text(table, placement_name(row->c.placement));
	table_text(table, style_name(&row->c));
	table_text(table, state_name(row->c.state));
	table_count(table, (uint64_t)(row->requests + 0.5));
	table_count(table, (uint64_t)(row->errors + 0.5));
	table_count(table, row->c.counts.in_flight);
	table_bytes(table, (uint64_t)(row->bytes_in + 0.5));
	table_bytes(table, (uint64_t)(row->bytes_out + 0.5));
	table_nsecs(table, latency(row->recent, 0.5));
	table_nsecs(table, latency(row->recent, 0.99));
	if (row->c.placement == FERRY_PLACEMENT_KERNEL)
		table_text(table, NULL);
	else
		table_count(table, (uint64_t)(row->slept + 0.5));
	table_text(table, channel_place(mounts, &row->c, place, sizeof(place)));
}

static void draw(struct top *top)
{
	struct table table = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, false };
	const struct row **order = calloc(top->nr + 1, sizeof(*order));
	struct libmnt_table *mounts = mounts_read();
	size_t i, room = screen_lines() - 3;

	for (i = 0; order && i < top->nr; i++)
		order[i] = &top->rows[i];
	if (order)
		qsort_r(order, top->nr, sizeof(*order), compare, &top->key);
	for (i = 0; order && i < top->nr && i < room; i++)
		add_row(&table, order[i], mounts);
	screen_clear();
	printf("ferry top: %zu channel%s; sorted by %c (r e w i o p n); t: %s; q: quit\n%s\n",
	       top->nr, top->nr == 1 ? "" : "s", top->key, top->timing ? "take no times" : "take times", top->note);
	table_print(&table);
	screen_show();
	mnt_unref_table(mounts);
	free(order);
}

/* Tell those channels to take times that do not, and remember them. */
static void time_all(struct top *top)
{
	uint32_t *timed;
	size_t i;
	int err;

	for (i = 0; i < top->nr; i++) {
		if (top->rows[i].c.latency)
			continue;
		timed = reallocarray(top->timed, top->nr_timed + 1, sizeof(*timed));
		err = timed ? channel_set(top->rows[i].c.id, FERRY_A_LATENCY, 1) : -ENOMEM;
		if (timed)
			top->timed = timed;
		if (!err)
			timed[top->nr_timed++] = top->rows[i].c.id;
		else if (err != -ENOENT)
			snprintf(top->note, sizeof(top->note), "cannot take times: %s",
				 err == -EPERM ? "that needs root" : strerror(-err));
	}
}

static void untime_all(struct top *top)
{
	while (top->nr_timed)
		channel_set(top->timed[--top->nr_timed], FERRY_A_LATENCY, 0);
}

/* False: that was enough. */
static bool press(struct top *top, int key)
{
	switch (key) {
	case 'q':
	case SCREEN_END:
		return false;
	case 't':
		top->timing = !top->timing;
		*top->note = '\0';
		if (!top->timing)
			untime_all(top);
		break;
	default:
		if (key && strchr("rewiopn", key))
			top->key = (char)key;
	}
	return true;
}

static int watch(struct top *top)
{
	double next = 0, left;
	int err = 0;

	do {
		left = next - now_ns();
		if (left <= 0) {
			err = look(top);
			if (err)
				break;
			if (top->timing)
				time_all(top);
			next = now_ns() + PERIOD_MS * 1e6;
			left = PERIOD_MS * 1e6;
		}
		draw(top);
	} while (press(top, screen_key((int)(left / 1e6) + 1)));
	return err;
}

int cmd_top(int argc, char **argv)
{
	const struct flag flags[] = { { 0 } };
	int err, status = flags_parse(argc, argv, usage, flags);
	struct top top = { .key = 'r' };

	if (status != FLAGS_OK)
		return status;
	if (optind < argc)
		return bad_usage("top", "unexpected argument %s", argv[optind]);
	if (!screen_open()) {
		complain("top needs a terminal; for programs there is ferry stat --json");
		return EXIT_FAILURE;
	}
	err = watch(&top);
	screen_close();
	untime_all(&top);
	free(top.timed);
	free(top.rows);
	if (err)
		channel_complain(err, "list channels");
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
