// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page cache, and what is in it: read-ahead, writing into it, truncation, mmap. What is
 * dirty leaves it by writeback.c.
 *
 * Bytes of the last folio behind i_size may be written to through a mapping. They
 * are zeroed before they go to the server, and in the cache before the file grows
 * past them (ferry_zero_tail).
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "compat/pagecache.h"
#include "fs/folios.h"
#include "fs/fs.h"

/* Below that another thread may cost more than it saves; a guess, not measured. */
#define READ_DEFER_MIN	SZ_64K

struct workqueue_struct *ferry_io_wq;

int ferry_cache_init(void)
{
	int err = ferry_writeback_init();

	if (err)
		return err;
	ferry_io_wq = alloc_workqueue("ferryfs_io", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!ferry_io_wq) {
		ferry_writeback_exit();
		return -ENOMEM;
	}
	return 0;
}

void ferry_cache_exit(void)
{
	destroy_workqueue(ferry_io_wq);
	ferry_writeback_exit();
}

/* Reading */

/*
 * The server gave less than was asked for. Behind the end of file the cache holds
 * zeroes. Before it there is a hole if the size is ours to know; otherwise the file
 * has become shorter without us.
 */
static void short_read(struct inode *inode, loff_t end)
{
	if (!ferry_owns_times(inode) && end < i_size_read(inode))
		ferry_attr_invalidate(inode);
}

/* With the pin, or the last folio that is unlocked, the inode may go, and the mount with it. */
static void read_end(struct ferry_args *args, int err)
{
	struct ferry_io *io = container_of(args, struct ferry_io, args);
	struct inode *inode = io->mapping->host;
	size_t got = args->data_done;
	unsigned int i;

	if (!err && got < io->len)
		short_read(inode, io->pos + got);
	ferry_attr_stale(inode, STATX_ATIME);
	ferry_file_put(io->file);
	for (i = 0; i < io->nr; i++) {
		struct folio *folio = ferry_io_folio(io, i);
		size_t size = folio_size(folio);

		if (!err) {
			if (got < size)
				folio_zero_segment(folio, got, size);
			got -= min(got, size);
			folio_mark_uptodate(folio);
		}
		folio_unlock(folio);
	}
	if (io->pinned)
		ferry_inode_unpin(inode);
	kfree(io);
}

/* As in the reader, who has folios locked. */
static void read_work(struct work_struct *work)
{
	struct ferry_io *io = container_of(work, struct ferry_io, work);
	unsigned int nofs = memalloc_nofs_save();

	ferry_submit_deferred(io->file->mount->chan, &io->args);
	memalloc_nofs_restore(nofs);
}

/*
 * A server that is a function would fill in the reader's own time what the reader does not
 * need yet, beside an idle processor: that a daemon can do both at a time must not be its advantage.
 */
static void read_defer(struct ferry_args *args)
{
	struct ferry_io *io = container_of(args, struct ferry_io, args);

	INIT_WORK(&io->work, read_work);
	queue_work(ferry_io_wq, &io->work);
}

static void read_send(struct ferry_io *io)
{
	struct ferry_mount *m = io->file->mount;

	io->read = (struct fuse_read_in) {
		.fh = io->file->fh,
		.offset = io->pos,
		.size = io->len,
		.flags = io->file->flags,
	};
	iov_iter_bvec(&io->iter, ITER_DEST, io->bvec, io->nr, io->len);
	ferry_args_init(&io->args, FUSE_READ, io->file->node);
	ferry_args_in(&io->args, &io->read, sizeof(io->read));
	ferry_args_data(&io->args, FERRY_ARGS_DATA_OUT, &io->iter);
	io->args.end = read_end;
	if (io->len >= READ_DEFER_MIN && num_online_cpus() > 1)
		io->args.defer = read_defer;
	if (m->async_read)
		ferry_submit(m->chan, &io->args);
	else
		read_end(&io->args, ferry_call(m->chan, &io->args));
}

static size_t read_max(const struct ferry_mount *m)
{
	return min_t(size_t, m->max_read, FERRY_DATA_MAX);
}

/* Fill a locked folio; 0: it is up to date. */
static int fill_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	struct ferry_file *ff = file->private_data;
	size_t size = folio_size(folio), done = 0;

	if (ferry_is_bad(inode))
		return -EIO;
	while (done < size) {
		size_t len = min(size - done, read_max(ff->mount));
		struct fuse_read_in in = {
			.fh = ff->fh,
			.offset = folio_pos(folio) + done,
			.size = len,
			.flags = ff->flags,
		};
		struct bio_vec bvec = {
			.bv_page = folio_page(folio, 0),
			.bv_offset = done,
			.bv_len = len,
		};
		struct ferry_args args;
		struct iov_iter iter;
		int err;

		iov_iter_bvec(&iter, ITER_DEST, &bvec, 1, len);
		ferry_args_init(&args, FUSE_READ, ff->node);
		ferry_args_in(&args, &in, sizeof(in));
		ferry_args_data(&args, FERRY_ARGS_DATA_OUT, &iter);
		err = ferry_call(ff->mount->chan, &args);
		if (err)
			return err;
		done += args.data_done;
		if (args.data_done < len) {
			short_read(inode, folio_pos(folio) + done);
			folio_zero_segment(folio, done, size);
			break;
		}
	}
	ferry_attr_stale(inode, STATX_ATIME);
	folio_mark_uptodate(folio);
	return 0;
}

