// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Disks: what /dev/ferryblk is asked for, and its errors in words. */
#include <glob.h>
#include <ferry/filter.h>
#include <linux/ferry_blk.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

#define CONTROL	"/dev/ferryblk"

/* How long an open disk may be somebody's passing glance, udev's as a rule. */
#define BUSY_TRIES	40
#define BUSY_US		50000

static int take_number(const char *str, const char *name, u32 most, u32 *value)
{
	u64 v = 0;

	if (!ferry_opt_has(str, name))
		return 0;
	/* 0 stands for one that was not given. */
	if (ferry_opt_size(str, name, &v) || !v || v > most) {
		ferry_log(FERRY_LOG_ERR, "%s= wants a number from 1 to %u", name, most);
		return -EINVAL;
	}
	*value = v;
	return 0;
}

static int take_serial(const char *str, char *serial, size_t size)
{
	size_t len = 0, i;
	const char *s = ferry_opt_find(str, "serial", &len);

	for (i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    s[i]))
			break;
	if ((s && !len) || i < len || len >= size) {
		ferry_log(FERRY_LOG_ERR, "serial= wants letters, digits, '-', '_' and '.', 1 to %zu of them",
			  size - 1);
		return -EINVAL;
	}
	memcpy(serial, s ? s : "", len);
	return 0;
}

int ferry_disk_options_parse(const char *str, struct ferry_disk_options *options)
{
	static const char *const known[] = {
		"ro", "rotational", "logical", "physical", "io_min", "io_opt", "depth",
		"io_timeout", "serial", NULL
	};
	struct ferry_disk_options o = { .size = sizeof(o) };

	if (ferry_opt_check(str, known) ||
	    take_number(str, "logical", UINT32_MAX, &o.logical_block) ||
	    take_number(str, "physical", UINT32_MAX, &o.physical_block) ||
	    take_number(str, "io_min", UINT32_MAX, &o.io_min) ||
	    take_number(str, "io_opt", UINT32_MAX, &o.io_opt) ||
	    take_number(str, "depth", FERRY_BLK_DEPTH_MAX, &o.depth) ||
	    take_number(str, "io_timeout", FERRY_BLK_TIMEOUT_MAX, &o.timeout) ||
	    take_serial(str, o.serial, sizeof(o.serial)))
		return -EINVAL;
	o.read_only = ferry_opt_has(str, "ro");
	o.rotational = ferry_opt_has(str, "rotational");
	memcpy(options, &o, sizeof(o));
	return 0;
}

int ferry_disk_of_channel(u32 channel)
{
	int index = -ENODEV;
	glob_t found;
	size_t i;

	if (glob("/sys/block/ferryb*/ferry/channel", 0, NULL, &found))
		return -ENODEV;
	for (i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		u32 n;

		if (f && fscanf(f, "%u", &n) == 1 && n == channel)
			sscanf(found.gl_pathv[i], "/sys/block/ferryb%d/", &index);
		if (f)
			fclose(f);
	}
	globfree(&found);
	return index;
}

/*
 * Ask for something; @err is what was said. Return: false: it could not be asked, and a line in
 * the log says why; @err is -ENOENT if the module is not loaded.
 */
static bool ask(unsigned long request, void *arg, int *err)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		*err = ioctl(fd, request, arg) ? -errno : 0;
		close(fd);
		return true;
	}
	*err = -errno;
	if (*err == -ENOENT || *err == -ENXIO || *err == -ENODEV) {
		ferry_log(FERRY_LOG_ERR,
			  "%s: the module ferryblk is not loaded: run 'modprobe ferryblk' or 'make load'",
			  CONTROL);
		*err = -ENOENT;
	} else {
		ferry_log(FERRY_LOG_ERR, "%s: %s: adding, removing and resizing disks needs root",
			  CONTROL, strerror(-*err));
	}
	return false;
}

/* Is the module of a backend there? Then it was not for want of one that nothing was found. */
static bool is_loaded(const char *backend)
{
	char path[64 + FERRY_NAME_MAX], *p;
	int n = snprintf(path, sizeof(path), "/sys/module/ferry_%s", backend);

	for (p = path; (p = strchr(p, '-')); )
		*p = '_';
	return n < (int)sizeof(path) && !access(path, F_OK);
}

static const char *why_not_added(int err, bool in_kernel)
{
	switch (err) {
	case -EPERM:
		return "making disks needs root (CAP_SYS_ADMIN)";
	case -EBUSY:
		return "there is a disk of this server already, or what lies under it is in use";
	case -EPROTO:
		return "the kernel and the server do not speak the same version";
	case -EOPNOTSUPP:
		return "is no disk: see 'ferry mount --help'";
	case -ENOTCONN:
		return "its server died";
	case -EINVAL:
		return in_kernel ? "the kernel did not take it: see the end of dmesg" :
				   "a block size, depth or timeout is out of range, or does not fit the disk";
	}
	return strerror(-err);
}

