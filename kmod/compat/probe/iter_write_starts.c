// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do vfs_iter_write() and vfs_iocb_iter_write() call file_start_write() themselves?
 * Since 6.8, "fs: move file_start_write() into vfs_iter_write()". Nothing that compiles
 * shows it; this header came with the series that made it so.
 */
#include <linux/backing-file.h>
