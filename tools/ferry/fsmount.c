// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Mounts that the kernel serves itself. The new mount API is used because its
 * context tells in words what it did not like.
 */
#include "fsmount.h"

#include "ferry.h"
#include "modules.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static const struct flag {
	unsigned long ms;
	unsigned int attr;	/* of the mount, or */
	const char *name;	/* of the superblock */
} flags[] = {
	{ MS_RDONLY,		MOUNT_ATTR_RDONLY,	"ro" },
	{ MS_NOSUID,		MOUNT_ATTR_NOSUID,	NULL },
	{ MS_NODEV,		MOUNT_ATTR_NODEV,	NULL },
	{ MS_NOEXEC,		MOUNT_ATTR_NOEXEC,	NULL },
	{ MS_NOATIME,		MOUNT_ATTR_NOATIME,	NULL },
	{ MS_STRICTATIME,	MOUNT_ATTR_STRICTATIME,	NULL },
	{ MS_NODIRATIME,	MOUNT_ATTR_NODIRATIME,	NULL },
	{ MS_NOSYMFOLLOW,	MOUNT_ATTR_NOSYMFOLLOW,	NULL },
	{ MS_SYNCHRONOUS,	0,			"sync" },
	{ MS_DIRSYNC,		0,			"dirsync" },
	{ MS_LAZYTIME,		0,			"lazytime" },
};

#define NR_FLAGS (sizeof(flags) / sizeof(flags[0]))

/* The kernel's last message about a context, without its "e ferry: ", or NULL. */
static const char *last_message(int fs, char *buf, size_t size)
{
	const char *message = NULL;
	char next[256];
	ssize_t len;

	while ((len = read(fs, next, sizeof(next) - 1)) > 0) {
		next[len] = '\0';
		next[strcspn(next, "\n")] = '\0';
		if (next[0] != 'e')
			continue;
		message = strncmp(next, "e ferry: ", 9) ? next + 2 : next + 9;
		snprintf(buf, size, "%s", message);
	}
	return message ? buf : NULL;
}

static void say_kernel_backends(char *buf, size_t size)
{
	struct backends list = { 0 };
	size_t i, used;

	backends_installed(&list);
	used = (size_t)snprintf(buf, size, "%s", list.nr ? "installed are" : "none is installed");
	for (i = 0; i < list.nr && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, " %s", list.names[i]);
	backends_free(&list);
}

static void complain_create(int fs, const char *source, int err)
{
	char message[256], names[256];
	const char *said = last_message(fs, message, sizeof(message));

	if (err == ENOENT) {
		say_kernel_backends(names, sizeof(names));
		complain("%s: no such backend in the kernel (module ferry-%.*s); %s", source,
			 (int)strcspn(source, ":"), source, names);
	} else if (err == EPERM) {
		complain("%s: only root may mount", source);
	} else {
		complain("%s: cannot mount: %s", source, said ? said : strerror(err));
	}
}

static int set_option(int fs, const char *name, const char *value)
{
	char message[256];
	const char *said;
	int err;

	if (!fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, name, value, 0))
		return 0;
	err = errno;
	said = last_message(fs, message, sizeof(message));
	if (said)
		complain("%s; ferry(7) lists the mount options", said);
	else
		complain("mount option %s%s%s: %s", name, value ? "=" : "", value ? value : "",
			 strerror(err));
	return -err;
}

/* An option string from libmount's hands; it is taken to pieces. */
static int set_options(int fs, char *str)
{
	char *name, *value, *rest = str;
	size_t name_len, value_len;
	int ret = 0;

	while (!ret && !mnt_optstr_next_option(&rest, &name, &name_len, &value, &value_len)) {
		name[name_len] = '\0';
		if (value)
			value[value_len] = '\0';
		ret = set_option(fs, name, value);
	}
	return ret;
}

static int configure(int fs, const struct options *opts)
{
	char *str;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < NR_FLAGS; i++) {
		if (flags[i].name && (opts->flags & flags[i].ms))
			ret = set_option(fs, flags[i].name, NULL);
	}
	if (!ret && !opts->no_allow_other)
		ret = set_option(fs, "allow_other", NULL);
	if (ret)
		return ret;
	str = strdup(opts->fs);
	if (!str)
		return -ENOMEM;
	ret = set_options(fs, str);
	free(str);
	return ret;
}

static int create(int fs, const char *source)
{
	int err;

	if (!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return 0;
	err = errno;
	complain_create(fs, source, err);
	return -err;
}

static unsigned int mount_attrs(const struct options *opts)
{
	unsigned int attrs = 0;
	size_t i;

	for (i = 0; i < NR_FLAGS; i++) {
		if (opts->flags & flags[i].ms)
			attrs |= flags[i].attr;
	}
	return attrs;
}

static int attach(int fs, const char *dir, const struct options *opts)
{
	int ret = 0, mnt = fsmount(fs, FSMOUNT_CLOEXEC, mount_attrs(opts));

	if (mnt < 0 || move_mount(mnt, "", AT_FDCWD, dir, MOVE_MOUNT_F_EMPTY_PATH)) {
		ret = -errno;
		complain("%s: cannot mount there: %s", dir, strerror(errno));
	}
	if (mnt >= 0)
		close(mnt);
	return ret;
}

static int complain_open(int err)
{
	if (err == ENODEV)
		complain("the module ferryfs is not loaded: modprobe ferryfs, or make load");
	else if (err == EPERM)
		complain("only root may mount");
	else
		complain("cannot open filesystem type ferry: %s", strerror(err));
	return -err;
}

int fsmount_ferry(const char *source, const char *dir, const struct options *opts)
{
	int ret, fs = fsopen("ferry", FSOPEN_CLOEXEC);

	if (fs < 0)
		return complain_open(errno);
	ret = set_option(fs, "source", source);
	if (!ret)
		ret = configure(fs, opts);
	if (!ret)
		ret = create(fs, source);
	if (!ret)
		ret = attach(fs, dir, opts);
	close(fs);
	return ret;
}

int fsmount_check(const struct options *opts)
{
	int ret, fs = fsopen("ferry", FSOPEN_CLOEXEC);

	if (fs < 0)
		return 0;
	ret = configure(fs, opts);
	close(fs);
	return ret;
}

int fsmount_remount(const char *dir, const struct options *opts)
{
	int err;

	if (!mount(NULL, dir, NULL, opts->flags | MS_REMOUNT, NULL))
		return 0;
	err = errno;
	complain("%s: cannot remount: %s", dir, strerror(err));
	return -err;
}
