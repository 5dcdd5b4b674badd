// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry list: the channels of this machine. */
#include "channel.h"
#include "ferry.h"
#include "mounts.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <json-c/json.h>

static const char usage[] =
	"Usage: ferry list [--json]\n"
	"\n"
	"Show the channels between clients (mounts, disks) and servers, one a line. IN is data\n"
	"that went to the server, OUT data that came from it.\n"
	"\n"
	"  --json      print an object with full numbers for programs\n"
	"  -h, --help  show this help\n";

#define NR_COLUMNS 13

static const char *const header[NR_COLUMNS] = {
	"ID", "NAME", "CLASS", "PLACEMENT", "STATE", "STYLE", "QUEUES", "PID", "MOUNTPOINT",
	"REQUESTS", "ERRORS", "IN", "OUT",
};

static const bool is_number[NR_COLUMNS] = {
	[0] = true, [6] = true, [7] = true, [9] = true, [10] = true, [11] = true, [12] = true,
};

struct row {
	char *cell[NR_COLUMNS];
};

static const char *class_name(const struct channel *c)
{
	return c->class == FERRY_CLASS_FS ? "fs" : c->class == FERRY_CLASS_BLOCK ? "block" : "?";
}

static const char *placement_name(const struct channel *c)
{
	return c->placement == FERRY_PLACEMENT_KERNEL ? "kernel" : "user";
}

static const char *state_name(const struct channel *c)
{
	static const char *const names[] = {
		[FERRY_STATE_WAITING]	= "waiting",
		[FERRY_STATE_LIVE]	= "live",
		[FERRY_STATE_DEAD]	= "dead",
		[FERRY_STATE_DETACHED]	= "detached",
	};

	return c->state < sizeof(names) / sizeof(names[0]) ? names[c->state] : "?";
}

/* NULL: requests are calls, nobody waits for them. */
static const char *style_name(const struct channel *c)
{
	if (c->placement == FERRY_PLACEMENT_KERNEL)
		return NULL;
	return c->flags & FERRY_CREATE_RW ? "rw" : c->flags & FERRY_CREATE_POLL ? "poll" : "sync";
}

/* The next mount of a channel, or NULL. */
static struct libmnt_fs *next_mount(struct libmnt_table *table, struct libmnt_iter *iter,
				    const struct channel *c)
{
	struct libmnt_fs *fs;
	char client[32];
	dev_t dev;

	while (table && mnt_table_next_fs(table, iter, &fs) == 0) {
		dev = mnt_fs_get_devno(fs);
		snprintf(client, sizeof(client), "%u:%u", major(dev), minor(dev));
		if (!strcmp(client, c->client) && mounts_is_ferry(fs))
			return fs;
	}
	return NULL;
}

static struct json_object *to_json(const struct channel *c, struct libmnt_table *table,
				   struct libmnt_iter *iter)
{
	struct json_object *o = json_object_new_object(), *mounts = json_object_new_array();
	const char *style = style_name(c);
	struct libmnt_fs *fs;

	mnt_reset_iter(iter, MNT_ITER_FORWARD);
	while ((fs = next_mount(table, iter, c)))
		json_object_array_add(mounts, json_object_new_string(mnt_fs_get_target(fs)));
	json_object_object_add(o, "id", json_object_new_uint64(c->id));
	json_object_object_add(o, "name", json_object_new_string(c->name));
	json_object_object_add(o, "class", json_object_new_string(class_name(c)));
	json_object_object_add(o, "placement", json_object_new_string(placement_name(c)));
	json_object_object_add(o, "state", json_object_new_string(state_name(c)));
	json_object_object_add(o, "style", style ? json_object_new_string(style) : NULL);
	json_object_object_add(o, "queues", json_object_new_uint64(c->queues));
	json_object_object_add(o, "depth", json_object_new_uint64(c->depth));
	json_object_object_add(o, "pid", c->pid ? json_object_new_uint64(c->pid) : NULL);
	json_object_object_add(o, "client", json_object_new_string(c->client));
	json_object_object_add(o, "mountpoints", mounts);
	json_object_object_add(o, "requests", json_object_new_uint64(c->requests));
	json_object_object_add(o, "errors", json_object_new_uint64(c->errors));
	json_object_object_add(o, "bytes_in", json_object_new_uint64(c->bytes_in));
	json_object_object_add(o, "bytes_out", json_object_new_uint64(c->bytes_out));
	return o;
}

