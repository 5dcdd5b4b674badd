// SPDX-License-Identifier: GPL-2.0-only
/*
 * Have commands of io_uring a header of their own?
 * Since 6.8.
 */
#include <linux/io_uring/cmd.h>
