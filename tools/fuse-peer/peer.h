/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuse-peer: what ferry's null and memfs backends do, served by FUSE. It exists
 * to be compared with, so it is built the way a good FUSE server is built.
 */
#ifndef FUSE_PEER_H
#define FUSE_PEER_H

#define FUSE_USE_VERSION	312
#include <fuse_lowlevel.h>

#define PEER_MAX_WRITE		(1U << 20)
#define NULL_FILE_SIZE		(1LL << 30)

/**
 * struct peer - one mount
 * @attr_timeout: seconds
 * @entry_timeout: seconds
 * @size: bytes that the memory peer says it has
 * @writeback: the kernel may cache writes
 */
struct peer {
	double attr_timeout;
	double entry_timeout;
	unsigned long long size;
	int writeback;
};

/**
 * peer_init_conn() - settings that both peers share, for their init operation
 */
void peer_init_conn(struct fuse_conn_info *conn, const struct peer *peer);

extern const struct fuse_lowlevel_ops null_ops;
extern const struct fuse_lowlevel_ops memory_ops;

/** passthrough_ops() - 0, or -EOPNOTSUPP: this libfuse is older, or another -errno */
int passthrough_ops(struct fuse_lowlevel_ops *ops);

#endif