static void print_json(const struct channel *channels, size_t nr, struct libmnt_table *table,
		       struct libmnt_iter *iter)
{
	struct json_object *top = json_object_new_object(), *list = json_object_new_array();
	size_t i;

	for (i = 0; i < nr; i++)
		json_object_array_add(list, to_json(&channels[i], table, iter));
	json_object_object_add(top, "channels", list);
	puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(top);
}

static char *text(const char *str)
{
	return strdup(str && *str ? str : "-");
}

static char *number(uint64_t n)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%" PRIu64, n);
	return strdup(buf);
}

static char *count(uint64_t n)
{
	char buf[32];

	return strdup(human(n, 1000, buf, sizeof(buf)));
}

static char *bytes(uint64_t n)
{
	char buf[32], with_unit[40];

	snprintf(with_unit, sizeof(with_unit), "%sB", human(n, 1024, buf, sizeof(buf)));
	return strdup(with_unit);
}

/* The disk that is a channel's client, or nothing. */
static char *device(const struct channel *c)
{
	char path[64];

	if (c->class != FERRY_CLASS_BLOCK || !*c->client)
		return text(NULL);
	snprintf(path, sizeof(path), "/dev/%s", c->client);
	return strdup(path);
}

static void fill_row(struct row *row, const struct channel *c, struct libmnt_table *table,
		     struct libmnt_iter *iter)
{
	struct libmnt_fs *fs;

	mnt_reset_iter(iter, MNT_ITER_FORWARD);
	fs = next_mount(table, iter, c);
	*row = (struct row) { {
		number(c->id), text(c->name), text(class_name(c)), text(placement_name(c)),
		text(state_name(c)), text(style_name(c)), number(c->queues),
		c->pid ? number(c->pid) : text(NULL),
		fs ? text(mnt_fs_get_target(fs)) : device(c),
		count(c->requests), count(c->errors), bytes(c->bytes_in), bytes(c->bytes_out),
	} };
}

static void print_cells(const char *const *cells, const int *width)
{
	int i;

	for (i = 0; i < NR_COLUMNS; i++)
		printf("%s%*s", i ? "  " : "", is_number[i] ? width[i] : -width[i], cells[i]);
	putchar('\n');
}

static int print_table(const struct channel *channels, size_t nr, struct libmnt_table *table,
		       struct libmnt_iter *iter)
{
	struct row *rows = calloc(nr + 1, sizeof(*rows));
	int i, len, width[NR_COLUMNS];
	size_t r;

	if (!rows) {
		complain("out of memory");
		return EXIT_FAILURE;
	}
	for (i = 0; i < NR_COLUMNS; i++)
		width[i] = (int)strlen(header[i]);
	for (r = 0; r < nr; r++) {
		fill_row(&rows[r], &channels[r], table, iter);
		for (i = 0; i < NR_COLUMNS; i++) {
			len = (int)strlen(rows[r].cell[i]);
			width[i] = len > width[i] ? len : width[i];
		}
	}
	print_cells(header, width);
	for (r = 0; r < nr; r++) {
		print_cells((const char *const *)rows[r].cell, width);
		for (i = 0; i < NR_COLUMNS; i++)
			free(rows[r].cell[i]);
	}
	free(rows);
	return EXIT_SUCCESS;
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
	if (err == -ENODEV) {
		complain("the module ferry is not loaded: modprobe ferry, or make load");
		return EXIT_FAILURE;
	}
	if (err) {
		complain("cannot list channels: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	table = mounts_read();
	iter = mnt_new_iter(MNT_ITER_FORWARD);
	if (json)
		print_json(channels, nr, table, iter);
	else
		ret = print_table(channels, nr, table, iter);
	mnt_free_iter(iter);
	mnt_unref_table(table);
	free(channels);
	return ret;
}

int cmd_list(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return bad_usage("list", "unexpected argument %s", argv[optind]);
	return list(json);
}
