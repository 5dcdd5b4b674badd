// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Open files: a handle is a descriptor. */
#include "mirror.h"

/*
 * Of the client's flags those that mean something here. O_APPEND does not: the
 * client says the offset, and would not get it. Nor does O_DIRECT, whose
 * alignment our buffer need not have.
 */
int mirror_open_flags(u32 flags)
{
	return flags & (O_ACCMODE | O_TRUNC | O_SYNC);
}

void mirror_handle(const struct mirror *m, struct ferry_handle *handle, int fd)
{
	handle->fh = fd;
	handle->keep = m->passthrough ? FERRY_OPEN_BACKED : 0;
	handle->backing_fd = fd;
}

void mirror_open(struct ferry_req *req, u64 id, struct ferry_handle *handle)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = mirror_get(m, id);
	char path[PROC_PATH];
	int fd = -1, err = 0;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	/* Opening a device or a fifo is the client's own business. */
	if (!S_ISREG(node->type))
		err = -EINVAL;
	if (!err) {
		fd = open(mirror_proc_path(node->fd, path),
			  mirror_open_flags(handle->flags) | O_CLOEXEC);
		err = fd < 0 ? -errno : 0;
	}
	if (!err && handle->keep & FERRY_OPEN_KILL_SUID)
		err = mirror_kill_suid(fd);
	mirror_put(m, node);
	if (err) {
		if (fd >= 0)
			close(fd);
		ferry_reply_err(req, err);
		return;
	}
	fd = ferry_state_keep_fd(fd);
	if (fd < 0) {
		ferry_reply_err(req, fd);
		return;
	}
	mirror_handle(m, handle, fd);
	ferry_reply_open(req, handle);
}

void mirror_release(struct ferry_req *req, u64 id, struct ferry_handle *handle)
{
	ferry_state_close_fd(handle->fh);
	ferry_reply_err(req, 0);
}

void mirror_read(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len)
{
	ssize_t n;

	if (mirror_ring_read(req, handle->fh, off, len))
		return;
	/* May take as long as the host's disk does, and what is read is no state. */
	ferry_state_leave();
	n = ferry_req_transfer(req, handle->fh, off, len);
	ferry_state_return();
	ferry_reply_err(req, n < 0 ? n : 0);
}

void mirror_write(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len,
		  u32 flags)
{
	ssize_t n;

	if (mirror_ring_write(req, handle->fh, off, len, flags & FERRY_WRITE_KILL_SUID))
		return;
	/* The same; and RELEASE comes behind our answer, be the client killed or not. */
	ferry_state_leave();
	n = ferry_req_transfer(req, handle->fh, off, len);
	if (n >= 0 && flags & FERRY_WRITE_KILL_SUID)
		mirror_kill_suid(handle->fh);
	ferry_state_return();
	if (n < 0)
		ferry_reply_err(req, n);
	else
		ferry_reply_written(req, n);
}

/*
 * What could not be written of a file the host tells each of its descriptors once. It is not to be told
 * to a server that is killed while it waits for the disk: so that is done with a descriptor of its own,
 * and when it is over the client's is asked. -1: there is none, and the client's does for both.
 */
int mirror_sync_fd(int fd)
{
	char path[PROC_PATH];

	return open(mirror_proc_path(fd, path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Where no file has pages: nothing is waited for. @err is what @sync_fd was told; it is closed. */
int mirror_sync_end(int fd, int sync_fd, int err)
{
	if (sync_fd < 0)
		return err;
	close(sync_fd);
	if (sync_file_range(fd, 1LL << 61, 1, SYNC_FILE_RANGE_WAIT_BEFORE) && !err)
		err = -errno;
	return err;
}

void mirror_fsync(struct ferry_req *req, u64 id, struct ferry_handle *handle, bool datasync)
{
	int sync_fd = mirror_sync_fd(handle->fh);
	int fd = sync_fd < 0 ? (int)handle->fh : sync_fd;
	int err;

	if (mirror_ring_fsync(req, handle->fh, sync_fd, datasync))
		return;
	ferry_state_leave();
	err = TEMP_FAILURE_RETRY(datasync ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
	err = mirror_sync_end(handle->fh, sync_fd, err);
	ferry_state_return();
	ferry_reply_err(req, err);
}

void mirror_lseek(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		  u32 whence)
{
	/* That moves the descriptor, which nobody reads by. */
	off_t pos = lseek(handle->fh, off, whence);

	if (pos < 0)
		ferry_reply_err(req, -errno);
	else
		ferry_reply_lseek(req, pos);
}

/* Where a request comes meanwhile, wait style uring interrupts it: tmpfs says EINTR. */
void mirror_fallocate(struct ferry_req *req, u64 id, struct ferry_handle *handle, u32 mode,
		      u64 off, u64 len)
{
	int err = TEMP_FAILURE_RETRY(fallocate(handle->fh, mode, off, len));

	ferry_reply_err(req, err ? -errno : 0);
}
