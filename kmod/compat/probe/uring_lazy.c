// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can a command be completed without its task being woken at once?
 * Since 6.5, "io_uring/cmd: add cmd lazy tw wake helper".
 */
#if __has_include(<linux/io_uring/cmd.h>)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

void *probe(void);
void *probe(void)
{
	return io_uring_cmd_do_in_task_lazy;
}
