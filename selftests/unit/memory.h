/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A host of requests whose data lies in memory. */
#ifndef MEMORY_H
#define MEMORY_H

#include <errno.h>
#include <ferry/req.h>
#include <string.h>
#include <unistd.h>

#include "../claim.h"

/**
 * struct memory_req - a request
 * @req: its host is &memory_host
 * @data: what it carries, or room for what comes; req.data_len bytes
 * @end: what it carries can be had up to here; ~0: all of it
 * @err: what who pulls more gets; 0: what there is, though bytes beyond may have come too
 * @answers: how often it was answered
 */
struct memory_req {
	struct ferry_req req;
	void *data;
	u64 end;
	int err;
	unsigned int answers;
};

static inline struct memory_req *memory_req_of(struct ferry_req *req)
{
	return container_of(req, struct memory_req, req);
}

static ssize_t memory_pull(struct ferry_req *req, u64 offset, const struct ferry_iov *iov,
			   unsigned int nr_iov)
{
	const struct memory_req *m = memory_req_of(req);
	u64 at = offset;

	CHECK(req->data_in);
	for (; nr_iov && at < req->data_len; nr_iov--, iov++) {
		size_t n = min(iov->len, (size_t)(req->data_len - at));

		memcpy(iov->base, (const char *)m->data + at, n);
		at += n;
		if (at > m->end)
			return m->err ? m->err : (ssize_t)(max(m->end, offset) - offset);
	}
	return at - offset;
}

static ssize_t memory_push(struct ferry_req *req, const struct ferry_iov *iov, unsigned int nr_iov)
{
	u64 at = req->pushed;

	CHECK(!req->data_in);
	for (; nr_iov && at < req->data_len; nr_iov--, iov++) {
		size_t n = min(iov->len, (size_t)(req->data_len - at));

		memcpy((char *)memory_req_of(req)->data + at, iov->base, n);
		at += n;
	}
	return at - req->pushed;
}

static ssize_t memory_transfer(struct ferry_req *req, int fd, u64 pos, size_t len)
{
	char *data = memory_req_of(req)->data;
	ssize_t n = req->data_in ? pwrite(fd, data, len, pos) :
				   pread(fd, data + req->pushed, len, pos);

	return n < 0 ? -errno : n;
}

static void memory_done(struct ferry_req *req)
{
	memory_req_of(req)->answers++;
}

static const struct ferry_req_host memory_host = {
	.pull = memory_pull, .push = memory_push, .transfer = memory_transfer, .done = memory_done,
};

#endif
