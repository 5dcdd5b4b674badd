// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page cache: read-ahead, write-back, mmap.
 *
 * Why write-back sees a size it can rely on. A folio is put into a WRITE under its
 * lock, cut at the i_size of that moment. The size grows under i_rwsem, and in
 * write_end() also under the folio's lock: a folio is not seen with new bytes and
 * an old size. It shrinks in ferry_truncate_begin() .. _end() only: i_rwsem and
 * invalidate_lock keep write() and page_mkwrite() from dirtying more, what was
 * dirty behind the new size has been written and waited for, and only then does
 * SETATTR go out. So no WRITE can follow it and make the file long again, see also leave.c.
 *
 * Bytes of the last folio behind i_size may be written to through a mapping. They
 * are zeroed before they go to the server, and in the cache before the file grows
 * past them (ferry_zero_tail).
 *
 * Which open file a WRITE goes through. Dirty pages hold none; a WRITE takes a
 * reference to any that is open for writing. There is one: write() has its own,
 * a mapping has its vma's, and the last one on the list writes back what is left
 * before it leaves, or stays (ferry_release).
 *
 * Memory. To clean a page needs a struct ferry_io, which is why there is a reserve
 * of them; it goes back when the server has answered. Reclaim itself never calls
 * us (there is no ->writepage), it waits for the flusher, whose allocations here
 * and in a server in the kernel are GFP_NOFS. A server that is a process should be
 * an IO_FLUSHER (prctl), so that its own writes are not throttled by the pages
 * it is about to clean.
 *
 * Waiting. Whoever waits for the server through ferry_sync_range() can be killed. A
 * process that closes files at its end cannot, so it waits for a bounded time, or
 * not at all if it was killed. READs and WRITEs hold the inode (pin.c), so that its eviction
 * need not. sync() waits as the VFS does, and umount for all that holds an inode, READs and
 * SETATTRs of times as well (ferry_pins_wait()); the requests end with the channel.
 */
#include <linux/bvec.h>
#include <linux/capability.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include "compat/pagecache.h"
#include "fs/fs.h"

/* The reserve: so many WRITEs, of so many folios each. */
#define IO_RESERVE	4
#define IO_RESERVE_NR	32

/* Below that another thread may cost more than it saves; a guess, not measured. */
#define READ_DEFER_MIN	SZ_64K

/**
 * struct ferry_io - a READ or WRITE of folios that is under way
 * @args: the request, whose memory all of this is
 * @iter: @args.data: what is left to move
 * @file: holds a reference
 * @mapping: stays as long as its inode is pinned; where it could not be, as long as one of the
 *	folios is locked (READ) or under write-back (WRITE)
 * @pinned: ferry_inode_pin() was called
 * @pos: of the first byte
 * @len: bytes
 * @nr: of @bvec that are used
 * @max: of @bvec that there are
 * @reserved: it is of the reserve
 * @read: what READ says
 * @write: what WRITE says
 * @written: what it answers
 * @work: goes on with it, on io_wq
 * @bvec: one a folio
 */
struct ferry_io {
	struct ferry_args		args;
	struct iov_iter			iter;
	struct ferry_file		*file;
	struct address_space		*mapping;
	loff_t				pos;
	size_t				len;
	unsigned int			nr;
	unsigned int			max;
	bool				reserved;
	bool				pinned;
	union {
		struct fuse_read_in	read;
		struct fuse_write_in	write;
	};
	struct fuse_write_out		written;
	struct work_struct		work;
	struct bio_vec			bvec[];
};

static mempool_t *io_reserve;		/* for WRITEs only */
static struct workqueue_struct *io_wq;

int ferry_cache_init(void)
{
	io_reserve = mempool_create_kmalloc_pool(IO_RESERVE,
						 sizeof(struct ferry_io) +
						 IO_RESERVE_NR * sizeof(struct bio_vec));
	if (!io_reserve)
		return -ENOMEM;
	io_wq = alloc_workqueue("ferryfs_io", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!io_wq) {
		mempool_destroy(io_reserve);
		return -ENOMEM;
	}
	return 0;
}

