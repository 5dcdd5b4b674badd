// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry: one command, a verb for each thing to do. */
#include "ferry.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb {
	const char *name;
	const char *title;	/* argv[0], so that getopt's messages begin with it */
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{ "mount", "ferry mount", cmd_mount, "mount a filesystem, served by a daemon or in the kernel" },
	{ "umount", "ferry umount", cmd_umount, "take a ferry mount away" },
	{ "disk", "ferry disk", cmd_disk, "add, remove, resize and list disks" },
	{ "list", "ferry list", cmd_list, "show the channels: who serves what, where and how much" },
	{ "stat", "ferry stat", cmd_stat, "show what channels have counted, by kind of request" },
	{ "top", "ferry top", cmd_top, "watch the channels at work" },
	{ "events", "ferry events", cmd_events, "tell what happens to channels, as it happens" },
	{ "set", "ferry set", cmd_set, "change settings of a channel" },
	{ "move", "ferry move", cmd_move, "move a server into the kernel or out of it, while it is used" },
	{ "upgrade", "ferry upgrade", cmd_upgrade, "exchange a daemon for a new one, while it is used" },
	{ "recover", "ferry recover", cmd_recover, "start a daemon for a channel that has lost its own" },
	{ "abort", "ferry abort", cmd_abort, "end a channel" },
	{ "bench", "ferry bench", cmd_bench, "measure placements and wait styles against FUSE and tmpfs" },
	{ "version", "ferry version", cmd_version, "show versions of command, module and kernel" },
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

int bad_usage(const char *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "ferry %s: ", verb);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "; see ferry %s --help\n", verb);
	va_end(ap);
	return EXIT_USAGE;
}

const char *human(uint64_t n, unsigned int base, char *buf, size_t size)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
	static const char *const binary[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	double value = (double)n;
	size_t i = 0;

	while (value >= base && i < 6) {
		value /= base;
		i++;
	}
	snprintf(buf, size, "%.*f%s", i && value < 100 ? 1 : 0, value,
		 base == 1024 ? binary[i] : units[i]);
	return buf;
}

static void print_help(void)
{
	size_t i;

	puts("Usage: ferry VERB [ARGUMENTS]\n");
	for (i = 0; i < NR_VERBS; i++)
		printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
	puts("  help      show help for a verb: ferry help VERB, or ferry VERB --help");
	puts("\nSee ferry(8), and ferry(7) for what ferry is.");
}

/* How many single-letter changes make @a of @b. */
static size_t distance(const char *a, const char *b)
{
	size_t row[16], i, j, diag, up, n = strlen(b);

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		diag = row[0];
		row[0] = i;
		for (j = 1; j <= n; j++) {
			up = row[j];
			row[j] = diag + (a[i - 1] != b[j - 1]);
			if (row[j] > up + 1)
				row[j] = up + 1;
			if (row[j] > row[j - 1] + 1)
				row[j] = row[j - 1] + 1;
			diag = up;
		}
	}
	return row[n];
}

static int unknown_verb(const char *name)
{
	size_t i, d, least = 3;
	const char *near = NULL;

	for (i = 0; i < NR_VERBS; i++) {
		d = distance(name, verbs[i].name);
		if (d < least) {
			least = d;
			near = verbs[i].name;
		}
	}
	if (near)
		complain("unknown verb '%s'; did you mean '%s'?", name, near);
	else
		complain("unknown verb '%s'; ferry help lists them", name);
	return EXIT_USAGE;
}

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < NR_VERBS; i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	argv[0] = (char *)verb->title;
	return verb->run(argc, argv);
}

static int help(const char *name)
{
	char *argv[] = { NULL, (char *)"--help", NULL };
	const struct verb *verb;

	if (!name || !strcmp(name, "help")) {
		print_help();
		return EXIT_SUCCESS;
	}
	verb = find_verb(name);
	return verb ? run(verb, 2, argv) : unknown_verb(name);
}

/*
 * The module, where it calls us, gives us no files: what we and ferryd say goes to its log. Whoever
 * closes one of the others alone: no file of ours is to come to its place.
 */
static void open_stdio(void)
{
	while (fcntl(STDERR_FILENO, F_GETFD) < 0) {
		if (open(fcntl(STDIN_FILENO, F_GETFD) < 0 ? "/dev/null" : "/dev/kmsg", O_RDWR) < 0)
			return;
	}
	while (fcntl(STDIN_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0) {
		if (open("/dev/null", O_RDONLY) < 0)
			return;
	}
}

/* Half a list, or none, is no success. Who reads no more has seen enough. */
static int end(int status)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	bool lost = ferror(stdout);
	int err = fflush(stdout) ? errno : 0;

	if ((!lost && !err) || (poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP)))
		return status;
	complain("standard output: %s", err ? strerror(err) : "not all of it could be written");
	return status ? status : EXIT_FAILURE;
}

static int command(int argc, char **argv)
{
	const struct verb *verb;

	if (!strcmp(program_invocation_short_name, "mount.ferry"))
		return mount_helper(argc, argv);
	if (argc < 2) {
		complain("a verb is needed; ferry help lists them");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help(argv[2]);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		argv[1] = (char *)"version";
	verb = find_verb(argv[1]);
	return verb ? run(verb, argc - 1, argv + 1) : unknown_verb(argv[1]);
}

int main(int argc, char **argv)
{
	open_stdio();
	/* How wide a name is. */
	setlocale(LC_CTYPE, "");
	return end(command(argc, argv));
}
