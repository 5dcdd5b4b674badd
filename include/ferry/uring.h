/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Wait style uring: a backend's own I/O in the ring that its thread waits in. For
 * backends of user space alone; fill entries by liburing's io_uring_prep_*().
 *
 *	static void read_done(struct ferry_io *io, int res) { ... ferry_reply_data(...); }
 *
 *	sqe = ferry_uring_sqe(&op->io);
 *	if (sqe)
 *		io_uring_prep_read(sqe, fd, buf, len, off);	and the operation returns
 *	else
 *		res = pread(fd, buf, len, off);			and it answers
 *
 * What several requests have prepared, and what was answered meanwhile, goes to the
 * kernel in one system call.
 */
#ifndef FERRY_URING_H
#define FERRY_URING_H

#include <liburing.h>

#include <ferry/backend.h>

/**
 * struct ferry_io - I/O under way; part of a struct of the backend's
 * @done: called once with the completion's res, in the thread that began it; may begin
 *	more, may free the struct
 */
struct ferry_io {
	void (*done)(struct ferry_io *io, int res);
};

/**
 * ferry_uring_sqe() - an empty submission entry of this thread's ring
 * @io: ->done is set; it stays until that is called
 *
 * Fill the entry before anything else of libferry is called, and leave user_data as it
 * is. A session does not end before its I/O has.
 * Context: an operation of a backend, or a struct ferry_io's done()
 * Return: the entry; NULL: the session is not of style uring, or this is no thread of
 *	its own
 */
struct io_uring_sqe *ferry_uring_sqe(struct ferry_io *io);

/**
 * ferry_uring_data() - where a request's data is in memory shared with its client
 * @req: a request that was dispatched in this thread
 * @len: out: bytes of data that came with it, or the room there is for the reply's
 *
 * A reply whose data was put there is given as any other: ferry_reply_data() sees that
 * there is nothing to copy.
 * Return: NULL as ferry_uring_sqe(), and where the data does not fit its slot: use
 *	ferry_req_pull() and memory of your own
 */
void *ferry_uring_data(struct ferry_req *req, u32 *len);

#endif
