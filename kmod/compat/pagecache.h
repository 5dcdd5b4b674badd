/* SPDX-License-Identifier: GPL-2.0-only */
/* compat.h's part for kmod/fs/{file,cache,writeback,direct}.c: page cache and splice. */
#ifndef FERRY_COMPAT_PAGECACHE_H
#define FERRY_COMPAT_PAGECACHE_H

#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include "compat/have.h"

#ifdef HAVE_FOLIO_BATCH
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

/*
 * Let folios be of up to @max bytes, and not above 64 KiB: a folio is dirtied and
 * written back as a whole, so a byte written must not cost much. Where they cannot be
 * bounded read-ahead makes them as large as its window, and ferry_folio_is_unwieldy()
 * tells of those that should be replaced before they are written to.
 */
#define FERRY_FOLIO_MAX	((size_t)SZ_64K)

#ifdef HAVE_FOLIO_ORDER_RANGE
#define FERRY_FOLIOS_BOUNDED	1
#else
#define FERRY_FOLIOS_BOUNDED	0
#endif

/* Do writes make folios larger than a page? */
#ifdef HAVE_FGF_ORDER
#define FERRY_FOLIOS_WRITTEN	1
#else
#define FERRY_FOLIOS_WRITTEN	0
#endif

static inline void ferry_set_large_folios(struct address_space *mapping, size_t max)
{
#ifdef HAVE_FOLIO_ORDER_RANGE
	size_t size = clamp_t(size_t, max, PAGE_SIZE, max_t(size_t, FERRY_FOLIO_MAX, PAGE_SIZE));

	mapping_set_folio_order_range(mapping, 0, ilog2(size / PAGE_SIZE));
#else
	if (max >= FERRY_FOLIO_MAX)
		mapping_set_large_folios(mapping);
#endif
}

/* Its write-back ends when a server says so: reclaim and migration shall not wait for that. */
static inline void ferry_set_slow_writeback(struct address_space *mapping)
{
#ifdef HAVE_WRITEBACK_MAY_DEADLOCK
	mapping_set_writeback_may_deadlock_on_reclaim(mapping);
#endif
}

static inline bool ferry_folio_is_unwieldy(struct folio *folio)
{
#ifdef HAVE_FOLIO_ORDER_RANGE
	return false;
#else
	return folio_size(folio) > FERRY_FOLIO_MAX && folio_test_large(folio);
#endif
}

/* The locked folio at @pos, made if need be, of up to @len bytes; or ERR_PTR. */
static inline struct folio *ferry_write_begin_folio(struct address_space *mapping, loff_t pos,
						    size_t len)
{
#ifdef HAVE_FGF_ORDER
	return __filemap_get_folio(mapping, pos >> PAGE_SHIFT, FGP_WRITEBEGIN | fgf_set_order(len),
				   mapping_gfp_mask(mapping));
#else
	return __filemap_get_folio(mapping, pos >> PAGE_SHIFT,
				   FGP_LOCK | FGP_WRITE | FGP_CREAT | FGP_STABLE,
				   mapping_gfp_mask(mapping)) ?: ERR_PTR(-ENOMEM);
#endif
}

#ifndef HAVE_GET_FOLIOS_TAG
static inline unsigned int filemap_get_folios_tag(struct address_space *mapping, pgoff_t *start,
						  pgoff_t end, xa_mark_t tag,
						  struct folio_batch *batch)
{
	/* The two structs are laid out alike, which <linux/pagevec.h> asserts. */
	return pagevec_lookup_range_tag((struct pagevec *)batch, mapping, start, end, tag);
}
#endif

/* Call @fn, which unlocks it, for each dirty folio that @wbc is about. */
struct ferry_writeback {
	int (*fn)(struct folio *folio, struct writeback_control *wbc, void *data);
	void *data;
};

#ifdef HAVE_WRITEBACK_ITER
static inline int ferry_writeback_each(struct address_space *mapping,
				       struct writeback_control *wbc, struct ferry_writeback *w)
{
	struct folio *folio = NULL;
	int error = 0;

	while ((folio = writeback_iter(mapping, wbc, folio, &error)))
		error = w->fn(folio, wbc, w->data);
	return error;
}
#else
static inline int ferry_writeback_page(struct page *page, struct writeback_control *wbc, void *data)
{
	struct ferry_writeback *w = data;

	return w->fn(page_folio(page), wbc, w->data);
}

static inline int ferry_writeback_each(struct address_space *mapping,
				       struct writeback_control *wbc, struct ferry_writeback *w)
{
	return write_cache_pages(mapping, wbc, ferry_writeback_page, w);
}
#endif

/* For the operation table: wrap functions of the newest type. */
#ifdef HAVE_WRITE_BEGIN_KIOCB
#define FERRY_WRITE_OPS(begin, end)
#define ferry_write_op(fn)	fn
#else
#ifdef HAVE_WRITE_BEGIN_FOLIO
#define ferry_folio_or_page		folio
#define ferry_of_folio(folio, pos)	(folio)
#define ferry_to_folio(folio)		(folio)
#else
#define ferry_folio_or_page		page
#define ferry_of_folio(folio, pos)	folio_file_page(folio, (pos) >> PAGE_SHIFT)
#define ferry_to_folio(page)		page_folio(page)
#endif
#define FERRY_WRITE_OPS(begin, end)							\
static int begin##_compat(struct file *file, struct address_space *mapping, loff_t pos,	\
			  unsigned int len, struct ferry_folio_or_page **out,		\
			  void **fsdata)						\
{											\
	const struct kiocb iocb = { .ki_filp = file };					\
	struct folio *folio;								\
	int err = begin(&iocb, mapping, pos, len, &folio, fsdata);			\
											\
	if (!err)									\
		*out = ferry_of_folio(folio, pos);					\
	return err;									\
}											\
static int end##_compat(struct file *file, struct address_space *mapping, loff_t pos,	\
			unsigned int len, unsigned int copied,				\
			struct ferry_folio_or_page *in, void *fsdata)			\
{											\
	const struct kiocb iocb = { .ki_filp = file };					\
											\
	return end(&iocb, mapping, pos, len, copied, ferry_to_folio(in), fsdata);	\
}
#define ferry_write_op(fn)	fn##_compat
#endif

/* As vfs_iocb_iter_write(), which takes care of frozen filesystems or leaves that to us. */
static inline ssize_t ferry_iocb_write(struct file *file, struct kiocb *iocb,
				       struct iov_iter *iter)
{
#ifdef HAVE_ITER_WRITE_STARTS
	return vfs_iocb_iter_write(file, iocb, iter);
#else
	ssize_t ret;

	file_start_write(file);
	ret = vfs_iocb_iter_write(file, iocb, iter);
	file_end_write(file);
	return ret;
#endif
}

#ifdef HAVE_VFS_MMAP
#define ferry_can_mmap(file)		can_mmap_file(file)
#define ferry_call_mmap(file, vma)	vfs_mmap(file, vma)
#else
#define ferry_can_mmap(file)		((file)->f_op->mmap)
#define ferry_call_mmap(file, vma)	call_mmap(file, vma)
#endif

#ifndef HAVE_ERROR_REMOVE_FOLIO
#define error_remove_folio		error_remove_page
#define generic_error_remove_folio	generic_error_remove_page
#endif

#ifdef HAVE_FILEMAP_SPLICE
#define ferry_iter_is_pipe(iter)	false
#else
#define filemap_splice_read		generic_file_splice_read
#define copy_splice_read		generic_file_splice_read
#define ferry_iter_is_pipe(iter)	iov_iter_is_pipe(iter)
#endif

#endif
