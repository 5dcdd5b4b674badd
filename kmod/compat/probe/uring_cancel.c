// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does io_uring ask a file to cancel the commands of a ring that goes?
 * Since 6.7, "io_uring: cancelable uring_cmd".
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

int probe(struct io_uring_cmd *cmd);
int probe(struct io_uring_cmd *cmd)
{
	io_uring_cmd_mark_cancelable(cmd, 0);
	return IO_URING_F_CANCEL;
}
