// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does ->write_begin() know the kiocb, not only the file?
 * Since 6.17, "fs: change write_begin/write_end interface to take struct kiocb *".
 */
#include <linux/fs.h>

int begin(const struct kiocb *iocb, struct address_space *mapping, loff_t pos,
	  unsigned int len, struct folio **foliop, void **fsdata);
struct address_space_operations probe = {
	.write_begin = begin,
};