void ferry_cache_exit(void)
{
	destroy_workqueue(io_wq);
	mempool_destroy(io_reserve);
}

/* One for up to @max folios; NULL: no memory. Never waits for write-back. */
static struct ferry_io *io_alloc(unsigned int max)
{
	struct ferry_io *io = kmalloc(struct_size(io, bvec, max),
				      GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN);

	if (io) {
		io->max = max;
		io->reserved = false;
	}
	return io;
}

/* One to clean pages with. */
static struct ferry_io *io_alloc_write(unsigned int max)
{
	struct ferry_io *io = io_alloc(max);

	if (!io) {
		io = mempool_alloc(io_reserve, GFP_NOFS);
		io->max = IO_RESERVE_NR;
		io->reserved = true;
	}
	return io;
}

static void io_free(struct ferry_io *io)
{
	if (io->reserved)
		mempool_free(io, io_reserve);
	else
		kfree(io);
}

static void io_init(struct ferry_io *io, struct ferry_file *ff, struct address_space *mapping,
		    bool pinned, loff_t pos)
{
	io->file = ff;
	io->mapping = mapping;
	io->pinned = pinned;
	io->pos = pos;
	io->len = 0;
	io->nr = 0;
}

/* Do @len bytes at @pos go on where @io ends, and does it have room for them? */
static bool io_takes(const struct ferry_io *io, loff_t pos, size_t len, size_t max)
{
	return io->pos + io->len == pos && io->len + len <= max && io->nr < io->max;
}

static void io_add(struct ferry_io *io, struct folio *folio, size_t len)
{
	io->bvec[io->nr++] = (struct bio_vec) {
		.bv_page = folio_page(folio, 0),
		.bv_len = len,
	};
	io->len += len;
}

static struct folio *io_folio(const struct ferry_io *io, unsigned int i)
{
	return page_folio(io->bvec[i].bv_page);
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
		struct folio *folio = io_folio(io, i);
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
	io_free(io);
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
	queue_work(io_wq, &io->work);
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
		if (io && !io_takes(io, folio_pos(folio), folio_size(folio), read_max(m))) {
			read_send(io);
			io = NULL;
		}
		if (!io) {
			struct ferry_file *ff = rac->file->private_data;

			io = io_alloc(min_t(size_t, readahead_count(rac),
					    max_t(size_t, read_max(m) / PAGE_SIZE, 1)));
			if (!io) {
				/* Whoever needs it asks for it alone. */
				folio_unlock(folio);
				return;
			}
			ferry_file_get(ff);
			io_init(io, ff, mapping, ferry_inode_pin(mapping->host), folio_pos(folio));
		}
		io_add(io, folio, folio_size(folio));
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

ssize_t ferry_cached_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	int err = ferry_size_look(inode, iocb->ki_filp);

	if (!err && iocb->ki_pos + iov_iter_count(to) > i_size_read(inode))
		err = ferry_attr_need(inode, iocb->ki_filp, STATX_SIZE);
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
		ferry_attr_wrote(mapping->host, pos + copied);
		folio_mark_dirty(folio);
	}
	folio_unlock(folio);
	folio_put(folio);
	return copied;
}

FERRY_WRITE_OPS(ferry_write_begin, ferry_write_end)

/* The file is about to grow: what was behind its end shall be zero. i_rwsem is held. */
void ferry_zero_tail(struct inode *inode)
{
	if (inode->i_mapping->nrpages)
		truncate_pagecache(inode, i_size_read(inode));
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
	if (ret > 0) {
		if (iocb->ki_pos > i_size_read(inode))
			ferry_zero_tail(inode);
		ret = __generic_file_write_iter(iocb, from);
	}
	inode_unlock(inode);
	return ret;
}

/* Write-back */

static void write_send(struct ferry_io *io);

