// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a command of io_uring know its whole submission entry, and not only ->cmd of it?
 * Since 6.5, "io_uring: Pass whole sqe to commands".
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

const void *probe(const struct io_uring_cmd *cmd);
const void *probe(const struct io_uring_cmd *cmd)
{
	return cmd->sqe->cmd;
}
