// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry mount, and mount.ferry, which mount(8) calls. */
#include "daemon.h"
#include "ferry.h"
#include "modules.h"
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/options.h>
#include <ferry/req.h>
#include <linux/ferry.h>

static const char usage[] =
	"Usage: ferry mount [--in-kernel] [-f] [-o OPTIONS] BACKEND[:ARGS] DIR\n"
	"\n"
	"Mount a filesystem that BACKEND serves: as a daemon of its own (ferryd), or with\n"
	"--in-kernel as callbacks in the kernel. Options are described in ferry(7).\n"
	"\n"
	"  -k, --in-kernel        serve it in the kernel, as -o placement=kernel\n"
	"  -f, --foreground       do not send the daemon to the background\n"
	"  -o, --options OPTIONS  mount options, separated by commas\n"
	"  -h, --help             show this help\n";

static const char helper_usage[] =
	"Usage: mount.ferry BACKEND[:ARGS] DIR [-fnsv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]\n"
	"\n"
	"Called by mount(8) for filesystems of type ferry.\n"
	"\n"
	"  -f            check what can be checked, mount nothing\n"
	"  -n            ignored\n"
	"  -s            ignore mount options that are unknown\n"
	"  -v            say what is done\n"
	"  -N NAMESPACE  mount in another mount namespace: a process id or a file\n"
	"  -o OPTIONS    mount options, separated by commas\n"
	"  -t TYPE       ignored\n"
	"  -h            show this help\n";

/* Before all that is given: ferryd and the kernel have it the other way. */
#define DEFAULTS	"allow_other"

/* What mount(8) wants to hear of a failed mount */
#define HELPER_USAGE	1
#define HELPER_FAILED	32

/**
 * struct mount - what is asked for
 * @text: what stood behind -o, with a default before it that ferryd has not
 * @opts: the same, taken apart
 */
struct mount {
	const char *source;
	const char *dir;
	bool foreground;
	bool fake;
	bool verbose;
	char *text;
	bool in_kernel;
	struct ferry_options opts;
};

static bool is_remount(const struct mount *m)
{
	return ferry_opt_has(m->opts.rest, "remount");
}

static int check_dir(const struct mount *m)
{
	bool remount = is_remount(m);
	struct libmnt_table *table = mounts_read();
	struct libmnt_fs *fs = table ? mounts_at(table, m->dir) : NULL;
	struct stat st;
	int ret = 0;

	if (fs && !remount) {
		complain("%s: in use, %s is mounted there; %s %s first", m->dir,
			 mnt_fs_get_source(fs), mounts_is_ferry(fs) ? "ferry umount" : "umount",
			 m->dir);
		ret = -EBUSY;
	} else if (remount && (!fs || !mounts_is_ferry(fs))) {
		complain("%s: no ferry mount to remount", m->dir);
		ret = -EINVAL;
	} else if (!fs && stat(m->dir, &st)) {
		ret = -errno;
		complain("%s: %s%s", m->dir, strerror(errno),
			 errno == ENOENT ? "; mkdir it first" : "");
	} else if (!fs && !S_ISDIR(st.st_mode)) {
		ret = -ENOTDIR;
		complain("%s: %s", m->dir, strerror(ENOTDIR));
	}
	mnt_unref_table(table);
	return ret;
}

/* What ferryd would say of the backend before it asks the kernel; its arguments it knows itself. */
static int check_backend(const char *source)
{
	const struct ferry_backend *backend;
	char name[FERRY_NAME_MAX];
	size_t len;
	int ret;

	ferry_source_args(source, &len);
	snprintf(name, sizeof(name), "%.*s", (int)len, source);
	ret = ferry_backend_load(name, &backend);
	if (ret || backend->fs)
		return ret;
	complain("%s: is no filesystem%s", name,
		 backend->block ? ": it is a disk, see 'ferry disk --help'" : "");
	return -EOPNOTSUPP;
}

/* Returns only if it fails; ferryd has the last word on everything else. */
static int exec_ferryd(const struct mount *m)
{
	char path[PATH_MAX];
	const char *ferryd = ferryd_find(path, sizeof(path));
	const char *argv[8] = { "ferryd" };
	int n = 1, i;

	if (m->foreground)
		argv[n++] = "-f";
	argv[n++] = "-o";
	argv[n++] = m->text;
	argv[n++] = "--";
	argv[n++] = m->source;
	argv[n++] = m->dir;
	if (m->verbose) {
		printf("%s", ferryd);
		for (i = 1; i < n; i++)
			printf(" %s", argv[i]);
		putchar('\n');
		fflush(stdout);
	}
	if (m->fake)
		return check_backend(m->source);
	execvp(ferryd, (char *const *)argv);
	return ferryd_complain(ferryd);
}

static bool is_filesystem(const char *name)
{
	const struct ferry_backend *backend;

	return !ferry_backend_load(name, &backend) && backend->fs;
}

