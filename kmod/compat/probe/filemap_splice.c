// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does splice from the page cache go past ->read_iter(), with no iterator over a pipe?
 * Since 6.5, "splice: Add a func to do a splice from a buffered file without ITER_PIPE".
 */
#include <linux/fs.h>
#include <linux/splice.h>

struct file_operations probe = {
	.splice_read = filemap_splice_read,
};
