// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Reads, writes and fsync() in the ring that the thread waits in: wait style uring. */
#include <stdlib.h>

#include <ferry/uring.h>

#include "mirror.h"

/**
 * struct ring_io - a read or write under way
 * @fd: the file
 * @base: the request's data in its slot
 * @off: of the first byte
 * @len: how many there are
 * @done: how many have been moved
 * @is_write: to the file
 * @kill_suid: when it is over
 */
struct ring_io {
	struct ferry_io io;
	struct ferry_req *req;
	int fd;
	char *base;
	u64 off;
	u32 len;
	u32 done;
	bool is_write;
	bool kill_suid;
};

static void over(struct ring_io *t, int err)
{
	struct ferry_iov iov = { t->base, t->done };

	if (err && !(t->is_write && t->done)) {
		ferry_reply_err(t->req, err);
	} else if (t->is_write) {
		if (t->kill_suid)
			mirror_kill_suid(t->fd);
		ferry_reply_written(t->req, t->done);
	} else {
		ferry_reply_data(t->req, &iov, 1);
	}
	free(t);
}

static void submit(struct ring_io *t)
{
	struct io_uring_sqe *sqe = ferry_uring_sqe(&t->io);

	if (t->is_write)
		io_uring_prep_write(sqe, t->fd, t->base + t->done, t->len - t->done,
				    t->off + t->done);
	else
		io_uring_prep_read(sqe, t->fd, t->base + t->done, t->len - t->done,
				   t->off + t->done);
}

/* Only at the end of the file may what was read be short. */
static void moved(struct ferry_io *io, int res)
{
	struct ring_io *t = container_of(io, struct ring_io, io);

	if (res > 0)
		t->done += res;
	if (t->done == t->len || !res)
		over(t, 0);
	else if (res < 0 && res != -EINTR)
		over(t, res);
	else
		submit(t);
}

static bool begin(struct ferry_req *req, int fd, u64 off, u32 len, bool is_write, bool kill_suid)
{
	u32 room;
	char *data = ferry_uring_data(req, &room);
	struct ring_io *t;

	if (!data)
		return false;
	t = malloc(sizeof(*t));
	if (!t)
		return false;
	*t = (struct ring_io){
		.io.done = moved,
		.req = req,
		.fd = fd,
		.base = data,
		.off = off,
		.len = min(len, room),
		.is_write = is_write,
		.kill_suid = kill_suid,
	};
	submit(t);
	return true;
}

/* True: the request will be answered. False: no ring is here, or its data is not. */
bool mirror_ring_read(struct ferry_req *req, int fd, u64 off, u32 len)
{
	return begin(req, fd, off, len, false, false);
}

bool mirror_ring_write(struct ferry_req *req, int fd, u64 off, u32 len, bool kill_suid)
{
	return begin(req, fd, off, len, true, kill_suid);
}

/**
 * struct ring_sync - a fsync() under way
 * @fd: the file
 * @sync_fd: mirror_sync_fd()'s
 * @datasync: fdatasync()
 */
struct ring_sync {
	struct ferry_io io;
	struct ferry_req *req;
	int fd;
	int sync_fd;
	bool datasync;
};

static bool submit_sync(struct ring_sync *t)
{
	struct io_uring_sqe *sqe = ferry_uring_sqe(&t->io);

	if (sqe)
		io_uring_prep_fsync(sqe, t->sync_fd < 0 ? t->fd : t->sync_fd,
				    t->datasync ? IORING_FSYNC_DATASYNC : 0);
	return sqe;
}

static void synced(struct ferry_io *io, int res)
{
	struct ring_sync *t = container_of(io, struct ring_sync, io);

	if (res == -EINTR && submit_sync(t))
		return;
	ferry_reply_err(t->req, mirror_sync_end(t->fd, t->sync_fd, res));
	free(t);
}

/* As mirror_ring_read(). The kernel has a thread wait for the disk, and ours serves others. */
bool mirror_ring_fsync(struct ferry_req *req, int fd, int sync_fd, bool datasync)
{
	struct ring_sync *t = malloc(sizeof(*t));

	if (!t)
		return false;
	*t = (struct ring_sync){
		.io.done = synced, .req = req, .fd = fd, .sync_fd = sync_fd, .datasync = datasync,
	};
	if (submit_sync(t))
		return true;
	free(t);
	return false;
}
