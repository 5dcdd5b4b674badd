// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * env.h for user space: files of the host. What says EINTR is done again: a thread of wait style
 * uring that is told of a request is interrupted by that.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ferry/state.h>

#include "internal.h"

#ifndef BLKGETDISKSEQ
#define BLKGETDISKSEQ	_IOR(0x12, 128, __u64)	/* 5.15 */
#endif

#define DIRECT_BLOCK	512U	/* of a file whose filesystem does not say */

/**
 * struct ferry_file
 * @is_device: a block device
 * @block: see ferry_file_block()
 */
struct ferry_file {
	int fd;
	bool is_device;
	u32 block;
};

static int ask_block(int fd, bool is_device, u32 *block)
{
	struct statx stx;

	if (is_device)
		return ioctl(fd, BLKSSZGET, block) ? -errno : 0;
	*block = DIRECT_BLOCK;
	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    stx.stx_mask & STATX_DIOALIGN && stx.stx_dio_offset_align)
		*block = stx.stx_dio_offset_align;
	return 0;
}

/* @fd becomes the file's. */
static int from_fd(int fd, struct ferry_file **result)
{
	struct ferry_file *file = calloc(1, sizeof(*file));
	struct stat st;
	int err;

	if (!file)
		return -ENOMEM;
	file->fd = fd;
	if (fstat(fd, &st)) {
		err = -errno;
	} else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		err = -EINVAL;
	} else {
		file->is_device = S_ISBLK(st.st_mode);
		err = ask_block(fd, file->is_device, &file->block);
	}
	if (err)
		free(file);
	else
		*result = file;
	return err;
}

/* As flock(1) would; where there are no locks there is none. */
static int lock(const struct ferry_file *file, u32 flags)
{
	const int how = (flags & FERRY_FILE_WRITE ? LOCK_EX : LOCK_SH) | LOCK_NB;

	return !file->is_device && flock(file->fd, how) && errno == EWOULDBLOCK ? -EBUSY : 0;
}

int ferry_file_open(const char *path, u32 flags, struct ferry_file **result)
{
	int how = (flags & FERRY_FILE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC |
		  (flags & FERRY_FILE_DIRECT ? O_DIRECT : 0);
	struct stat st;
	int fd, err;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	if (S_ISBLK(st.st_mode))
		how |= O_EXCL;
	fd = open(path, how);
	if (fd < 0)
		return -errno;
	/* The path may have come to mean something else, which is looked at again. */
	err = from_fd(fd, result);
	if (err) {
		close(fd);
		return err;
	}
	err = lock(*result, flags);
	if (err)
		ferry_file_close(*result);
	return err;
}

void ferry_file_close(struct ferry_file *file)
{
	close(file->fd);
	free(file);
}

static u64 device_number(u32 major, u32 minor)
{
	return (u64)major << 32 | minor;
}

/* As statx(); of a device not which one of all disks it is. */
static int id_at(int fd, const char *path, int flags, struct ferry_file_id *id)
{
	struct statx stx;

	*id = (struct ferry_file_id){ 0 };
	if (statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &stx))
		return -errno;
	if (S_ISBLK(stx.stx_mode)) {
		id->rdev = device_number(stx.stx_rdev_major, stx.stx_rdev_minor);
		return 0;
	}
	id->dev = device_number(stx.stx_dev_major, stx.stx_dev_minor);
	id->ino = stx.stx_ino;
	if (stx.stx_mask & STATX_BTIME)
		id->since = stx.stx_btime.tv_sec * 1000000000ULL + stx.stx_btime.tv_nsec;
	return 0;
}

int ferry_file_id_at(const char *path, struct ferry_file_id *id)
{
	return id_at(AT_FDCWD, path, 0, id);
}

