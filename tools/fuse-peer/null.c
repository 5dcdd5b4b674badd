// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The null peer: every name that begins with N is the same file, which reads as zeros. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "peer.h"

#define FILE_NODE	2

static char zeros[PEER_MAX_WRITE] __attribute__((aligned(4096)));

static void init(void *userdata, struct fuse_conn_info *conn)
{
	const struct peer *peer = userdata;

	peer_init_conn(conn, peer);
}

static void fill(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){
		.st_ino = ino,
		.st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666,
		.st_nlink = ino == FUSE_ROOT_ID ? 2 : 1,
		.st_size = ino == FUSE_ROOT_ID ? 0 : NULL_FILE_SIZE,
	};
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct peer *peer = fuse_req_userdata(req);
	struct fuse_entry_param entry = {
		.ino = FILE_NODE,
		.attr_timeout = peer->attr_timeout,
		.entry_timeout = peer->entry_timeout,
	};

	if (name[0] != 'N') {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill(FILE_NODE, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct peer *peer = fuse_req_userdata(req);
	struct stat st;

	fill(ino, &st);
	fuse_reply_attr(req, &st, peer->attr_timeout);
}

static void setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi)
{
	getattr(req, ino, fi);
}

static void read_(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi)
{
	struct iovec iov = { .iov_base = zeros, .iov_len = size };

	if (iov.iov_len > sizeof(zeros))
		iov.iov_len = sizeof(zeros);
	fuse_reply_iov(req, &iov, 1);
}

static void write_(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	fuse_reply_write(req, size);
}

const struct fuse_lowlevel_ops null_ops = {
	.init = init,
	.lookup = lookup,
	.getattr = getattr,
	.setattr = setattr,
	.read = read_,
	.write = write_,
};
