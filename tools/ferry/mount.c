// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry mount, and mount.ferry, which mount(8) calls. */
#include "daemon.h"
#include "ferry.h"
#include "fsmount.h"
#include "mounts.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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
	"  -f            check everything, mount nothing\n"
	"  -n            ignored\n"
	"  -s            ignore mount options that are unknown\n"
	"  -v            say what is done\n"
	"  -N NAMESPACE  mount in another mount namespace: a process id or a file\n"
	"  -o OPTIONS    mount options, separated by commas\n"
	"  -t TYPE       ignored\n"
	"  -h            show this help\n";

/* What mount(8) wants to hear of a failed mount */
#define HELPER_USAGE	1
#define HELPER_FAILED	32

struct mount {
	const char *source;
	const char *dir;
	bool foreground;
	bool fake;
	bool verbose;
	struct options opts;
};

int check_source(const char *source)
{
	size_t len = strcspn(source, ":+"), i;

	for (i = 0; i < len; i++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    source[i]))
			break;
	}
	if (!len || i < len || source[0] == '.') {
		complain("%s: not a backend's name; BACKEND[:ARGS] is needed, as memfs:size=1G",
			 source);
		return -EINVAL;
	}
	if (len >= FERRY_NAME_MAX) {
		complain("%s: a backend's name has at most %d characters", source,
			 FERRY_NAME_MAX - 1);
		return -EINVAL;
	}
	return 0;
}

static int check_dir(const struct mount *m)
{
	bool remount = m->opts.flags & MS_REMOUNT;
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

/* Returns only if it fails; ferryd has the last word on everything else. */
static int exec_ferryd(const struct mount *m)
{
	char path[PATH_MAX], *options = options_for_ferryd(&m->opts);
	const char *ferryd = ferryd_find(path, sizeof(path));
	const char *argv[7] = { "ferryd" };
	int n = 1, i, err;

	if (!options)
		return -ENOMEM;
	if (m->foreground)
		argv[n++] = "-f";
	if (*options) {
		argv[n++] = "-o";
		argv[n++] = options;
	}
	argv[n++] = m->source;
	argv[n++] = m->dir;
	if (m->verbose) {
		printf("%s", ferryd);
		for (i = 1; i < n; i++)
			printf(" %s", argv[i]);
		putchar('\n');
		fflush(stdout);
	}
	if (m->fake) {
		free(options);
		return 0;
	}
	execvp(ferryd, (char *const *)argv);
	err = ferryd_complain(ferryd);
	free(options);
	return err;
}

static int do_mount(const struct mount *m)
{
	bool remount = m->opts.flags & MS_REMOUNT;
	int ret;

	ret = check_dir(m);
	if (ret)
		return ret;
	if (!m->opts.kernel && !remount) {
		ret = fsmount_check(&m->opts);
		return ret ? ret : exec_ferryd(m);
	}
	if (m->verbose)
		printf("%s %s in the kernel on %s\n", remount ? "remount" : "mount",
		       m->source, m->dir);
	if (m->fake)
		return 0;
	return remount ? fsmount_remount(m->dir, &m->opts) :
			 fsmount_ferry(m->source, m->dir, &m->opts);
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

static int parse_options(struct options *opts, const char *str)
{
	char err[128];
	int ret = options_parse(opts, str, err, sizeof(err));

	if (ret)
		complain("%s", err);
	return ret;
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
	bool in_kernel = false;
	char *options = NULL;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "kfo:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'k':
			in_kernel = true;
			break;
		case 'f':
			m.foreground = true;
			break;
		case 'o':
			mnt_optstr_append_option(&options, optarg, NULL);
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 2) {
		free(options);
		return bad_usage("mount", "BACKEND[:ARGS] and DIR are needed");
	}
	m.source = argv[optind];
	m.dir = argv[optind + 1];
	if (parse_options(&m.opts, options) || check_source(m.source)) {
		status = EXIT_USAGE;
	} else {
		m.opts.kernel |= in_kernel;
		status = do_mount(&m) ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	options_free(&m.opts);
	free(options);
	return status;
}

int mount_helper(int argc, char **argv)
{
	struct mount m = { 0 };
	const char *options = NULL, *ns = NULL;
	bool sloppy = false;
	int opt, ret;

	while ((opt = getopt(argc, argv, "fnsvN:o:t:h")) != -1) {
		switch (opt) {
		case 'f':
			m.fake = true;
			break;
		case 'n':
		case 't':
			break;
		case 's':
			sloppy = true;
			break;
		case 'v':
			m.verbose = true;
			break;
		case 'N':
			ns = optarg;
			break;
		case 'o':
			options = optarg;
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
	m.source = argv[optind];
	m.dir = argv[optind + 1];
	ret = parse_options(&m.opts, options);
	if (!ret && sloppy)
		ret = options_drop_unknown(&m.opts);
	if (!ret)
		ret = check_source(m.source);
	if (!ret && ns)
		ret = enter_namespace(ns);
	if (!ret)
		ret = do_mount(&m);
	options_free(&m.opts);
	return ret ? HELPER_FAILED : EXIT_SUCCESS;
}
