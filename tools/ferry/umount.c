// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry umount: take a mount away and see its daemon off. */
#include "channel.h"
#include "ferry.h"
#include "mounts.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char usage[] =
	"Usage: ferry umount [-l] [-f] DIR...\n"
	"\n"
	"Take ferry mounts away. Returns when the daemon that served the mount has ended,\n"
	"or after 5 seconds.\n"
	"\n"
	"  -l, --lazy   take it out of sight now and away when nobody uses it any more\n"
	"  -f, --force  fail the requests that are under way first\n"
	"  -h, --help   show this help\n";

#define DAEMON_TIMEOUT_MS 5000

/* A pidfd of the daemon behind a device, or -1 if there is none that we can see. */
static int open_daemon(dev_t dev)
{
	struct channel *channels;
	char client[32];
	int fd = -1;
	size_t i, nr;

	if (channels_get(&channels, &nr))
		return -1;
	snprintf(client, sizeof(client), "%u:%u", major(dev), minor(dev));
	for (i = 0; i < nr && fd < 0; i++) {
		if (!strcmp(channels[i].client, client) && channels[i].pid)
			fd = pidfd_open((pid_t)channels[i].pid, 0);
	}
	free(channels);
	return fd;
}

/* It stays as long as its filesystem is mounted somewhere else. */
static void await_daemon(int pidfd, dev_t dev)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	struct libmnt_table *table = mounts_read();
	bool elsewhere = table && mnt_table_find_devno(table, dev, MNT_ITER_FORWARD);

	mnt_unref_table(table);
	if (!elsewhere)
		poll(&pfd, 1, DAEMON_TIMEOUT_MS);
}

static void complain_umount(const char *dir, int err)
{
	if (err == EBUSY)
		complain("%s: busy; fuser -vm %s shows who uses it", dir, dir);
	else if (err == EPERM)
		complain("%s: only root may unmount", dir);
	else
		complain("%s: cannot unmount: %s", dir, strerror(err));
}

static int umount_one(struct libmnt_table *table, const char *dir, int flags)
{
	struct libmnt_fs *fs = mounts_at(table, dir);
	int pidfd, ret = EXIT_SUCCESS;
	dev_t dev;

	if (!fs) {
		complain("%s: not mounted", dir);
		return EXIT_FAILURE;
	}
	if (!mounts_is_ferry(fs)) {
		complain("%s: not a ferry mount but %s; use umount", dir, mnt_fs_get_fstype(fs));
		return EXIT_FAILURE;
	}
	dev = mnt_fs_get_devno(fs);
	pidfd = flags & MNT_DETACH ? -1 : open_daemon(dev);
	if (umount2(mnt_fs_get_target(fs), flags | UMOUNT_NOFOLLOW)) {
		complain_umount(dir, errno);
		ret = EXIT_FAILURE;
	} else if (pidfd >= 0) {
		await_daemon(pidfd, dev);
	}
	if (pidfd >= 0)
		close(pidfd);
	return ret;
}

int cmd_umount(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lazy", no_argument, NULL, 'l' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt, flags = 0, ret = EXIT_SUCCESS;
	struct libmnt_table *table;

	while ((opt = getopt_long(argc, argv, "lfh", longs, NULL)) != -1) {
		switch (opt) {
		case 'l':
			flags |= MNT_DETACH;
			break;
		case 'f':
			flags |= MNT_FORCE;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return bad_usage("umount", "a directory is needed");
	for (; optind < argc; optind++) {
		table = mounts_read();
		if (!table) {
			complain("cannot read /proc/self/mountinfo");
			return EXIT_FAILURE;
		}
		if (umount_one(table, argv[optind], flags))
			ret = EXIT_FAILURE;
		mnt_unref_table(table);
	}
	return ret;
}
