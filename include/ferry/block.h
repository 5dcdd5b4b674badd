/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a backend of the block class implements: a disk.
 *
 * Offsets and lengths are in bytes, multiples of the logical block size, and within
 * the disk: the dispatcher has checked that before an operation is called. While a
 * disk shrinks an operation may still be under way for what was there before.
 * Operations are called from many threads at a time and may be answered in any
 * order. What a write has answered, a read that comes later must give; what a
 * flush has answered, and a write with FERRY_BLOCK_FUA, must outlive a power cut as
 * far as the backend promises to outlive one.
 *
 * Data comes by ferry_req_pull() and goes by ferry_req_push() or
 * ferry_reply_data(). A read that answers less than was asked for is an error to
 * who asked (-EIO): a disk has no end in the middle.
 */
#ifndef FERRY_BLOCK_H
#define FERRY_BLOCK_H

#include <ferry/backend.h>

/* Flags of a write or write_zeroes */
#define FERRY_BLOCK_FUA		(1U << 0)	/* answer when it is safe, as after a flush */
#define FERRY_BLOCK_KEEP	(1U << 1)	/* write_zeroes: do not give the room back */

#define FERRY_BLOCK_SIZE_MIN	512U		/* of a logical block, */
#define FERRY_BLOCK_SIZE_MAX	4096U
#define FERRY_BLOCK_TRANSFER_MAX	(1U << 20)	/* bytes of one read or write */

/**
 * struct ferry_block_ops - operations of a disk
 * @size: sizeof(struct ferry_block_ops), so that it may grow at the end
 * @init: make the server's disk: set server->priv and server->block, at least
 *	its size. Return 0 or -errno, the latter after a line in the log which
 *	says what is wrong with @args.
 * @destroy: no request is under way any more; may be NULL
 * @read: give @len bytes; ferry_reply_data(), or ferry_req_push() and
 *	ferry_reply_err()
 * @write: take ferry_req_data_len() bytes, which is @len, by ferry_req_pull();
 *	@flags FERRY_BLOCK_FUA where server->block.fua is set; ferry_reply_err()
 * @flush: all writes that were answered are safe; ferry_reply_err(). NULL: they
 *	are when they are answered.
 * @discard: the content of the range does not matter any more; ferry_reply_err().
 *	NULL: -EOPNOTSUPP, and the client is told not to ask.
 * @write_zeroes: the range reads as zeros from now on; @flags FERRY_BLOCK_KEEP, and
 *	FERRY_BLOCK_FUA as with write; ferry_reply_err(). NULL: the client writes
 *	zeros instead.
 * @resize: the disk is to have @size bytes, a multiple of the logical block size,
 *	or, with 0, as many as what lies under it has by now;
 *	ferry_reply_resized(). NULL: -EOPNOTSUPP.
 * @stop: the client is gone, nobody waits for an answer: what the backend has not
 *	answered yet is to be answered soon. NULL: it will be anyway. Not called in
 *	kernel placement.
 * @filter: of a filter, which has neither read, write ... nor resize: see filter.h
 */
struct ferry_block_ops {
	size_t size;
	int  (*init)(struct ferry_server *server, const char *args);
	void (*destroy)(struct ferry_server *server);
	void (*read)(struct ferry_req *req, u64 off, u32 len);
	void (*write)(struct ferry_req *req, u64 off, u32 len, u32 flags);
	void (*flush)(struct ferry_req *req);
	void (*discard)(struct ferry_req *req, u64 off, u64 len);
	void (*write_zeroes)(struct ferry_req *req, u64 off, u64 len, u32 flags);
	void (*resize)(struct ferry_req *req, u64 size);
	void (*stop)(struct ferry_server *server);
	void (*filter)(struct ferry_req *req, u32 op, u64 off, u64 len);
};

/**
 * ferry_reply_resized() - answer a resize
 * @size: what the disk has now; becomes server->block.size
 */
void ferry_reply_resized(struct ferry_req *req, u64 size);

#endif