/* As in the flusher, who has folios under write-back. */
static void write_work(struct work_struct *work)
{
	unsigned int nofs = memalloc_nofs_save();

	write_send(container_of(work, struct ferry_io, work));
	memalloc_nofs_restore(nofs);
}

static void write_end(struct ferry_args *args, int err)
{
	struct ferry_io *io = container_of(args, struct ferry_io, args);
	struct inode *inode = io->mapping->host;
	u32 n = io->written.size;
	unsigned int i;
	bool last;

	if (!err && n != io->len) {
		if (n && n <= io->write.size) {
			/*
			 * The rest, which may go well, or tell us what is wrong. A server that
			 * is a function is called by write_send(), and we by it: not from here.
			 */
			io->pos += n;
			io->len -= n;
			iov_iter_advance(&io->iter, n);
			queue_work(io_wq, &io->work);
			return;
		}
		err = -EIO;
	}
	mapping_set_error(io->mapping, err);
	last = atomic_dec_and_test(&ferry_inode_of(inode)->writing);
	ferry_times_wrote(inode, last);	/* before who waits goes on, and looks */
	if (last)
		wake_up_var(&ferry_inode_of(inode)->writing);
	ferry_file_put(io->file);
	/* With the pin, or the last folio, the inode may go, and the mount with it. */
	for (i = 0; i < io->nr; i++)
		folio_end_writeback(io_folio(io, i));
	if (io->pinned)
		ferry_inode_unpin(inode);
	io_free(io);
}

static size_t write_max(const struct ferry_mount *m)
{
	return min_t(size_t, m->max_write, FERRY_DATA_MAX);
}

/* One WRITE of what is left, or as much as one carries. */
static void write_send(struct ferry_io *io)
{
	struct ferry_mount *m = io->file->mount;

	/* No O_*: at @pos is meant, also where the file was opened with O_APPEND. */
	io->write = (struct fuse_write_in) {
		.fh = io->file->fh,
		.offset = io->pos,
		.size = min(io->len, write_max(m)),
		.write_flags = FUSE_WRITE_CACHE,
	};
	ferry_args_init(&io->args, FUSE_WRITE, io->file->node);
	ferry_args_in(&io->args, &io->write, sizeof(io->write));
	ferry_args_out(&io->args, &io->written, sizeof(io->written));
	ferry_args_data(&io->args, FERRY_ARGS_DATA_IN, &io->iter);
	io->args.data_len = io->write.size;
	io->args.flags |= FERRY_ARGS_NO_CRED;
	io->args.end = write_end;
	ferry_submit(m->chan, &io->args);
}

static void write_first(struct ferry_io *io)
{
	iov_iter_bvec(&io->iter, ITER_SOURCE, io->bvec, io->nr, io->len);
	INIT_WORK(&io->work, write_work);
	atomic_inc(&ferry_inode_of(io->mapping->host)->writing);
	write_send(io);
}

/* A dirty folio that is not written: the way through write-back takes its marks off. */
static void skip_folio(struct folio *folio)
{
	folio_start_writeback(folio);
	folio_unlock(folio);
	folio_end_writeback(folio);
}

static int write_folio(struct folio *folio, struct writeback_control *wbc, void *data)
{
	struct ferry_io **iop = data, *io = *iop;
	struct address_space *mapping = folio->mapping;
	struct inode *inode = mapping->host;
	struct ferry_mount *m = ferry_mount_of(inode);
	loff_t pos = folio_pos(folio), size = i_size_read(inode);
	struct ferry_file *ff;
	bool pinned;
	size_t len;

	if (pos >= size) {
		/* A truncation is about to take it. */
		skip_folio(folio);
		return 0;
	}
	len = min_t(loff_t, folio_size(folio), size - pos);
	if (len < folio_size(folio))
		folio_zero_segment(folio, len, folio_size(folio));

	if (io && !io_takes(io, pos, len, write_max(m))) {
		write_first(io);
		io = *iop = NULL;
	}
	if (!io) {
		ff = ferry_is_bad(inode) ? NULL : ferry_file_for_write(inode);
		if (!ff) {
			mapping_set_error(mapping, -EIO);
			skip_folio(folio);
			return 0;
		}
		pinned = ferry_inode_pin(inode);
		if (!pinned && !m->closing && inode_state_read_once(inode) & I_FREEING) {
			/* Without a name, and evict() waits to throw this away. */
			ferry_file_put(ff);
			skip_folio(folio);
			return 0;
		}
		io = *iop = io_alloc_write(max_t(u32, m->max_write / PAGE_SIZE, 1));
		io_init(io, ff, mapping, pinned, pos);
	}
	io_add(io, folio, len);
	folio_start_writeback(folio);
	folio_unlock(folio);
	return 0;
}

