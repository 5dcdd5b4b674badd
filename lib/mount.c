// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* mount(2) with the words of mount(8), and its errors in words. */
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "internal.h"

static const struct {
	const char *name;
	unsigned long set;
	unsigned long clear;
} flag_names[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "relatime", MS_RELATIME, 0 },
	{ "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "lazytime", MS_LAZYTIME, 0 },
	{ "nolazytime", 0, MS_LAZYTIME },
	{ "remount", MS_REMOUNT, 0 },
	{ "silent", MS_SILENT, 0 },
	{ "loud", 0, MS_SILENT },
	{ "defaults", 0, 0 },
};

static bool take_flag(const char *name, unsigned long *flags)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (strcmp(flag_names[i].name, name))
			continue;
		*flags = (*flags & ~flag_names[i].clear) | flag_names[i].set;
		return true;
	}
	return false;
}

/* @options, cut up in place -> flags, and in @data what is the filesystem's. */
static void split_options(char *options, unsigned long *flags, char *data)
{
	char *save = NULL;
	char *opt;

	*data = 0;
	for (opt = strtok_r(options, ",", &save); opt; opt = strtok_r(NULL, ",", &save)) {
		if (take_flag(opt, flags))
			continue;
		if (*data)
			strcat(data, ",");
		strcat(data, opt);
	}
}

/* The number of the mount that @dir lies on, or -1. */
static int mount_id(const char *dir)
{
	int fd = open(dir, O_PATH | O_CLOEXEC);
	char path[64], line[128];
	int id = -1;
	FILE *f;

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "mnt_id: %d", &id);
	if (f)
		fclose(f);
	close(fd);
	return id;
}

dev_t ferry_mounted_at(const char *dir)
{
	const int wanted = mount_id(dir);
	unsigned int maj, min;
	char *line = NULL;
	size_t size = 0;
	dev_t dev = 0;
	FILE *f;
	int id;

	if (wanted < 0)
		return 0;
	f = fopen("/proc/self/mountinfo", "re");
	while (f && !dev && getline(&line, &size, f) > 0)
		if (strstr(line, " - ferry ") &&
		    sscanf(line, "%d %*d %u:%u ", &id, &maj, &min) == 3 && id == wanted)
			dev = makedev(maj, min);
	free(line);
	if (f)
		fclose(f);
	return dev;
}

/* Is @dir the root of a mount of ours? To mount there twice is a mistake then. */
static bool is_ferry_mount(const char *dir)
{
	struct statx stx;

	return !statx(AT_FDCWD, dir, 0, 0, &stx) && stx.stx_attributes & STATX_ATTR_MOUNT_ROOT &&
	       ferry_mounted_at(dir);
}

/*
 * mount(2) says that it did not like an option, fsconfig(2) says which and why. One
 * after the other is tried, without a mount. Return: @said holds the kernel's words.
 */
static bool ask_kernel(char *options, char *said, size_t size)
{
	int fd = fsopen("ferry", FSOPEN_CLOEXEC);
	char *save = NULL, *opt, *value;
	ssize_t n = 0;

	if (fd < 0)
		return false;
	for (opt = strtok_r(options, ",", &save); opt && n <= 0;
	     opt = strtok_r(NULL, ",", &save)) {
		value = strchr(opt, '=');
		if (value)
			*value++ = 0;
		if (fsconfig(fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, opt, value, 0))
			n = read(fd, said, size - 1);
	}
	close(fd);
	if (n <= 0)
		return false;
	said[n] = 0;
	said[strcspn(said, "\n")] = 0;
	/* "e " stands before errors. */
	memmove(said, said + 2, strlen(said + 1));
	return true;
}

static void explain(int err, const char *source, const char *dir, char *options)
{
	const char *why = strerror(-err);
	char said[256];

	if (err == -ENODEV)
		why = "ferryfs is not loaded: run 'modprobe ferryfs' or 'make load'";
	else if (err == -EPERM)
		why = "mounting needs root (CAP_SYS_ADMIN)";
	else if (err == -EBUSY)
		why = "is in use by another mount: unmount that, or give another directory";
	else if (err == -ENOTDIR)
		why = "is no directory: give one to mount on";
	else if (err == -EINVAL)
		why = ask_kernel(options, said, sizeof(said)) ? said :
		      "the kernel did not like the options: see the end of dmesg";
	ferry_log(FERRY_LOG_ERR, "%s: %s not mounted: %s", dir, source, why);
}

int ferry_mount(const char *source, const char *dir, const char *options)
{
	unsigned long flags = 0;
	char *copy, *data;
	int err = 0;

	copy = strdup(options ? options : "");
	data = malloc(options ? strlen(options) + 1 : 1);
	if (!copy || !data) {
		err = -ENOMEM;
		ferry_log(FERRY_LOG_ERR, "%s: no memory for the options", dir);
		goto out;
	}
	split_options(copy, &flags, data);
	if (!(flags & MS_REMOUNT) && is_ferry_mount(dir))
		err = -EBUSY;
	else if (mount(source, dir, "ferry", flags, *data ? data : NULL))
		err = -errno;
	if (err)
		explain(err, source, dir, data);
out:
	free(data);
	free(copy);
	return err;
}
