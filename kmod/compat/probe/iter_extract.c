// SPDX-License-Identifier: GPL-2.0-only
/* 6.3, 7d58fe731028 "iov_iter: Add a function to extract a page list from an iterator" */
#include <linux/uio.h>

ssize_t probe(struct iov_iter *i, struct page ***pages, size_t *start);
ssize_t probe(struct iov_iter *i, struct page ***pages, size_t *start)
{
	return iov_iter_extract_pages(i, pages, 1, 1, 0, start);
}