int ferry_file_id(const struct ferry_file *file, struct ferry_file_id *id)
{
	int err = id_at(file->fd, "", AT_EMPTY_PATH, id);

	if (!err && file->is_device && ioctl(file->fd, BLKGETDISKSEQ, &id->since))
		id->since = 0;
	return err;
}

int ferry_state_keep_file(struct ferry_file *file)
{
	int kept;

	if (!ferry_state_is_kept())
		return -EBADF;
	kept = dup(file->fd);
	if (kept < 0)
		return -errno;
	kept = ferry_state_keep_fd(kept);
	if (kept >= 0) {
		close(file->fd);
		file->fd = kept;
	}
	return kept;
}

int ferry_state_find_file(int kept, const struct ferry_file_id *id, struct ferry_file **file)
{
	struct ferry_file_id found;
	int err = kept < 0 ? -EBADF : from_fd(kept, file);

	if (err)
		return err == -ENOMEM ? err : -EBADF;
	if (!ferry_file_id(*file, &found) && ferry_file_id_same(id, &found))
		return 0;
	free(*file);	/* but for the descriptor, which is somebody else's */
	return -EBADF;
}

/* Another open file, which has errors of its own to hear. */
int ferry_state_watch_file(const struct ferry_file *file)
{
	char path[32];
	int fd;

	if (!ferry_state_is_kept())
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : ferry_state_keep_fd(fd);
}

int ferry_state_watched(int watch)
{
	return watch >= 0 && TEMP_FAILURE_RETRY(fdatasync(watch)) ? -errno : 0;
}

s64 ferry_file_size(const struct ferry_file *file)
{
	struct stat st;
	u64 size;

	if (file->is_device)
		return ioctl(file->fd, BLKGETSIZE64, &size) ? -errno : (s64)size;
	return fstat(file->fd, &st) ? -errno : st.st_size;
}

u32 ferry_file_block(const struct ferry_file *file)
{
	return file->block;
}

ssize_t ferry_file_read(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			unsigned int nr_iov)
{
	ssize_t n = TEMP_FAILURE_RETRY(preadv(file->fd, (const struct iovec *)iov, nr_iov, off));

	return n < 0 ? -errno : n;
}

ssize_t ferry_file_write(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			 unsigned int nr_iov, bool sync)
{
	ssize_t n = TEMP_FAILURE_RETRY(pwritev2(file->fd, (const struct iovec *)iov, nr_iov, off,
						sync ? RWF_DSYNC : 0));

	return n < 0 ? -errno : n;
}

int ferry_file_flush(struct ferry_file *file)
{
	return TEMP_FAILURE_RETRY(fdatasync(file->fd)) ? -errno : 0;
}

ssize_t ferry_file_transfer(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len,
			    bool sync)
{
	ssize_t n = req->host->transfer(req, file->fd, off, len);

	return n > 0 && sync ? ferry_file_flush(file) ?: n : n;
}

int ferry_file_zero(struct ferry_file *file, u64 off, u64 len, bool keep)
{
	int mode = FALLOC_FL_KEEP_SIZE | (keep ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);

	return TEMP_FAILURE_RETRY(fallocate(file->fd, mode, off, len)) ? -errno : 0;
}

/* Of a device: what its queue says. */
static bool device_can_zero(const struct ferry_file *file)
{
	unsigned long long max = 0;
	char path[64];
	struct stat st;
	FILE *f;

	if (fstat(file->fd, &st))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/write_zeroes_max_bytes",
		 major(st.st_rdev), minor(st.st_rdev));
	f = fopen(path, "re");
	if (!f)		/* a partition: its disk's would have to be asked */
		return true;
	if (fscanf(f, "%llu", &max) != 1)
		max = 0;
	fclose(f);
	return max;
}

bool ferry_file_can_zero(struct ferry_file *file)
{
	if (file->is_device)
		return device_can_zero(file);
	/* Behind the end there is nothing to lose. */
	return !ferry_file_zero(file, ferry_file_size(file), FERRY_PAGE_SIZE, false);
}
