// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does io_uring_cmd_done() take one result, and not two?
 * Since 6.18, "io_uring/cmd: drop unused res2 param from io_uring_cmd_done()".
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
