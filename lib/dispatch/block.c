// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The block class: messages of enum ferry_blk_opcode -> struct ferry_block_ops. */
#include <linux/ferry_blk.h>
#include <ferry/filter.h>

#include "dispatch.h"

#define TRANSFER_MIN	4096U

/* Bytes of struct ferry_block_ops in FERRY_BACKEND_ABI 1: none has fewer. */
#define OPS_SIZE_1	(offsetof(struct ferry_block_ops, resize) + sizeof(void *))

#if FERRY_BLOCK_FUA != FERRY_BLK_FUA || FERRY_BLOCK_KEEP != FERRY_BLK_KEEP || \
	FERRY_BLOCK_TRANSFER_MAX != FERRY_BLK_TRANSFER_MAX
#error "they are copied as they are"
#endif

static bool is_power(u32 n)
{
	return n && !(n & (n - 1));
}

/* Make settings, of init() or a stream, fit each other; what cannot be mended is an error. */
int ferry_block_settle(struct ferry_server *server)
{
	const char *name = server->backend->name;
	u32 logical = server->block.logical_block;

	if (!is_power(logical) || logical < FERRY_BLOCK_SIZE_MIN ||
	    logical > FERRY_BLOCK_SIZE_MAX) {
		ferry_log(FERRY_LOG_ERR, "%s: a logical block of %u bytes: 512, 1024, 2048 and 4096 can be",
			  name, logical);
		return -EINVAL;
	}
	if (!server->block.size || server->block.size % logical || server->block.size >> 62) {
		ferry_log(FERRY_LOG_ERR, "%s: a size of %llu bytes: it must be a multiple of the block size, %u",
			  name, server->block.size, logical);
		return -EINVAL;
	}
	if (!is_power(server->block.physical_block) || server->block.physical_block < logical)
		server->block.physical_block = logical;
	if (!server->block.io_min || server->block.io_min % server->block.physical_block)
		server->block.io_min = server->block.physical_block;
	if (server->block.io_opt % server->block.io_min)
		server->block.io_opt = 0;
	server->block.max_transfer = max(server->block.max_transfer, TRANSFER_MIN);
	server->block.max_transfer = min(server->block.max_transfer, FERRY_BLOCK_TRANSFER_MAX) &
				     -TRANSFER_MIN;
	return 0;
}

int ferry_block_server_init(struct ferry_server *server, const char *args)
{
	const struct ferry_block_ops *ops = server->backend->block;
	int err;

	if (ops->size < OPS_SIZE_1)
		return -EPROTO;
	memset(&server->block, 0, sizeof(server->block));
	server->block.logical_block = FERRY_BLOCK_SIZE_MIN;
	server->block.max_transfer = FERRY_BLOCK_TRANSFER_MAX;
	server->block.flush = ops->flush;
	server->block.discard = ops->discard;
	server->block.write_zeroes = ops->write_zeroes;
	err = ops->init(server, args);
	if (err)
		return err;
	err = ferry_block_settle(server);
	if (err)
		ferry_block_server_destroy(server);
	return err;
}

void ferry_block_server_destroy(struct ferry_server *server)
{
	if (server->backend->block->destroy)
		server->backend->block->destroy(server);
}

void ferry_block_server_stop(struct ferry_server *server)
{
	const struct ferry_block_ops *ops = server->backend->block;

	if (ops->size > offsetof(struct ferry_block_ops, stop) && ops->stop)
		ops->stop(server);
}

static u32 init_flags(const struct ferry_server *server)
{
	return (server->block.read_only ? FERRY_BLK_READ_ONLY : 0) |
	       (server->block.rotational ? FERRY_BLK_ROTATIONAL : 0) |
	       (server->block.flush ? FERRY_BLK_HAS_FLUSH : 0) |
	       (server->block.fua ? FERRY_BLK_HAS_FUA : 0) |
	       (server->block.discard ? FERRY_BLK_HAS_DISCARD : 0) |
	       (server->block.write_zeroes ? FERRY_BLK_HAS_ZEROES : 0) |
	       (server->block.does_io ? FERRY_BLK_DOES_IO : 0);
}

static void do_init(struct ferry_req *req)
{
	const struct ferry_blk_init_in *in = req->in[0].p;
	const struct ferry_server *server = req->server;
	struct ferry_blk_init_out *out;

	if (in->version < FERRY_BLK_VERSION || in->max_transfer < TRANSFER_MIN) {
		ferry_reply_err(req, -EPROTO);
		return;
	}
	out = ferry_req_out(req, sizeof(*out));
	if (!out)
		return;
	memset(out, 0, sizeof(*out));
	out->version = FERRY_BLK_VERSION;
	out->flags = init_flags(server);
	out->size = server->block.size;
	out->logical_block = server->block.logical_block;
	out->physical_block = server->block.physical_block;
	out->io_min = server->block.io_min;
	out->io_opt = server->block.io_opt;
	out->max_transfer = min(server->block.max_transfer, in->max_transfer & -TRANSFER_MIN);
	out->depth = server->block.depth;
	ferry_req_end(req);
}

/* Is that a piece of the disk, in whole blocks? */
static int check_io(const struct ferry_server *server, const struct ferry_blk_io *io)
{
	u64 size = server->block.size;

	if (!io->length || (io->offset | io->length) % server->block.logical_block)
		return -EINVAL;
	return io->offset < size && io->length <= size - io->offset ? 0 : -EINVAL;
}

