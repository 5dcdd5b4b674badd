// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Mounting, with the words of mount(8). By the new mount API, whose context tells in words
 * what it did not like.
 */
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "internal.h"

#define ATIMES	(MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

/* The most that fsconfig(2) takes, with its NUL. */
#define VALUE_MAX	256

/* @off: the word that takes it away. @attr: of the mount. @super: @name is the superblock's. */
static const struct flag {
	const char *name;
	const char *off;
	unsigned long ms;
	unsigned int attr;
	bool super;
} flags[] = {
	{ "ro",		 "rw",		  MS_RDONLY,	  MOUNT_ATTR_RDONLY,	  true },
	{ "nosuid",	 "suid",	  MS_NOSUID,	  MOUNT_ATTR_NOSUID,	  false },
	{ "nodev",	 "dev",		  MS_NODEV,	  MOUNT_ATTR_NODEV,	  false },
	{ "noexec",	 "exec",	  MS_NOEXEC,	  MOUNT_ATTR_NOEXEC,	  false },
	{ "nosymfollow", "symfollow",	  MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, false },
	{ "noatime",	 "atime",	  MS_NOATIME,	  MOUNT_ATTR_NOATIME,	  false },
	{ "relatime",	 "norelatime",	  MS_RELATIME,	  MOUNT_ATTR_RELATIME,	  false },
	{ "strictatime", "nostrictatime", MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, false },
	{ "nodiratime",	 "diratime",	  MS_NODIRATIME,  MOUNT_ATTR_NODIRATIME,  false },
	{ "sync",	 "async",	  MS_SYNCHRONOUS, 0,			  true },
	{ "dirsync",	 "",		  MS_DIRSYNC,	  0,			  true },
	{ "lazytime",	 "nolazytime",	  MS_LAZYTIME,	  0,			  true },
	{ "remount",	 "",		  MS_REMOUNT,	  0,			  false },
	{ "silent",	 "loud",	  MS_SILENT,	  0,			  false },
};

/* What mount(8) sees to by itself, and hands on. So it does with all that begins with x-. */
static const char *const others[] = {
	"defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner",
	"group", "nogroup", "nofail", "_netdev", "comment", "private", "rprivate", "shared",
	"rshared", "slave", "rslave", "unbindable", "runbindable",
};

/* What ferryfs takes, for who wants all else forgotten. */
static const char *const ferryfs[] = {
	"default_permissions", "no_default_permissions", "allow_other", "no_allow_other",
	"max_read", "max_write", "attr_timeout", "entry_timeout", "fd", "rootmode", "user_id",
	"group_id",
};

static bool is_among(const char *const *names, size_t nr, const char *option)
{
	size_t len = strcspn(option, "="), i;

	for (i = 0; i < nr; i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], option, len))
			return true;
	}
	return false;
}

static bool take_flag(const char *option, unsigned long *ms)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!strcmp(flags[i].name, option)) {
			if (flags[i].ms & ATIMES)
				*ms &= ~ATIMES;
			*ms |= flags[i].ms;
			return true;
		}
		if (!strcmp(flags[i].off, option)) {
			*ms &= ~flags[i].ms;
			return true;
		}
	}
	return !strncmp(option, "x-", 2) || !strncmp(option, "X-", 2) ||
	       is_among(others, ARRAY_SIZE(others), option);
}

