// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Begin and end of a server of the fs class, and what it settles with its client. */
#include <linux/fuse.h>
#include "dispatch.h"

#define PROTOCOL	7	/* FUSE's major number, since 2006 */

#define WRITE_MIN	4096U
#define WRITE_MAX	FERRY_DATA_MAX
#define WRITE_OLD	(32 * 4096U)	/* most that a client without FUSE_MAX_PAGES sends */
#define NS_PER_S	1000000000U

/* Bytes of struct ferry_fs_ops in FERRY_BACKEND_ABI 1: none has fewer. */
#define OPS_SIZE_1	(offsetof(struct ferry_fs_ops, fallocate) + sizeof(void *))

static u32 clamp_to(u32 v, u32 lo, u32 hi)
{
	return v < lo ? lo : min(v, hi);
}

int ferry_fs_server_init(struct ferry_server *server, const char *args)
{
	const struct ferry_fs_ops *ops = server->backend->fs;
	int err = 0;

	if (ops->size < OPS_SIZE_1)
		return -EPROTO;
	server->fs.max_write = WRITE_MAX;
	server->fs.max_readahead = WRITE_MAX;
	server->fs.time_gran = 1;
	server->fs.writeback = false;
	server->fs.stack_depth = 0;
	server->fs.minor = 0;
	if (ops->init)
		err = ops->init(server, args);
	server->fs.max_write = clamp_to(server->fs.max_write, WRITE_MIN, WRITE_MAX) & -WRITE_MIN;
	server->fs.time_gran = clamp_to(server->fs.time_gran, 1, NS_PER_S);
	return err;
}

void ferry_fs_server_destroy(struct ferry_server *server)
{
	if (server->backend->fs->destroy)
		server->backend->fs->destroy(server);
}

/* What of the client's offers we take up. */
static u32 init_flags(const struct ferry_server *server, u32 offered)
{
	const struct ferry_fs_ops *ops = server->backend->fs;
	u32 flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |
		    FUSE_MAX_PAGES | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
		    FUSE_HANDLE_KILLPRIV_V2;

	flags |= ops->open ? FUSE_ATOMIC_O_TRUNC : FUSE_NO_OPEN_SUPPORT;
	if (!ops->opendir)
		flags |= FUSE_NO_OPENDIR_SUPPORT;
	if (server->fs.writeback)
		flags |= FUSE_WRITEBACK_CACHE;
	return flags & offered;
}

/* Backed files, if the client knows them and they can be had. */
static void settle_backing(struct ferry_req *req, struct fuse_init_out *out)
{
	const struct fuse_init_in *in = req->in[0].p;
	struct ferry_server *server = req->server;
	const u32 end = offsetof(struct fuse_init_in, flags2) + sizeof(in->flags2);

	if (!(in->flags & FUSE_INIT_EXT) || req->in[0].len < end ||
	    !(in->flags2 & FERRY_FUSE_PASSTHROUGH) || !req->host->backing ||
	    out->flags & FUSE_WRITEBACK_CACHE)
		server->fs.stack_depth = 0;
	if (!server->fs.stack_depth)
		return;
	out->flags |= FUSE_INIT_EXT;
	out->flags2 = FERRY_FUSE_PASSTHROUGH;
	(&out->flags2)[1] = server->fs.stack_depth;
}

void ferry_fs_negotiate(struct ferry_req *req)
{
	const struct fuse_init_in *in = req->in[0].p;
	struct ferry_server *server = req->server;
	struct fuse_init_out *out;

	/* Minor 23 settled the length of this reply. */
	if (in->major < PROTOCOL ||
	    (in->major == PROTOCOL && in->minor < 23)) {
		ferry_log(FERRY_LOG_ERR, "%s: the client speaks FUSE %u.%u, not 7.23 or newer",
			  server->backend->name, in->major, in->minor);
		ferry_reply_err(req, -EPROTO);
		return;
	}
	out = ferry_req_out(req, sizeof(*out));
	if (!out)
		return;
	memset(out, 0, sizeof(*out));
	out->major = PROTOCOL;
	out->minor = min(in->minor, (u32)FUSE_KERNEL_MINOR_VERSION);
	if (in->major > PROTOCOL) {
		/* It will ask again, by our major version. */
		out->minor = FUSE_KERNEL_MINOR_VERSION;
		ferry_req_end(req);
		return;
	}
	out->flags = init_flags(server, in->flags);
	out->max_readahead = min(in->max_readahead, server->fs.max_readahead);
	out->max_write = server->fs.max_write;
	if (out->flags & FUSE_MAX_PAGES)
		out->max_pages = FERRY_DATA_MAX / 4096;
	else
		out->max_write = min(out->max_write, WRITE_OLD);
	out->time_gran = server->fs.time_gran;
	settle_backing(req, out);
	server->fs.minor = out->minor;
	ferry_req_end(req);
}
