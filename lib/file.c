// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* env.h for user space: files of the host. */
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

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

int ferry_file_open(const char *path, u32 flags, struct ferry_file **result)
{
	int how = (flags & FERRY_FILE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC |
		  (flags & FERRY_FILE_DIRECT ? O_DIRECT : 0);
	struct ferry_file *file;
	struct stat st;
	int err = 0;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	if (S_ISBLK(st.st_mode))
		how |= O_EXCL;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = open(path, how);
	if (file->fd < 0) {
		err = -errno;
		goto free_file;
	}
	/* The path may have come to mean something else. */
	err = fstat(file->fd, &st) ? -errno : 0;
	if (!err && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		err = -EINVAL;
	file->is_device = S_ISBLK(st.st_mode);
	if (!err)
		err = ask_block(file->fd, file->is_device, &file->block);
	if (err)
		goto close_fd;
	*result = file;
	return 0;
close_fd:
	close(file->fd);
free_file:
	free(file);
	return err;
}

void ferry_file_close(struct ferry_file *file)
{
	close(file->fd);
	free(file);
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
	ssize_t n = preadv(file->fd, (const struct iovec *)iov, nr_iov, off);

	return n < 0 ? -errno : n;
}

ssize_t ferry_file_write(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			 unsigned int nr_iov, bool sync)
{
	ssize_t n = pwritev2(file->fd, (const struct iovec *)iov, nr_iov, off,
			     sync ? RWF_DSYNC : 0);

	return n < 0 ? -errno : n;
}

ssize_t ferry_file_transfer(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len,
			    bool sync)
{
	ssize_t n = req->host->transfer(req, file->fd, off, len);

	return n > 0 && sync && fdatasync(file->fd) ? -errno : n;
}

int ferry_file_flush(struct ferry_file *file)
{
	return fdatasync(file->fd) ? -errno : 0;
}

int ferry_file_zero(struct ferry_file *file, u64 off, u64 len, bool keep)
{
	int mode = FALLOC_FL_KEEP_SIZE | (keep ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);

	return fallocate(file->fd, mode, off, len) ? -errno : 0;
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