/* The kernel's last words about a context, without its "e ferry: "; or those for @err. */
static const char *last_words(int fs, int err, char *buf, size_t size)
{
	const char *words = strerror(-err);
	char line[VALUE_MAX];
	ssize_t len;

	while ((len = read(fs, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		line[strcspn(line, "\n")] = 0;
		if (line[0] != 'e')
			continue;
		snprintf(buf, size, "%s", line + (strncmp(line, "e ferry: ", 9) ? 2 : 9));
		words = buf;
	}
	return words;
}

static int set(int fs, const char *name, const char *value)
{
	char said[VALUE_MAX];
	int err;

	if (!fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, name, value, 0))
		return 0;
	err = -errno;
	ferry_log(FERRY_LOG_ERR, "mount option %s: %s; ferry(7) lists them", name,
		  last_words(fs, err, said, sizeof(said)));
	return err;
}

/* One that is the filesystem's; quotes around its value are not. */
static int set_option(int fs, char *option)
{
	char *value = strchr(option, '=');
	size_t len;

	if (!value)
		return set(fs, option, NULL);
	*value++ = 0;
	len = strlen(value);
	if (len > 1 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = 0;
		value++;
	}
	return set(fs, option, value);
}

/*
 * Tell @fs the options. For a remount mount(8) gives those that the mount has, fd= among them, and
 * none can change. Return: 0 with @ms, or -errno after a line in the log
 */
static int configure(int fs, const char *options, unsigned long *ms)
{
	char *copy = strdup(options ? options : ""), *rest = copy, *option;
	bool sloppy = false;
	size_t i;
	int err = 0;

	if (!copy) {
		ferry_log(FERRY_LOG_ERR, "no memory for the options");
		return -ENOMEM;
	}
	*ms = ferry_opt_has(options, "remount") ? MS_REMOUNT : 0;
	while (!err && (option = ferry_option_cut(&rest))) {
		if (!strcmp(option, "sloppy"))
			sloppy = true;
		else if (!take_flag(option, ms) && !(*ms & MS_REMOUNT) &&
			 (!sloppy || is_among(ferryfs, ARRAY_SIZE(ferryfs), option)))
			err = set_option(fs, option);
	}
	for (i = 0; !err && i < ARRAY_SIZE(flags); i++) {
		if (flags[i].super && *ms & flags[i].ms)
			err = set(fs, flags[i].name, NULL);
	}
	free(copy);
	return err;
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

/* Return: -errno, after a line in the log */
static int complain(const char *dir, const char *source, int err, const char *why)
{
	ferry_log(FERRY_LOG_ERR, "%s: %s not mounted: %s", dir, source, why);
	return err;
}

static const char *why_not_opened(int err)
{
	switch (err) {
	case -ENODEV:
		return "ferryfs is not loaded: run 'modprobe ferryfs' or 'make load'";
	case -EPERM:
		return "mounting needs root (CAP_SYS_ADMIN)";
	}
	return strerror(-err);
}

static const char *why_not_attached(int err)
{
	switch (err) {
	case -EBUSY:
		return "is in use by another mount: unmount that, or give another directory";
	case -ENOTDIR:
		return "is no directory: give one to mount on";
	}
	return strerror(-err);
}

/* If a daemon serves it, its source is for show alone, and may be cut short. */
static int create(int fs, const char *source, const char *dir, bool daemon)
{
	char shown[VALUE_MAX], said[VALUE_MAX];
	int err;

	if (snprintf(shown, sizeof(shown), "%s", source) >= VALUE_MAX && !daemon)
		return complain(dir, source, -ENAMETOOLONG, "the kernel takes 255 characters at most");
	if (!fsconfig(fs, FSCONFIG_SET_STRING, "source", shown, 0) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return 0;
	err = -errno;
	return err == -ENOENT ? err :
	       complain(dir, source, err, err == -EPERM ? why_not_opened(err) :
						      last_words(fs, err, said, sizeof(said)));
}

/* The device of what is mounted by @mnt, which asks no server for it; 0: nobody knows. */
static dev_t device_of(int mnt)
{
	struct statx stx;

	if (statx(mnt, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx))
		return 0;
	return makedev(stx.stx_dev_major, stx.stx_dev_minor);
}

/* @mounted: out: the device, before anybody can come there; or NULL */
static int attach(int fs, const char *source, const char *dir, unsigned long ms, u64 *mounted)
{
	unsigned int attrs = 0;
	int mnt, err = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (ms & flags[i].ms)
			attrs |= flags[i].attr;
	}
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	if (mnt >= 0 && mounted)
		__atomic_store_n(mounted, device_of(mnt), __ATOMIC_RELAXED);
	if (mnt < 0 || move_mount(mnt, "", AT_FDCWD, dir,
				  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS))
		err = -errno;
	if (mnt >= 0)
		close(mnt);
	return err ? complain(dir, source, err, why_not_attached(err)) : 0;
}

/* Only the flags can change. */
static int remount(const char *dir, unsigned long ms)
{
	int err;

	if (!mount(NULL, dir, NULL, ms, NULL))
		return 0;
	err = -errno;
	ferry_log(FERRY_LOG_ERR, "%s: cannot remount: %s", dir, strerror(-err));
	return err;
}

int ferry_mount_known(const char *source, const char *dir, const char *options, u64 *mounted)
{
	int fs = fsopen("ferry", FSOPEN_CLOEXEC), err = -errno;
	unsigned long ms;

	if (fs < 0)
		return complain(dir, source, err, why_not_opened(err));
	err = configure(fs, options, &ms);
	if (err)
		goto out;
	if (ms & MS_REMOUNT) {
		err = remount(dir, ms);
	} else if (is_ferry_mount(dir)) {
		err = complain(dir, source, -EBUSY, why_not_attached(-EBUSY));
	} else {
		err = create(fs, source, dir, ferry_opt_has(options, "fd"));
		if (!err)
			err = attach(fs, source, dir, ms, mounted);
	}
out:
	close(fs);
	return err;
}

int ferry_mount(const char *source, const char *dir, const char *options)
{
	return ferry_mount_known(source, dir, options, NULL);
}

int ferry_mount_check(const char *options)
{
	int fs = fsopen("ferry", FSOPEN_CLOEXEC), err;
	unsigned long ms;

	if (fs < 0)
		return 0;
	err = configure(fs, options, &ms);
	close(fs);
	return err;
}