static void ferry_readahead(struct readahead_control *rac)
{
	struct address_space *mapping = rac->mapping;
	struct ferry_mount *m = ferry_mount_of(mapping->host);
	struct ferry_io *io = NULL;
	struct folio *folio;

	if (!rac->file || ferry_is_bad(mapping->host))
		return;
	while ((folio = readahead_folio(rac))) {
		if (unlikely(folio_size(folio) > read_max(m))) {
			fill_folio(rac->file, folio);
			folio_unlock(folio);
			continue;
		}
		if (io && !ferry_io_takes(io, folio_pos(folio), folio_size(folio), read_max(m))) {
			read_send(io);
			io = NULL;
		}
		if (!io) {
			struct ferry_file *ff = rac->file->private_data;

			io = ferry_io_alloc(min_t(size_t, readahead_count(rac),
						  max_t(size_t, read_max(m) / PAGE_SIZE, 1)));
			if (!io) {
				/* Whoever needs it asks for it alone. */
				folio_unlock(folio);
				return;
			}
			ferry_file_get(ff);
			ferry_io_init(io, ff, mapping, ferry_inode_pin(mapping->host),
				      folio_pos(folio));
		}
		ferry_io_add(io, folio, folio_size(folio));
	}
	if (io)
		read_send(io);
}

static int ferry_read_folio(struct file *file, struct folio *folio)
{
	int err = file ? fill_folio(file, folio) : -EIO;

	folio_unlock(folio);
	return err;
}

/**
 * ferry_read_look() - before a read from the cache
 * @file: by this file
 * @pos: from here on
 * @len: so many bytes
 *
 * If attributes ran out it is asked for the size, should it matter, and whether the server has
 * changed what is cached, if that is to be known.
 *
 * Return: 0 or -errno
 */
int ferry_read_look(struct file *file, loff_t pos, size_t len)
{
	struct inode *inode = file_inode(file);
	int err = ferry_size_look(inode, file);

	if (!err && (pos + len > i_size_read(inode) || ferry_mount_of(inode)->auto_inval))
		err = ferry_attr_need(inode, file, STATX_SIZE);
	return err;
}

ssize_t ferry_cached_read(struct kiocb *iocb, struct iov_iter *to)
{
	int err = ferry_read_look(iocb->ki_filp, iocb->ki_pos, iov_iter_count(to));

	return err ?: generic_file_read_iter(iocb, to);
}

/* Writing into the cache */

/*
 * A locked folio is about to be dirtied, and too large for that: if it is clean it goes,
 * unlocked, for smaller ones to come. False: it stays as it is.
 */
static bool drop_unwieldy(struct folio *folio)
{
	struct address_space *mapping = folio->mapping;
	pgoff_t index = folio->index;

	if (likely(!ferry_folio_is_unwieldy(folio)) || folio_test_dirty(folio) ||
	    folio_test_writeback(folio))
		return false;
	folio_unlock(folio);
	invalidate_inode_pages2_range(mapping, index, index);
	return true;
}

static int ferry_write_begin(const struct kiocb *iocb, struct address_space *mapping,
			     loff_t pos, unsigned int len, struct folio **foliop, void **fsdata)
{
	loff_t size = i_size_read(mapping->host);
	struct folio *folio = ferry_write_begin_folio(mapping, pos, len);
	size_t from, to;
	int err = 0;

	if (!IS_ERR(folio) && unlikely(drop_unwieldy(folio))) {
		folio_put(folio);
		folio = ferry_write_begin_folio(mapping, pos, len);
	}
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	from = offset_in_folio(folio, pos);
	to = min(from + len, folio_size(folio));
	if (folio_test_uptodate(folio) || to - from == folio_size(folio))
		goto out;
	/* Nothing to be read if the server has none of the other bytes. */
	if (folio_pos(folio) >= size || (!from && folio_pos(folio) + to >= size))
		folio_zero_segments(folio, 0, from, to, folio_size(folio));
	else
		err = fill_folio(iocb->ki_filp, folio);
	if (err) {
		folio_unlock(folio);
		folio_put(folio);
		return err;
	}
out:
	*foliop = folio;
	return 0;
}