static void do_read(struct ferry_req *req, const struct ferry_block_ops *ops,
		    const struct ferry_blk_io *io)
{
	if (unlikely(req->data_in || io->length != req->data_len))
		ferry_reply_err(req, -EINVAL);
	else
		ops->read(req, io->offset, req->data_len);
}

static void do_write(struct ferry_req *req, const struct ferry_block_ops *ops,
		     const struct ferry_blk_io *io)
{
	if (unlikely(!req->data_in || io->length != req->data_len))
		ferry_reply_err(req, -EINVAL);
	else
		ops->write(req, io->offset, req->data_len, io->flags & FERRY_BLOCK_FUA);
}

static void do_io(struct ferry_req *req, const struct ferry_block_ops *ops)
{
	const struct ferry_blk_io *io = req->in[0].p;
	int err = check_io(req->server, io);

	if (unlikely(err)) {
		ferry_reply_err(req, err);
		return;
	}
	if (req->opcode == FERRY_BLK_READ) {
		do_read(req, ops, io);
		return;
	}
	if (unlikely(req->server->block.read_only)) {
		ferry_reply_err(req, -EROFS);
		return;
	}
	switch (req->opcode) {
	case FERRY_BLK_WRITE:
		do_write(req, ops, io);
		break;
	case FERRY_BLK_DISCARD:
		if (req->server->block.discard)
			ops->discard(req, io->offset, io->length);
		else
			ferry_reply_err(req, -EOPNOTSUPP);
		break;
	default:
		if (req->server->block.write_zeroes)
			ops->write_zeroes(req, io->offset, io->length,
					  io->flags & (FERRY_BLOCK_FUA | FERRY_BLOCK_KEEP));
		else
			ferry_reply_err(req, -EOPNOTSUPP);
	}
}

static void do_resize(struct ferry_req *req, const struct ferry_block_ops *ops)
{
	const struct ferry_blk_resize *in = req->in[0].p;

	if (!ops->resize)
		ferry_reply_err(req, -EOPNOTSUPP);
	else if (in->size % req->server->block.logical_block || in->size >> 62)
		ferry_reply_err(req, -EINVAL);
	else
		ops->resize(req, in->size);
}

void ferry_reply_resized(struct ferry_req *req, u64 size)
{
	struct ferry_blk_resize *out;
	struct ferry_server *server;

	if (unlikely(req->opcode != FERRY_BLK_RESIZE || !size ||
		     size % req->server->block.logical_block || size >> 62)) {
		ferry_reply_err(req, -EIO);
		return;
	}
	out = ferry_req_out(req, sizeof(*out));
	if (!out)
		return;
	for (server = req->server; server; server = server->above)
		server->block.size = size;
	out->size = size;
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_resized);

static bool has_struct(const struct ferry_req *req, u32 size)
{
	return req->nr_in == 1 && req->in[0].len == size;
}

/* @req is for a server that stands before another one. */
static void filter(struct ferry_req *req)
{
	static const u32 op[] = {
		[FERRY_BLK_READ] = FERRY_FILTER_READ,
		[FERRY_BLK_WRITE] = FERRY_FILTER_WRITE,
		[FERRY_BLK_FLUSH] = FERRY_FILTER_FLUSH,
		[FERRY_BLK_DISCARD] = FERRY_FILTER_DISCARD,
		[FERRY_BLK_WRITE_ZEROES] = FERRY_FILTER_ZEROES,
	};
	const struct ferry_blk_io *io = req->in[0].p;
	const bool has_io = has_struct(req, sizeof(*io));

	if (req->opcode >= ARRAY_SIZE(op) || !op[req->opcode]) {
		req->server = req->server->below;
		ferry_block_dispatch(req);
	} else {
		req->server->backend->block->filter(req, op[req->opcode],
						    has_io ? io->offset : 0,
						    has_io ? io->length : 0);
	}
}

void ferry_block_dispatch(struct ferry_req *req)
{
	const struct ferry_block_ops *ops = req->server->backend->block;

	/* INIT is about settings, and those of the first one in the row count. */
	if (unlikely(req->server->below) && req->opcode != FERRY_BLK_INIT) {
		filter(req);
		return;
	}
	switch (req->opcode) {
	case FERRY_BLK_READ:
	case FERRY_BLK_WRITE:
	case FERRY_BLK_DISCARD:
	case FERRY_BLK_WRITE_ZEROES:
		if (unlikely(!has_struct(req, sizeof(struct ferry_blk_io))))
			break;
		do_io(req, ops);
		return;
	case FERRY_BLK_FLUSH:
		if (ops->flush)
			ops->flush(req);
		else
			ferry_reply_err(req, 0);
		return;
	case FERRY_BLK_INIT:
		if (!has_struct(req, sizeof(struct ferry_blk_init_in)))
			break;
		do_init(req);
		return;
	case FERRY_BLK_RESIZE:
		if (!has_struct(req, sizeof(struct ferry_blk_resize)))
			break;
		do_resize(req, ops);
		return;
	default:
		ferry_reply_err(req, -ENOSYS);
		return;
	}
	ferry_reply_err(req, -EINVAL);
}

enum ferry_change ferry_block_change(const struct ferry_req *req)
{
	if (req->server->block.repeats)
		return FERRY_CHANGE_NONE;
	switch (req->opcode) {
	case FERRY_BLK_READ:
	case FERRY_BLK_FLUSH:
		return FERRY_CHANGE_NONE;
	case FERRY_BLK_WRITE:
		return FERRY_CHANGE_BYTES;
	default:
		return FERRY_CHANGE_ALL;
	}
}
