// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can a ring's owner wait for several completions, but not for ever for the last of them?
 * Since 6.12, "io_uring: wire up min batch wake timeout".
 */
#include <uapi/linux/io_uring.h>

unsigned int probe(void);
unsigned int probe(void)
{
	return IORING_FEAT_MIN_TIMEOUT;
}
