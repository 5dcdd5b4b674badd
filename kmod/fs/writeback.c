// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write-back: what is dirty in the page cache, on its way out.
 *
 * Why write-back sees a size it can rely on. A folio is put into a WRITE under its
 * lock, cut at the i_size of that moment. The size grows under i_rwsem, and in
 * ferry_write_end() also under the folio's lock: a folio is not seen with new bytes and
 * an old size. It shrinks in ferry_truncate_begin() .. _end() only: i_rwsem and
 * invalidate_lock keep write() and page_mkwrite() from dirtying more, what was
 * dirty behind the new size has been written and waited for, and only then does
 * SETATTR go out. So no WRITE can follow it and make the file long again, see also leave.c.
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
#include <linux/mempool.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include "compat/pagecache.h"
#include "fs/folios.h"
#include "fs/fs.h"

/* The reserve: so many WRITEs, of so many folios each. */
#define IO_RESERVE	4
#define IO_RESERVE_NR	32

static mempool_t *io_reserve;		/* for WRITEs only */

int ferry_writeback_init(void)
{
	io_reserve = mempool_create_kmalloc_pool(IO_RESERVE,
						 sizeof(struct ferry_io) +
						 IO_RESERVE_NR * sizeof(struct bio_vec));
	return io_reserve ? 0 : -ENOMEM;
}

void ferry_writeback_exit(void)
{
	mempool_destroy(io_reserve);
}

/* One to clean pages with. */
static struct ferry_io *io_alloc_write(unsigned int max)
{
	struct ferry_io *io = ferry_io_alloc(max);

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
			queue_work(ferry_io_wq, &io->work);
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
		folio_end_writeback(ferry_io_folio(io, i));
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

	if (io && !ferry_io_takes(io, pos, len, write_max(m))) {
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
		ferry_io_init(io, ff, mapping, pinned, pos);
	}
	ferry_io_add(io, folio, len);
	folio_start_writeback(folio);
	folio_unlock(folio);
	return 0;
}

int ferry_writepages(struct address_space *mapping, struct writeback_control *wbc)
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
 * ferry_wait_folios() - wait killably for who reads or writes what is cached of a file
 * @mapping: the file's
 * @first: first page
 * @last: last page
 *
 * Whoever drops pages would wait for that where it cannot be killed. After this it does not, but
 * for what has begun since.
 *
 * Return: 0 or -EINTR
 */
int ferry_wait_folios(struct address_space *mapping, pgoff_t first, pgoff_t last)
{
	struct folio_batch batch;
	unsigned int i;
	int err = 0;

	if (!mapping->nrpages)
		return 0;
	folio_batch_init(&batch);
	while (!err && filemap_get_folios(mapping, &first, last, &batch)) {
		for (i = 0; !err && i < folio_batch_count(&batch); i++)
			err = folio_wait_locked_killable(batch.folios[i]) ?:
			      folio_wait_writeback_killable(batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
	return err;
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
