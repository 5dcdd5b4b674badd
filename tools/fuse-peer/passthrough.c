// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The passthrough peer: the null peer, whose file's data is the kernel's own affair. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "peer.h"

#ifdef FUSE_CAP_PASSTHROUGH

static int backing_fd = -1;

static void init(void *userdata, struct fuse_conn_info *conn)
{
	const struct peer *peer = userdata;

	peer_init_conn(conn, peer);
	conn->want |= conn->capable & FUSE_CAP_PASSTHROUGH;
}

/* One backing file a node: its number is asked for once. */
static void open_(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	static int id;

	if (!id)
		id = fuse_passthrough_open(req, backing_fd);
	if (id <= 0) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	fi->backing_id = id;
	fuse_reply_open(req, fi);
}

int passthrough_ops(struct fuse_lowlevel_ops *ops)
{
	backing_fd = memfd_create("fuse-peer", MFD_CLOEXEC);
	if (backing_fd < 0 || ftruncate(backing_fd, NULL_FILE_SIZE))
		return -errno;
	*ops = null_ops;
	ops->init = init;
	ops->open = open_;
	return 0;
}

#else

int passthrough_ops(struct fuse_lowlevel_ops *ops)
{
	return -EOPNOTSUPP;
}

#endif