static int ferry_write_end(const struct kiocb *iocb, struct address_space *mapping, loff_t pos,
			   unsigned int len, unsigned int copied, struct folio *folio, void *fsdata)
{
	if (!folio_test_uptodate(folio)) {
		/* The rest of what was to be covered is not there: do it again. */
		if (copied < len)
			copied = 0;
		else
			folio_mark_uptodate(folio);
	}
	if (copied) {
		/* In this order: who sees the size finds what it is of. */
		folio_mark_dirty(folio);
		ferry_attr_wrote(mapping->host, pos + copied);
	}
	folio_unlock(folio);
	folio_put(folio);
	return copied;
}

FERRY_WRITE_OPS(ferry_write_begin, ferry_write_end)

/* The file is about to grow: what was behind its end shall be zero. i_rwsem is held. 0 or -EINTR */
int ferry_zero_tail(struct inode *inode)
{
	loff_t size = i_size_read(inode);
	int err = ferry_wait_folios(inode->i_mapping, size >> PAGE_SHIFT, -1);

	if (!err && inode->i_mapping->nrpages)
		truncate_pagecache(inode, size);
	return err;
}

/* In write-back mode: data, size and times stay here until someone wants them. */
ssize_t ferry_cached_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	/* Such a server drops them at a WRITE that says so; one from the cache cannot. */
	if (ferry_mount_of(inode)->killpriv_v2 && (inode->i_mode & (S_ISUID | S_ISGID)) &&
	    !capable(CAP_FSETID))
		return ferry_direct_write(iocb, from);

	inode_lock(inode);
	ret = ferry_size_settle(inode, iocb->ki_filp);
	if (!ret && iocb->ki_flags & IOCB_APPEND)
		ret = ferry_attr_need(inode, iocb->ki_filp, STATX_SIZE);
	if (!ret)
		ret = generic_write_checks(iocb, from);
	if (ret > 0 && iocb->ki_pos > i_size_read(inode))
		ret = ferry_zero_tail(inode) ?: ret;
	if (ret > 0)
		ret = __generic_file_write_iter(iocb, from);
	inode_unlock(inode);
	return ret;
}

/* Truncation: see fs.h, and the top of writeback.c */

int ferry_truncate_begin(struct inode *inode, loff_t size)
{
	struct address_space *mapping = inode->i_mapping;
	int err = down_write_killable(&mapping->invalidate_lock);

	if (err)
		return err;
	if (size > i_size_read(inode))
		err = ferry_zero_tail(inode);
	else
		err = ferry_sync_range(mapping, size, LLONG_MAX) ?:
		      ferry_wait_folios(mapping, size >> PAGE_SHIFT, -1);
	if (err)
		filemap_invalidate_unlock(mapping);
	return err;
}

void ferry_truncate_end(struct inode *inode, loff_t size, bool done)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	if (done) {
		spin_lock(&fi->lock);
		i_size_write(inode, size);
		spin_unlock(&fi->lock);
		/* Unmaps too: who faults again sees the new size. */
		truncate_pagecache(inode, size);
	}
	filemap_invalidate_unlock(inode->i_mapping);
}

/* Mappings */

/*
 * Pages may be written to while they are under write-back: what goes to the
 * server is then a mixture, and the folio, dirty again, goes once more.
 */
static vm_fault_t ferry_page_mkwrite(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct inode *inode = file_inode(file);
	struct address_space *mapping = inode->i_mapping;
	struct folio *folio = page_folio(vmf->page);
	vm_fault_t ret = VM_FAULT_LOCKED;

	sb_start_pagefault(inode->i_sb);
	file_update_time(file);
	filemap_invalidate_lock_shared(mapping);
	folio_lock(folio);
	if (folio->mapping != mapping ||
	    (loff_t)vmf->pgoff << PAGE_SHIFT >= i_size_read(inode)) {
		folio_unlock(folio);
		ret = VM_FAULT_NOPAGE;
	} else if (!(vmf->vma->vm_flags & VM_HUGEPAGE) && unlikely(drop_unwieldy(folio))) {
		/* The next fault finds a small one; where huge ones are wanted it would not. */
		ret = VM_FAULT_NOPAGE;
	} else {
		folio_mark_dirty(folio);
		ferry_past_stored(folio);
	}
	filemap_invalidate_unlock_shared(mapping);
	sb_end_pagefault(inode->i_sb);
	return ret;
}

static const struct vm_operations_struct ferry_vm_ops = {
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.page_mkwrite	= ferry_page_mkwrite,
};

int ferry_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	vma->vm_ops = &ferry_vm_ops;
	return 0;
}

const struct address_space_operations ferry_aops = {
	.read_folio		= ferry_read_folio,
	.readahead		= ferry_readahead,
	.dirty_folio		= filemap_dirty_folio,
	.writepages		= ferry_writepages,
	.write_begin		= ferry_write_op(ferry_write_begin),
	.write_end		= ferry_write_op(ferry_write_end),
	.direct_IO		= noop_direct_IO,	/* O_DIRECT may be asked for */
	.migrate_folio		= filemap_migrate_folio,
	.error_remove_folio	= generic_error_remove_folio,
};
