// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry disk: add, remove, resize and list disks. */
#include "channel.h"
#include "daemon.h"
#include "ferry.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmount.h>

#include <ferry/options.h>
#include <ferry/req.h>
#include <ferry/session.h>

static const char usage[] =
	"Usage: ferry disk add [--in-kernel] [-f] [-o OPTIONS] BACKEND[:ARGS]\n"
	"       ferry disk del [-f] DISK...\n"
	"       ferry disk resize DISK [SIZE]\n"
	"       ferry disk list\n"
	"\n"
	"Add a disk that BACKEND serves, as a daemon of its own (ferryd) or with --in-kernel\n"
	"as callbacks in the kernel, and print its name; remove disks; give one another SIZE,\n"
	"or all that lies under it by now; list them. Options are described in ferry(8).\n"
	"\n"
	"  -k, --in-kernel        add: serve it in the kernel\n"
	"  -f, --foreground       add: do not send the daemon to the background\n"
	"  -f, -F, --force        del: although it is in use; what is written to it is lost\n"
	"  -o, --options OPTIONS  add: options of daemon and disk, separated by commas\n"
	"  -h, --help             show this help\n";

/* --foreground, where -f is something else */
#define FOREGROUND	'g'

/**
 * struct command - what was asked for
 * @f: --foreground of add, --force of del
 * @options: what stood behind -o, or NULL
 */
struct command {
	bool in_kernel;
	bool f;
	const char *options;
};

/* Returns only if it fails; ferryd says what is wrong with its arguments. */
static int exec_ferryd(const struct command *cmd, const char *source)
{
	const char *argv[8] = { "ferryd", "--disk" };
	char path[PATH_MAX];
	const char *ferryd = ferryd_find(path, sizeof(path));
	int n = 2;

	if (cmd->f)
		argv[n++] = "-f";
	if (cmd->options) {
		argv[n++] = "-o";
		argv[n++] = cmd->options;
	}
	argv[n++] = "--";
	argv[n++] = source;
	execvp(ferryd, (char *const *)argv);
	ferryd_complain(ferryd);
	return EXIT_FAILURE;
}

static int add_in_kernel(const char *source, const struct ferry_disk_options *options)
{
	const char *args;
	char *name;
	size_t len;
	int index;

	args = ferry_source_args(source, &len);
	name = strndup(source, len);
	if (!name)
		return EXIT_FAILURE;
	index = ferry_disk_add(name, args, source, options);
	free(name);
	if (index < 0)
		return EXIT_FAILURE;
	printf("/dev/ferryb%d\n", index);
	return EXIT_SUCCESS;
}

static int add(struct command *cmd, int argc, char **argv)
{
	struct ferry_disk_options of_disk;
	struct ferry_options options = { 0 };
	int err;

	if (argc != 1)
		return bad_usage("disk", "add wants one BACKEND[:ARGS]");
	err = ferry_options_parse(&options, cmd->options);
	if (!err)
		err = ferry_disk_options_parse(options.rest, &of_disk);
	cmd->in_kernel |= options.placement && !strcmp(options.placement, "kernel");
	if (!err && cmd->in_kernel)
		err = check_in_kernel(&options, "depth");
	if (!err && cmd->in_kernel && of_disk.timeout) {
		complain("option io_timeout is a daemon's: a request to the kernel has no deadline");
		err = -EINVAL;
	}
	ferry_options_free(&options);
	if (err || ferry_source_check(argv[0]))
		return EXIT_USAGE;
	of_disk.depth = options.session.depth;
	return cmd->in_kernel ? add_in_kernel(argv[0], &of_disk) : exec_ferryd(cmd, argv[0]);
}

/* The number of /dev/ferrybN or ferrybN; -1 after a complaint. */
static int parse_disk(const char *name)
{
	const char *s = name;
	char *end;
	long n;

	if (!strncmp(s, "/dev/", 5))
		s += 5;
	if (!strncmp(s, "ferryb", 6) && s[6] >= '0' && s[6] <= '9') {
		errno = 0;
		n = strtol(s + 6, &end, 10);
		if (!*end && !errno && n <= INT_MAX)
			return (int)n;
	}
	complain("%s: not a disk of ferry; ferry disk list names them", name);
	return -1;
}

static int del(struct command *cmd, int argc, char **argv)
{
	int ret = EXIT_SUCCESS, i;

	if (!argc)
		return bad_usage("disk", "del wants a DISK");
	for (i = 0; i < argc; i++) {
		if (parse_disk(argv[i]) < 0)
			return EXIT_USAGE;
	}
	for (i = 0; i < argc; i++) {
		if (ferry_disk_del((u32)parse_disk(argv[i]), cmd->f))
			ret = EXIT_FAILURE;
	}
	return ret;
}