/* Those in the kernel, and those that would be if they were asked for. */
static void complain_unknown(const char *source)
{
	struct backends list = { 0 };
	char names[256] = "";
	size_t i, used = 0;

	backends_loaded(&list);
	backends_installed(&list);
	for (i = 0; i < list.nr && used < sizeof(names); i++) {
		if (i && !strcmp(list.names[i], list.names[i - 1]))
			continue;
		if (is_filesystem(list.names[i]))
			used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
						 list.names[i]);
	}
	backends_free(&list);
	complain("%s: no such backend in the kernel (module ferry-%.*s); there %s%s", source,
		 (int)strcspn(source, ":"), source, used ? "are" : "is none", names);
}

/* What says how a daemon is to serve is not used; of a deadline one may rely on it. */
int check_in_kernel(const struct ferry_options *opts, const char *but)
{
	unsigned int next = 0;
	const char *name;

	if (opts->session.timeout) {
		complain("option timeout is a daemon's: a request to the kernel has no deadline");
		return -EINVAL;
	}
	while ((name = ferry_options_next(opts, &next))) {
		if (!but || strcmp(name, but))
			complain("option %s is a daemon's: not used in the kernel", name);
	}
	return 0;
}

static int mount_in_kernel(const struct mount *m)
{
	int ret;

	if (m->verbose)
		printf("%s %s in the kernel on %s\n", is_remount(m) ? "remount" : "mount",
		       m->source, m->dir);
	if (m->fake)
		return 0;
	ret = ferry_mount(m->source, m->dir, m->opts.rest);
	if (ret == -ENOENT)
		complain_unknown(m->source);
	return ret;
}

static int do_mount(const struct mount *m)
{
	int ret = check_dir(m);

	if (!ret)
		ret = ferry_mount_check(m->opts.rest);
	if (ret)
		return ret;
	return m->in_kernel || is_remount(m) ? mount_in_kernel(m) : exec_ferryd(m);
}

static int enter_namespace(const char *ns)
{
	char path[PATH_MAX];
	int fd, err = 0;

	if (ns[strspn(ns, "0123456789")])
		snprintf(path, sizeof(path), "%s", ns);
	else
		snprintf(path, sizeof(path), "/proc/%s/ns/mnt", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNS)) {
		err = -errno;
		complain("mount namespace %s: %s", ns, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

static void add_options(struct mount *m, const char *options)
{
	mnt_optstr_append_option(&m->text, options, NULL);
}

/* Return: -EINVAL or -ENOMEM, after a complaint */
static int parse(struct mount *m, char **argv)
{
	int ret = ferry_options_parse(&m->opts, m->text);

	m->source = argv[optind];
	m->dir = argv[optind + 1];
	if (ret)
		return ret;
	m->in_kernel |= m->opts.placement && !strcmp(m->opts.placement, "kernel");
	ret = ferry_source_check(m->source);
	return !ret && m->in_kernel ? check_in_kernel(&m->opts, NULL) : ret;
}

static void free_mount(struct mount *m)
{
	ferry_options_free(&m->opts);
	free(m->text);
}

int cmd_mount(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "in-kernel", no_argument, NULL, 'k' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "options", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct mount m = { 0 };
	int opt, status;

	add_options(&m, DEFAULTS);
	while ((opt = getopt_long(argc, argv, "kfo:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'k':
			m.in_kernel = true;
			break;
		case 'f':
			m.foreground = true;
			break;
		case 'o':
			add_options(&m, optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 2) {
		free_mount(&m);
		return bad_usage("mount", "BACKEND[:ARGS] and DIR are needed");
	}
	if (parse(&m, argv))
		status = EXIT_USAGE;
	else
		status = do_mount(&m) ? EXIT_FAILURE : EXIT_SUCCESS;
	free_mount(&m);
	return status;
}

int mount_helper(int argc, char **argv)
{
	struct mount m = { 0 };
	const char *ns = NULL;
	int opt, ret;

	add_options(&m, DEFAULTS);
	while ((opt = getopt(argc, argv, "fnsvN:o:t:h")) != -1) {
		switch (opt) {
		case 'f':
			m.fake = true;
			break;
		case 'n':
		case 't':
			break;
		case 's':
			mnt_optstr_prepend_option(&m.text, "sloppy", NULL);
			break;
		case 'v':
			m.verbose = true;
			break;
		case 'N':
			ns = optarg;
			break;
		case 'o':
			add_options(&m, optarg);
			break;
		case 'h':
			fputs(helper_usage, stdout);
			return EXIT_SUCCESS;
		default:
			return HELPER_USAGE;
		}
	}
	if (argc - optind != 2) {
		complain("BACKEND[:ARGS] and DIR are needed; mount(8) calls this program");
		return HELPER_USAGE;
	}
	ret = parse(&m, argv);
	if (!ret && ns)
		ret = enter_namespace(ns);
	if (!ret)
		ret = do_mount(&m);
	free_mount(&m);
	return ret ? HELPER_FAILED : EXIT_SUCCESS;
}
