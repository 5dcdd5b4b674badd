// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does io_uring_cmd_done() take one result, and not two?
 * Between 6.12 and 7.2.
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

void probe(struct io_uring_cmd *cmd);
void probe(struct io_uring_cmd *cmd)
{
	io_uring_cmd_done(cmd, 0, 0);
}