/* Return: the disk's number or -errno, the latter after a line in the log. */
static int add(struct ferry_blk_add *how, const char *source,
	       const struct ferry_disk_options *options)
{
	struct ferry_disk_options want = { 0 };
	int err;

	_Static_assert(sizeof(want.serial) == sizeof(how->serial), "copied as it is");

	if (options)
		memcpy(&want, options, min(options->size, sizeof(want)));
	how->size = sizeof(*how);
	how->abi = FERRY_ABI;
	how->flags = (want.read_only ? FERRY_BLK_READ_ONLY : 0) |
		     (want.rotational ? FERRY_BLK_ROTATIONAL : 0);
	how->logical_block = want.logical_block;
	how->physical_block = want.physical_block;
	how->io_min = want.io_min;
	how->io_opt = want.io_opt;
	how->depth = want.depth;
	how->timeout = want.timeout;
	memcpy(how->serial, want.serial, sizeof(how->serial));
	if (!ask(FERRY_BLK_IOC_ADD, how, &err))
		return err;
	if (!err)
		return how->index;
	if (err == -ENOENT && is_loaded(how->backend))
		ferry_log(FERRY_LOG_ERR, "%s: no disk: what it is to be made of is not there: see the end of dmesg",
			  source);
	else if (err == -ENOENT)
		ferry_log(FERRY_LOG_ERR, "%s: no disk: there is no backend %s in the kernel: 'ferry version --features' lists those that are there",
			  source, how->backend);
	else
		ferry_log(FERRY_LOG_ERR, "%s: no disk: %s", source,
			  why_not_added(err, how->fd < 0));
	return err;
}

int ferry_session_disk(struct ferry_session *session, const char *source,
		       const struct ferry_disk_options *options)
{
	struct ferry_blk_add how = { 0 };
	char names[FERRY_BLK_NAMES_MAX];
	int ret;

	session->up = true;
	ret = ferry_session_start(session);
	if (ret)
		return ret;
	how.fd = session->workers[0].fd;
	ferry_filter_names(&session->server, names, sizeof(names));
	how.args = (uintptr_t)names;
	ret = add(&how, source, options);
	if (ret >= 0)
		session->disk = ret;
	return ret;
}

int ferry_session_remove(struct ferry_session *session, bool force)
{
	return session->disk < 0 ? -EINVAL : ferry_disk_del(session->disk, force);
}

int ferry_disk_add(const char *name, const char *args, const char *source,
		   const struct ferry_disk_options *options)
{
	struct ferry_blk_add how = { .fd = -1, .args = (uintptr_t)args };

	if (strlen(name) >= sizeof(how.backend)) {
		ferry_log(FERRY_LOG_ERR, "%s: a backend's name has %zu characters at most", name,
			  sizeof(how.backend) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(how.backend, name);
	return add(&how, source, options);
}

static int complain_del(u32 index, int err)
{
	if (err == -EBUSY)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: is in use, not removed: unmount it, see 'lsblk /dev/ferryb%u', or give --force",
			  index, index);
	else if (err == -ENODEV)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: no such disk: see 'ferry disk list'", index);
	else
		ferry_log(FERRY_LOG_ERR, "ferryb%u: not removed: %s", index, strerror(-err));
	return err;
}

int ferry_disk_del(u32 index, bool force)
{
	struct ferry_blk_del how = {
		.index = index,
		.flags = force ? FERRY_BLK_DEL_FORCE : 0,
	};
	unsigned int tries = 0;
	int err;

	while (ask(FERRY_BLK_IOC_DEL, &how, &err)) {
		if (err != -EBUSY || ++tries == BUSY_TRIES)
			return err ? complain_del(index, err) : 0;
		usleep(BUSY_US);
	}
	return err;
}

int ferry_disk_resize(u32 index, u64 *bytes)
{
	struct ferry_blk_set_size how = { .index = index, .bytes = *bytes };
	int err;

	if (!ask(FERRY_BLK_IOC_RESIZE, &how, &err))
		return err;
	if (!err)
		*bytes = how.bytes;
	else if (err == -ENODEV)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: no such disk: see 'ferry disk list'", index);
	else if (err == -EOPNOTSUPP)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: its server cannot change its size", index);
	else if (err == -ENOSPC)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: there is not so much under it", index);
	else if (err == -EINVAL)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: %llu bytes are no whole blocks", index, *bytes);
	else
		ferry_log(FERRY_LOG_ERR, "ferryb%u: not resized: %s", index, strerror(-err));
	return err;
}
