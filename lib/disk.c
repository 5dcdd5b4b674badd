// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Disks: what /dev/ferryblk is asked for, and its errors in words. */
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

#define CONTROL	"/dev/ferryblk"

/* How long an open disk may be somebody's passing glance, udev's as a rule. */
#define BUSY_TRIES	40
#define BUSY_US		50000

static int ask(unsigned long request, void *arg)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0) {
		err = -errno;
		if (err == -ENOENT || err == -ENXIO || err == -ENODEV)
			ferry_log(FERRY_LOG_ERR,
				  "%s: the module ferryblk is not loaded: run 'modprobe ferryblk' or 'make load'",
				  CONTROL);
		else
			ferry_log(FERRY_LOG_ERR, "%s: %s: making disks needs root", CONTROL,
				  strerror(-err));
		return err == -ENXIO || err == -ENODEV ? -ENOENT : err;
	}
	err = ioctl(fd, request, arg) ? -errno : 0;
	close(fd);
	return err;
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
	const char *serial;
	int err;

	if (options)
		memcpy(&want, options, min(options->size, sizeof(want)));
	serial = want.serial ? want.serial : "";
	if (strlen(serial) >= sizeof(how->serial)) {
		ferry_log(FERRY_LOG_ERR, "%s: a serial has %zu characters at most", serial,
			  sizeof(how->serial) - 1);
		return -EINVAL;
	}
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
	strcpy(how->serial, serial);
	err = ask(FERRY_BLK_IOC_ADD, how);
	if (!err)
		return how->index;
	if (access(CONTROL, R_OK | W_OK))
		return err;	/* ask() has said why */
	if (err == -ENOENT)
		ferry_log(FERRY_LOG_ERR, "%s: no disk: there is no backend %s in the kernel: modprobe ferry-%s, or what it needs is not there",
			  source, how->backend, how->backend);
	else
		ferry_log(FERRY_LOG_ERR, "%s: no disk: %s", source,
			  why_not_added(err, how->fd < 0));
	return err;
}

int ferry_session_disk(struct ferry_session *session, const char *source,
		       const struct ferry_disk_options *options)
{
	struct ferry_blk_add how = { 0 };
	int ret;

	session->up = true;
	ret = ferry_session_start(session);
	if (ret)
		return ret;
	how.fd = session->workers[0].fd;
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

int ferry_disk_del(u32 index, bool force)
{
	struct ferry_blk_del how = {
		.index = index,
		.flags = force ? FERRY_BLK_DEL_FORCE : 0,
	};
	unsigned int tries = 0;
	int err;

	while ((err = ask(FERRY_BLK_IOC_DEL, &how)) == -EBUSY && ++tries < BUSY_TRIES)
		usleep(BUSY_US);
	if (err == -EBUSY)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: is in use, not removed: unmount it, see 'lsblk /dev/ferryb%u', or give --force",
			  index, index);
	else if (err == -ENODEV)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: no such disk: see 'ferry disk list'", index);
	else if (err && err != -ENOENT)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: not removed: %s", index, strerror(-err));
	return err;
}

int ferry_disk_resize(u32 index, u64 *bytes)
{
	struct ferry_blk_set_size how = { .index = index, .bytes = *bytes };
	int err = ask(FERRY_BLK_IOC_RESIZE, &how);

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
	else if (err != -ENOENT)
		ferry_log(FERRY_LOG_ERR, "ferryb%u: not resized: %s", index, strerror(-err));
	return err;
}