static int ferry_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct ferry_io *io = NULL;
	struct ferry_writeback each = { .fn = write_folio, .data = &io };
	unsigned int nofs = memalloc_nofs_save();
	int err = ferry_writeback_each(mapping, wbc, &each);

	if (io)
		write_first(io);
	memalloc_nofs_restore(nofs);
	return err;
}

/* Write what is dirty and not under write-back; no waiting. */
static int start_range(struct address_space *mapping, loff_t start, loff_t end)
{
	struct writeback_control wbc = {
		.sync_mode = WB_SYNC_NONE,
		.nr_to_write = LONG_MAX,
		.range_start = start,
		.range_end = end,
	};

	return ferry_writepages(mapping, &wbc);
}

static int wait_range(struct address_space *mapping, pgoff_t index, pgoff_t last)
{
	struct folio_batch batch;
	unsigned int i;
	int err = 0;

	folio_batch_init(&batch);
	while (!err && index <= last &&
	       filemap_get_folios_tag(mapping, &index, last, PAGECACHE_TAG_WRITEBACK, &batch)) {
		for (i = 0; !err && i < folio_batch_count(&batch); i++)
			err = folio_wait_writeback_killable(batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
	return err;
}

/* What is on its way to the server has been answered; 0 or -EINTR */
int ferry_wait_writes(struct address_space *mapping)
{
	return mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK) ?
	       wait_range(mapping, 0, LLONG_MAX >> PAGE_SHIFT) : 0;
}

/**
 * ferry_sync_range() - write back what is dirty, and wait for it killably
 * @mapping: the file's
 * @start: first byte
 * @end: last byte
 *
 * The first round passes over folios that are under write-back and were dirtied again
 * meanwhile. The second finds those clean enough to be written; whoever else wrote
 * them in between wrote what was in them when we were called.
 *
 * Return: 0, also if a WRITE failed (that is in mapping->wb_err); -EINTR
 */
int ferry_sync_range(struct address_space *mapping, loff_t start, loff_t end)
{
	int round, err = 0;

	for (round = 0; !err && round < 2; round++) {
		if (mapping_tagged(mapping, PAGECACHE_TAG_DIRTY))
			err = start_range(mapping, start, end);
		else if (!mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK))
			break;
		if (!err)
			err = wait_range(mapping, start >> PAGE_SHIFT, end >> PAGE_SHIFT);
	}
	return err;
}

/**
 * ferry_sync_exiting() - write back on behalf of a process at its end
 * @inode: of the file
 * @timeout: jiffies to wait for the server at most
 */
void ferry_sync_exiting(struct inode *inode, unsigned long timeout)
{
	atomic_t *writing = &ferry_inode_of(inode)->writing;

	start_range(inode->i_mapping, 0, LLONG_MAX);
	if (timeout)
		wait_var_event_timeout(writing, !atomic_read(writing), timeout);
}

/* Truncation: see fs.h, and the top of this file */

int ferry_truncate_begin(struct inode *inode, loff_t size)
{
	struct address_space *mapping = inode->i_mapping;
	int err = 0;

	filemap_invalidate_lock(mapping);
	if (size > i_size_read(inode))
		ferry_zero_tail(inode);
	else
		err = ferry_sync_range(mapping, size, LLONG_MAX);
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
