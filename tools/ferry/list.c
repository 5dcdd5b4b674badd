// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry list: the channels of this machine. */
#include "channel.h"
#include "ferry.h"
#include "flags.h"
#include "mounts.h"
#include "table.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

static const char usage[] =
	"Usage: ferry list [--json]\n"
	"\n"
	"Show the channels between clients (mounts, disks) and servers, one a line. IN is\n"
	"data that went to the server, OUT data that came from it. Users see their own\n"
	"channels, root sees all.\n"
	"\n"
	"  --json      print an object with full numbers for programs\n"
	"  -h, --help  show this help\n";

static const struct column columns[] = {
	{ "ID", true }, { "NAME", false }, { "CLASS", false }, { "PLACEMENT", false },
	{ "STATE", false }, { "STYLE", false }, { "QUEUES", true }, { "PID", true },
	{ "PLACE", false }, { "REQUESTS", true }, { "ERRORS", true }, { "IN", true },
	{ "OUT", true },
};

static struct json_object *to_json(const struct channel *c, struct libmnt_table *table,
				   struct libmnt_iter *iter)
{
	struct json_object *o = json_object_new_object(), *mounts = json_object_new_array();
	const char *style = style_name(c);
	struct libmnt_fs *fs;

	mnt_reset_iter(iter, MNT_ITER_FORWARD);
	while ((fs = channel_next_mount(table, iter, c)))
		json_object_array_add(mounts, json_object_new_string(mnt_fs_get_target(fs)));
	json_object_object_add(o, "id", json_object_new_uint64(c->id));
	json_object_object_add(o, "name", json_object_new_string(c->name));
	json_object_object_add(o, "class", json_object_new_string(class_name(c->class)));
	json_object_object_add(o, "placement",
			       json_object_new_string(placement_name(c->placement)));
	json_object_object_add(o, "state", json_object_new_string(state_name(c->state)));
	json_object_object_add(o, "style", style ? json_object_new_string(style) : NULL);
	json_object_object_add(o, "queues", json_object_new_uint64(c->queues));
	json_object_object_add(o, "depth", json_object_new_uint64(c->depth));
	json_object_object_add(o, "pid", c->pid ? json_object_new_uint64(c->pid) : NULL);
	json_object_object_add(o, "uid", json_object_new_uint64(c->uid));
	json_object_object_add(o, "client",
			       *c->client ? json_object_new_string(c->client) : NULL);
	json_object_object_add(o, "mountpoints", mounts);
	json_object_object_add(o, "requests", json_object_new_uint64(c->counts.requests));
	json_object_object_add(o, "errors", json_object_new_uint64(c->counts.errors));
	json_object_object_add(o, "in_flight", json_object_new_uint64(c->counts.in_flight));
	json_object_object_add(o, "stalls", json_object_new_uint64(c->stalls));
	settings_to_json(c, o);
	json_object_object_add(o, "bytes_in", json_object_new_uint64(c->counts.bytes_in));
	json_object_object_add(o, "bytes_out", json_object_new_uint64(c->counts.bytes_out));
	return o;
}

static void print_json(const struct channel *channels, size_t nr, struct libmnt_table *table,
		       struct libmnt_iter *iter)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < nr; i++)
		json_object_array_add(list, to_json(&channels[i], table, iter));
	channels_print_json(list);
}

static int print_table(const struct channel *channels, size_t nr, struct libmnt_table *mounts)
{
	struct table table = { columns, sizeof(columns) / sizeof(columns[0]), NULL, 0, false };
	const struct channel *c;
	char place[PATH_MAX];

	for (c = channels; c < channels + nr; c++) {
		table_number(&table, c->id);
		table_text(&table, c->name);
		table_text(&table, class_name(c->class));
		table_text(&table, placement_name(c->placement));
		table_text(&table, state_name(c->state));
		table_text(&table, style_name(c));
		table_number(&table, c->queues);
		if (c->pid)
			table_number(&table, c->pid);
		else
			table_text(&table, NULL);
		table_text(&table, channel_place(mounts, c, place, sizeof(place)));
		table_count(&table, c->counts.requests);
		table_count(&table, c->counts.errors);
		table_bytes(&table, c->counts.bytes_in);
		table_bytes(&table, c->counts.bytes_out);
	}
	return table_print(&table);
}

static int list(bool json)
{
	struct libmnt_table *table;
	struct libmnt_iter *iter;
	struct channel *channels;
	int ret = EXIT_SUCCESS;
	size_t nr;
	int err;

	err = channels_get(&channels, &nr);
	if (err) {
		channel_complain(err, "list channels");
		return EXIT_FAILURE;
	}
	table = mounts_read();
	iter = mnt_new_iter(MNT_ITER_FORWARD);
	if (json)
		print_json(channels, nr, table, iter);
	else
		ret = print_table(channels, nr, table);
	mnt_free_iter(iter);
	mnt_unref_table(table);
	free(channels);
	return ret;
}

int cmd_list(int argc, char **argv)
{
	bool json = false;
	const struct flag flags[] = { { "json", &json }, { 0 } };
	int status = flags_parse(argc, argv, usage, flags);

	if (status != FLAGS_OK)
		return status;
	if (optind < argc)
		return bad_usage("list", "unexpected argument %s", argv[optind]);
	return list(json);
}