static int parse_size(const char *s, u64 *bytes)
{
	char option[64];

	if (snprintf(option, sizeof(option), "size=%s", s) < (int)sizeof(option) &&
	    !strchr(s, ',') && !ferry_opt_size(option, "size", bytes) && *bytes)
		return 0;
	complain("%s: not a size; bytes are wanted, or 512M, 2G", s);
	return -EINVAL;
}

static int resize(struct command *cmd, int argc, char **argv)
{
	u64 bytes = 0;
	int n;

	if (argc != 1 && argc != 2)
		return bad_usage("disk", "resize wants a DISK, and maybe a SIZE");
	n = parse_disk(argv[0]);
	if (n < 0 || (argc == 2 && parse_size(argv[1], &bytes)))
		return EXIT_USAGE;
	return ferry_disk_resize((u32)n, &bytes) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A number from /sys/block/DISK/FILE, 0 if there is none. */
static uint64_t sys_number(const char *disk, const char *file)
{
	char path[128];
	uint64_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/%s", disk, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* The backends that serve it, filters first. */
static void get_backends(const struct channel *c, char *names, int size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/ferry/backend", c->client);
	f = fopen(path, "re");
	if (!f || !fgets(names, size, f))
		snprintf(names, size, "%s", c->name);
	names[strcspn(names, "\n")] = '\0';
	if (f)
		fclose(f);
}

static void print_disk(const struct channel *c)
{
	char size[32], names[256];

	get_backends(c, names, sizeof(names));
	human(sys_number(c->client, "size") * 512, 1024, size, sizeof(size));
	printf("%-16s %8sB %-5" PRIu64 " %-2" PRIu64 " %-9s %-10s %7" PRIu32 "  %s\n", c->client,
	       size, sys_number(c->client, "queue/logical_block_size"),
	       sys_number(c->client, "ro"),
	       placement_name(c->placement), state_name(c->state), c->id, names);
}

static int list(struct command *cmd, int argc, char **argv)
{
	struct channel *channels;
	size_t i, nr;
	int err;

	if (argc)
		return bad_usage("disk", "list wants no arguments");
	err = channels_get(&channels, &nr);
	if (err) {
		channel_complain(err, "list disks");
		return EXIT_FAILURE;
	}
	printf("%-16s %9s %-5s %-2s %-9s %-10s %7s  %s\n", "NAME", "SIZE", "BLOCK", "RO",
	       "PLACEMENT", "STATE", "CHANNEL", "BACKEND");
	for (i = 0; i < nr; i++) {
		if (channels[i].class == FERRY_CLASS_BLOCK && *channels[i].client)
			print_disk(&channels[i]);
	}
	free(channels);
	return EXIT_SUCCESS;
}

static const struct option longs[] = {
	{ "in-kernel", no_argument, NULL, 'k' },
	{ "foreground", no_argument, NULL, FOREGROUND },
	{ "force", no_argument, NULL, 'F' },
	{ "options", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* @options: the letters of those that it takes */
static const struct verb {
	const char *name;
	const char *options;
	int (*run)(struct command *cmd, int argc, char **argv);
} verbs[] = {
	{ "add", "kfgo", add },
	{ "del", "fF", del },
	{ "resize", "", resize },
	{ "list", "", list },
	{ 0 },
};

static int bad_option(const char *verb, char letter)
{
	const struct option *option = longs;

	while (option->name && option->val != letter)
		option++;
	return option->name ? bad_usage("disk", "%s takes no --%s", verb, option->name) :
			      bad_usage("disk", "%s takes no -%c", verb, letter);
}

int cmd_disk(int argc, char **argv)
{
	struct command cmd = { 0 };
	const struct verb *verb = verbs;
	char given[sizeof("kfgFo")] = "", *options = NULL, wrong;
	const char *what;
	int opt;

	while ((opt = getopt_long(argc, argv, "kfFo:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'k':
			cmd.in_kernel = true;
			break;
		case 'f':
		case 'F':
		case FOREGROUND:
			cmd.f = true;
			break;
		case 'o':
			/* For the rest of our life. */
			mnt_optstr_append_option(&options, optarg, NULL);
			cmd.options = options;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
		if (!strchr(given, opt))
			given[strlen(given)] = (char)opt;
	}
	what = argv[optind];
	if (!what)
		return bad_usage("disk", "add, del, resize or list?");
	while (verb->name && strcmp(verb->name, what))
		verb++;
	if (!verb->name)
		return bad_usage("disk", "there is no %s: add, del, resize and list there are", what);
	wrong = given[strspn(given, verb->options)];
	if (wrong)
		return bad_option(what, wrong);
	return verb->run(&cmd, argc - optind - 1, argv + optind + 1);
}
