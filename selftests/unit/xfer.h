/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* FERRY_IOC_XFER, for what stands in for the kernel. */
#ifndef XFER_H
#define XFER_H

#include <ferry/env.h>
#include <linux/ferry.h>
#include <sys/uio.h>

#include "../claim.h"

/*
 * xfer_move() - between a client's memory and a server's
 * @data: the client's, @len bytes
 * @in: it goes to the server
 * @pushed: of what goes to the client: what has come by now; in and out
 * Return: bytes
 */
static inline int xfer_move(const struct ferry_xfer *x, void *data, u32 len, bool in, u32 *pushed)
{
	const struct iovec *iov = (void *)(uintptr_t)x->iov;
	u64 at = x->offset;
	u32 i;

	CHECK_EQ(x->flags, in ? FERRY_XFER_PULL : FERRY_XFER_PUSH);
	if (!in)
		CHECK_EQ(at, *pushed);
	for (i = 0; i < x->nr_iov && at < len; i++) {
		size_t n = min(iov[i].iov_len, (size_t)(len - at));

		if (in)
			memcpy(iov[i].iov_base, (char *)data + at, n);
		else
			memcpy((char *)data + at, iov[i].iov_base, n);
		at += n;
	}
	if (!in)
		*pushed = at;
	return at - x->offset;
}

#endif
