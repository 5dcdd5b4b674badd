/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels for kmod/core; see compat.h for the rules. */
#ifndef FERRY_COMPAT_CORE_H
#define FERRY_COMPAT_CORE_H

#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uio.h>
#include <ferry/env.h>
#include "compat/have.h"

/*
 * default_wake_function() takes the scheduler's wake flags, which have names in
 * kernel/sched/sched.h only. WF_SYNC: the waker is about to sleep. The same number
 * in 6.1, 6.12 and 7.2.
 */
#define FERRY_WF_SYNC	0x10

#ifndef ITER_SOURCE
#define ITER_SOURCE	WRITE
#define ITER_DEST	READ
#endif

#ifndef HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#ifndef HAVE_BVEC_SET_PAGE
static inline void bvec_set_page(struct bio_vec *bv, struct page *page,
				 unsigned int len, unsigned int offset)
{
	bv->bv_page = page;
	bv->bv_len = len;
	bv->bv_offset = offset;
}
#endif

/*
 * Hold the pages behind the next bytes of a user-backed iterator, which is
 * advanced: at most @nr of them into @pages, the first one's offset into @start.
 * Where they are not pinned but only referred to, a fork() before they are filled may
 * leave the caller with another copy, as it does to all direct I/O of such a kernel.
 */
#ifdef HAVE_ITER_EXTRACT
#define FERRY_ITER_PINS	1
#else
#define FERRY_ITER_PINS	0
#endif

static inline ssize_t ferry_iter_get_pages(struct iov_iter *iter, struct page **pages,
					   size_t len, unsigned int nr, size_t *start)
{
#ifdef HAVE_ITER_EXTRACT
	return iov_iter_extract_pages(iter, &pages, len, nr, 0, start);
#else
	return iov_iter_get_pages2(iter, pages, len, nr, start);
#endif
}

/* As vfs_iter_write(), which takes care of frozen filesystems or leaves that to us. */
static inline ssize_t ferry_iter_write(struct file *file, struct iov_iter *iter, loff_t *pos)
{
#ifdef HAVE_ITER_WRITE_STARTS
	return vfs_iter_write(file, iter, pos, 0);
#else
	ssize_t ret;

	file_start_write(file);
	ret = vfs_iter_write(file, iter, pos, 0);
	file_end_write(file);
	return ret;
#endif
}

static inline void ferry_iter_put_page(struct page *page, bool dirty)
{
#ifdef HAVE_ITER_EXTRACT
	unpin_user_pages_dirty_lock(&page, 1, dirty);
#else
	/* As unpin_user_pages_dirty_lock() does: one that is dirty already need not be locked. */
	if (dirty && !PageDirty(page))
		set_page_dirty_lock(page);
	put_page(page);
#endif
}

#endif
