// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does ->write_begin() hand out a folio, not a page?
 * Since 6.12, "fs: Convert aops->write_begin to take a folio".
 */
#include <linux/fs.h>

int begin(struct file *file, struct address_space *mapping, loff_t pos, unsigned int len,
	  struct folio **foliop, void **fsdata);
struct address_space_operations probe = {
	.write_begin = begin,
};
