// SPDX-License-Identifier: GPL-2.0-only
/*
 * Have commands of io_uring a header of their own?
 * Since 6.8, "io_uring: split out cmd api into a separate header".
 */
#include <linux/io_uring/cmd.h>
