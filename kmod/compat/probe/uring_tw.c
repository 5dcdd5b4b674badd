// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the work that completes a command of io_uring given a struct io_tw_req?
 * Since 6.19, "io_uring: add wrapper type for io_req_tw_func_t arg".
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

struct io_uring_cmd *probe(struct io_tw_req req);
struct io_uring_cmd *probe(struct io_tw_req req)
{
	return io_uring_cmd_from_tw(req);
}
