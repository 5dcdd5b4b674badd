// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry stat: what a channel counts, by opcode. */
#include "channel.h"
#include "ferry.h"
#include "flags.h"
#include "mounts.h"
#include "table.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

static const char usage[] =
	"Usage: ferry stat [--json] [NAME]\n"
	"\n"
	"Show what a channel has counted since it was made, a line for each kind of\n"
	"request. NAME is its number, mount point, disk or backend; all channels without.\n"
	"Times are taken while the channel's setting latency is on: see ferry set.\n"
	"\n"
	"  --json      print an object with full numbers for programs\n"
	"  -h, --help  show this help\n";

static const struct column columns[] = {
	{ "OPCODE", false }, { "REQUESTS", true }, { "ERRORS", true }, { "UNDER WAY", true },
	{ "IN", true }, { "OUT", true }, { "MEAN", true }, { "P50", true }, { "P99", true },
};

static const char *op_name(const struct op *op, char *buf, size_t size)
{
	const char *name = opcode_name(op->class, op->opcode);

	if (name)
		return name;
	snprintf(buf, size, "%u", op->opcode);
	return buf;
}

static double mean(const struct op *op)
{
	return op->timed ? (double)op->nsecs / (double)op->timed : 0;
}

/* How requests crossed the line; nothing for those that are calls. */
static void print_ways(const struct channel *c)
{
	char buf[6][16];

	if (c->placement == FERRY_PLACEMENT_KERNEL)
		return;
	printf("servers: handed %s, posted %s, queued %s; clients: spun %s, in vain %s, slept %s\n",
	       human(c->handed, 1000, buf[0], sizeof(buf[0])),
	       human(c->posted, 1000, buf[1], sizeof(buf[1])),
	       human(c->queued, 1000, buf[2], sizeof(buf[2])),
	       human(c->spun, 1000, buf[3], sizeof(buf[3])),
	       human(c->spun_out, 1000, buf[4], sizeof(buf[4])),
	       human(c->slept, 1000, buf[5], sizeof(buf[5])));
}

static int print_channel(const struct channel *c, const struct op *ops, size_t nr,
			 struct libmnt_table *mounts)
{
	struct table table = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, false };
	const char *style = style_name(c);
	char place[PATH_MAX], name[16], *where;
	const struct op *op;
	int width;

	where = shown(channel_place(mounts, c, place, sizeof(place)), &width);
	printf("channel %u: %s, %s%s%s, %s%s%s", c->id, c->name, placement_name(c->placement),
	       style ? " " : "", style ? style : "", state_name(c->state), *place ? ", " : "",
	       where ? where : "?");
	free(where);
	if (c->stalls)
		printf("; stalled %llu times", (unsigned long long)c->stalls);
	putchar('\n');
	settings_print(c);
	print_ways(c);
	for (op = ops; op < ops + nr; op++) {
		if (op->id != c->id)
			continue;
		table_text(&table, op_name(op, name, sizeof(name)));
		table_count(&table, op->counts.requests);
		table_count(&table, op->counts.errors);
		table_count(&table, op->counts.in_flight);
		table_bytes(&table, op->counts.bytes_in);
		table_bytes(&table, op->counts.bytes_out);
		table_nsecs(&table, mean(op));
		table_nsecs(&table, latency(op->latencies, 0.5));
		table_nsecs(&table, latency(op->latencies, 0.99));
	}
	return table_print(&table);
}

static struct json_object *op_to_json(const struct op *op)
{
	struct json_object *o = json_object_new_object(), *buckets = json_object_new_array();
	char name[16];
	int i;

	for (i = 0; i < FERRY_LATENCY_BUCKETS; i++)
		json_object_array_add(buckets, json_object_new_uint64(op->latencies[i]));
	json_object_object_add(o, "opcode", json_object_new_uint64(op->opcode));
	json_object_object_add(o, "name", json_object_new_string(op_name(op, name, sizeof(name))));
	json_object_object_add(o, "requests", json_object_new_uint64(op->counts.requests));
	json_object_object_add(o, "errors", json_object_new_uint64(op->counts.errors));
	json_object_object_add(o, "in_flight", json_object_new_uint64(op->counts.in_flight));
	json_object_object_add(o, "bytes_in", json_object_new_uint64(op->counts.bytes_in));
	json_object_object_add(o, "bytes_out", json_object_new_uint64(op->counts.bytes_out));
	json_object_object_add(o, "timed", json_object_new_uint64(op->timed));
	json_object_object_add(o, "mean_ns", json_object_new_double(mean(op)));
	json_object_object_add(o, "p50_ns", json_object_new_double(latency(op->latencies, 0.5)));
	json_object_object_add(o, "p99_ns", json_object_new_double(latency(op->latencies, 0.99)));
	json_object_object_add(o, "log2_ns", buckets);
	return o;
}

static struct json_object *to_json(const struct channel *c, const struct op *ops, size_t nr)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	size_t i;

	for (i = 0; i < nr; i++) {
		if (ops[i].id == c->id)
			json_object_array_add(list, op_to_json(&ops[i]));
	}
	json_object_object_add(o, "id", json_object_new_uint64(c->id));
	json_object_object_add(o, "name", json_object_new_string(c->name));
	settings_to_json(c, o);
	json_object_object_add(o, "stalls", json_object_new_uint64(c->stalls));
	json_object_object_add(o, "handed", json_object_new_uint64(c->handed));
	json_object_object_add(o, "posted", json_object_new_uint64(c->posted));
	json_object_object_add(o, "queued", json_object_new_uint64(c->queued));
	json_object_object_add(o, "spun", json_object_new_uint64(c->spun));
	json_object_object_add(o, "spun_out", json_object_new_uint64(c->spun_out));
	json_object_object_add(o, "slept", json_object_new_uint64(c->slept));
	json_object_object_add(o, "ops", list);
	return o;
}

static void print_json(const struct channel *channels, size_t nr_channels, const struct op *ops,
		       size_t nr)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < nr_channels; i++)
		json_object_array_add(list, to_json(&channels[i], ops, nr));
	channels_print_json(list);
}

static int show(const struct channel *channels, size_t nr_channels, bool json)
{
	struct libmnt_table *mounts = NULL;
	int err, status = EXIT_SUCCESS;
	struct op *ops;
	size_t i, nr;

	err = ops_get(nr_channels == 1 ? channels[0].id : 0, &ops, &nr);
	if (err) {
		channel_complain(err, "read the counts");
		return EXIT_FAILURE;
	}
	if (json) {
		print_json(channels, nr_channels, ops, nr);
	} else {
		mounts = mounts_read();
		for (i = 0; i < nr_channels && !status; i++) {
			if (i)
				putchar('\n');
			status = print_channel(&channels[i], ops, nr, mounts);
		}
	}
	mnt_unref_table(mounts);
	free(ops);
	return status;
}

int cmd_stat(int argc, char **argv)
{
	bool json = false;
	const struct flag flags[] = { { "json", &json }, { 0 } };
	int err, status = flags_parse(argc, argv, usage, flags);
	struct channel one, *all;
	size_t nr;

	if (status != FLAGS_OK)
		return status;
	if (argc - optind > 1)
		return bad_usage("stat", "unexpected argument %s", argv[optind + 1]);
	if (optind < argc)
		return channel_find(argv[optind], &one) ? EXIT_FAILURE : show(&one, 1, json);
	err = channels_get(&all, &nr);
	if (err) {
		channel_complain(err, "list channels");
		return EXIT_FAILURE;
	}
	status = show(all, nr, json);
	free(all);
	return status;
}
