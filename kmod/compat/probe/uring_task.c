// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is there io_uring_cmd_get_task()?
 * Since 6.8, "io_uring/cmd: inline io_uring_cmd_get_task".
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

struct task_struct *probe(struct io_uring_cmd *cmd);
struct task_struct *probe(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_get_task(cmd);
}
