// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O past the page cache: the caller's memory is the request's data. Any alignment
 * will do. Asynchronous kiocbs are served before the call returns.
 *
 * Coherence with the cache: dirty pages of the range go to the server first, and a
 * write drops the range's pages before it, so that they are not read again with old
 * bytes for long, and after it, for those that were. If a mapping has been stored to in
 * one of them by then, old bytes went to the server beside the stores, or will: the
 * data goes there once more, while nobody can store.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/writeback.h>
#include "compat/pagecache.h"
#include "fs/fs.h"

/* Bytes that are written again at a time, while nobody may store to a mapping. */
#define ALONE_MAX	SZ_64K
#define ALONE_TRIES	4

/* One READ of @len bytes into @to; how many came, or -errno. */
static ssize_t read_piece(struct file *file, loff_t pos, struct iov_iter *to, size_t len)
{
	struct ferry_file *ff = file->private_data;
	struct fuse_read_in in = {
		.fh = ff->fh,
		.offset = pos,
		.size = len,
		.flags = file->f_flags,
	};
	struct ferry_args args;
	int err;

	ferry_args_init(&args, FUSE_READ, ff->node);
	ferry_args_in(&args, &in, sizeof(in));
	args.flags = FERRY_ARGS_DATA_OUT;
	args.data = to;
	args.data_len = len;
	err = ferry_call(ff->mount->chan, &args);
	return err ?: (ssize_t)args.data_done;
}

/*
 * The server's short answer tells the end of file; the size is not asked for. Where
 * the size is ours (@known, else -1), a short answer before it is a hole that the server
 * does not know of yet. But not behind what the size was before dirty pages went to the
 * server: that has been appended since, and may have come too late for the answer.
 */
static ssize_t read_to_memory(struct kiocb *iocb, struct iov_iter *to, loff_t known)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	struct ferry_mount *m = ferry_mount_of(inode);
	ssize_t done = 0, got = 0;
	loff_t hole;
	size_t len;

	while ((len = min_t(size_t, iov_iter_count(to), m->max_read))) {
		got = read_piece(file, iocb->ki_pos, to, len);
		if (got < 0)
			break;
		iov_iter_advance(to, got);
		iocb->ki_pos += got;
		done += got;
		if (got == len)
			continue;
		hole = min(known, i_size_read(inode)) - iocb->ki_pos;
		if (hole > 0) {
			got = iov_iter_zero(min_t(loff_t, len - got, hole), to);
			iocb->ki_pos += got;
			done += got;
			if (got)
				continue;
		}
		if (known < 0 && iocb->ki_pos < i_size_read(inode))
			ferry_attr_invalidate(inode);
		break;
	}
	ferry_attr_stale(inode, STATX_ATIME);
	return done ?: min_t(ssize_t, got, 0);
}

/* A pipe cannot be a request's data: it is not there until it is filled. */
static ssize_t read_to_pipe(struct kiocb *iocb, struct iov_iter *to, loff_t known)
{
	struct kvec kvec = { .iov_len = min_t(size_t, iov_iter_count(to), SZ_64K) };
	struct iov_iter iter;
	loff_t pos = iocb->ki_pos;
	ssize_t ret;

	kvec.iov_base = kvmalloc(kvec.iov_len, GFP_KERNEL);
	if (!kvec.iov_base)
		return -ENOMEM;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, kvec.iov_len);
	ret = read_to_memory(iocb, &iter, known);
	if (ret > 0)
		ret = copy_to_iter(kvec.iov_base, ret, to) ?: -EFAULT;
	iocb->ki_pos = pos + max_t(ssize_t, ret, 0);
	kvfree(kvec.iov_base);
	return ret;
}

ssize_t ferry_direct_read(struct kiocb *iocb, struct iov_iter *to)
{
	const struct ferry_file *ff = iocb->ki_filp->private_data;
	struct inode *inode = file_inode(iocb->ki_filp);
	struct address_space *mapping = inode->i_mapping;
	loff_t known = -1;
	int err;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	if (!iov_iter_count(to))
		return 0;
	err = ferry_size_look(inode, iocb->ki_filp);
	if (err)
		return err;
	/* What the server wants uncached is as it says. */
	if (ferry_owns_times(inode) && !(ff->open_flags & FOPEN_DIRECT_IO)) {
		known = i_size_read(inode);
		smp_rmb();	/* pairs with modified(): what the size is of is seen as dirty */
	}
	if (mapping->nrpages) {
		err = ferry_sync_range(mapping, iocb->ki_pos,
				       iocb->ki_pos + iov_iter_count(to) - 1);
		if (err)
			return err;
	}
	/* As far as we know; then it need not be asked for. */
	if (known >= 0 && iocb->ki_pos >= known)
		return 0;
	if (ferry_iter_is_pipe(to))
		return read_to_pipe(iocb, to, known);
	return read_to_memory(iocb, to, known);
}

/* One WRITE of @len bytes of @from; how many were written, or -errno. */
static ssize_t write_piece(struct file *file, loff_t pos, struct iov_iter *from, size_t len,
			   u32 write_flags)
{
	struct ferry_file *ff = file->private_data;
	struct fuse_write_in in = {
		.fh = ff->fh,
		.offset = pos,
		.size = len,
		.write_flags = write_flags,
		.flags = file->f_flags,
	};
	struct fuse_write_out out;
	struct ferry_args args;
	int err;

	ferry_args_init(&args, FUSE_WRITE, ff->node);
	ferry_args_in(&args, &in, sizeof(in));
	ferry_args_out(&args, &out, sizeof(out));
	args.flags = FERRY_ARGS_DATA_IN;
	args.data = from;
	args.data_len = len;
	err = ferry_call_for_room(ff->mount, &args);
	if (!err && out.size > len)
		err = -EIO;
	return err ?: (ssize_t)out.size;
}

/* @err: why it is not all, or 0; bytes behind what was written may have been written then */
static ssize_t write_from_memory(struct kiocb *iocb, struct iov_iter *from, u32 write_flags,
				 int *err)
{
	struct ferry_mount *m = ferry_mount_of(file_inode(iocb->ki_filp));
	ssize_t done = 0, put = 0;
	size_t len;

	while ((len = min_t(size_t, iov_iter_count(from), m->max_write))) {
		put = write_piece(iocb->ki_filp, iocb->ki_pos, from, len, write_flags);
		if (put < 0)
			break;
		iov_iter_advance(from, put);
		iocb->ki_pos += put;
		done += put;
		if (put < len)
			break;
	}
	*err = min_t(ssize_t, put, 0);
	return done ?: *err;
}

/*
 * Drop clean pages; -EBUSY: some are dirty again, which stay. Who is killed does not wait for those
 * that are being read or written.
 */
static int drop_pages(struct address_space *mapping, loff_t pos, size_t len)
{
	const pgoff_t first = pos >> PAGE_SHIFT, last = (pos + len - 1) >> PAGE_SHIFT;

	if (!len || !mapping->nrpages)
		return 0;
	if (unlikely(fatal_signal_pending(current) || ferry_wait_folios(mapping, first, last))) {
		invalidate_mapping_pages(mapping, first, last);
		return 0;
	}
	return invalidate_inode_pages2_range(mapping, first, last);
}

/*
 * From here on a store to one of the pages of @past is noticed. One before it is seen as a dirty
 * page: both sides take the lock, a store after its page has become dirty.
 */
static void past_begin(struct inode *inode, struct ferry_past *past)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	list_add(&past->link, &fi->past);
	spin_unlock(&fi->lock);
}

/* Was there one? */
static bool past_end(struct inode *inode, struct ferry_past *past)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	list_del(&past->link);
	spin_unlock(&fi->lock);
	return past->stored;
}

/**
 * ferry_past_stored() - a mapping is about to be stored to
 * @folio: where; locked, and dirty already
 */
void ferry_past_stored(struct folio *folio)
{
	struct ferry_inode *fi = ferry_inode_of(folio->mapping->host);
	struct ferry_past *past;

	spin_lock(&fi->lock);
	list_for_each_entry(past, &fi->past, link) {
		if (past->first < folio_next_index(folio) && folio->index <= past->last)
			past->stored = true;
	}
	spin_unlock(&fi->lock);
}

/*
 * Write a piece while no page can be stored to, or come; what was stored goes before it. It does so
 * again for pages that become dirty all the same: those that I/O into a mapping has pinned.
 */
static ssize_t write_piece_alone(struct file *file, loff_t pos, struct kvec *kvec, u32 write_flags)
{
	struct address_space *mapping = file->f_mapping;
	ssize_t put = down_write_killable(&mapping->invalidate_lock);
	int busy = 0, tries = ALONE_TRIES;

	if (put)
		return put;
	do {
		struct iov_iter piece;

		iov_iter_kvec(&piece, ITER_SOURCE, kvec, 1, kvec->iov_len);
		put = ferry_sync_range(mapping, pos, pos + kvec->iov_len - 1);
		if (!put)
			put = write_piece(file, pos, &piece, kvec->iov_len, write_flags);
		if (put > 0)
			busy = drop_pages(mapping, pos, kvec->iov_len);
	} while (put > 0 && busy && --tries);
	filemap_invalidate_unlock(mapping);
	return put;
}

/*
 * Write @len bytes again, by pieces that were copied before: the caller's memory may be a
 * mapping of this file, which waits for the lock.
 */
static ssize_t write_alone(struct kiocb *iocb, struct iov_iter *from, loff_t pos, size_t len,
			   u32 write_flags)
{
	const u32 max_write = ferry_mount_of(file_inode(iocb->ki_filp))->max_write;
	struct kvec kvec = { .iov_base = kvmalloc(min_t(size_t, len, ALONE_MAX), GFP_KERNEL) };
	ssize_t done = 0, put = 0;

	if (!kvec.iov_base)
		return -ENOMEM;
	while (done < len) {
		kvec.iov_len = min3(len - done, (size_t)ALONE_MAX, (size_t)max_write);
		put = -EFAULT;
		if (copy_from_iter(kvec.iov_base, kvec.iov_len, from) != kvec.iov_len)
			break;
		put = write_piece_alone(iocb->ki_filp, pos + done, &kvec, write_flags);
		if (put > 0)
			done += put;
		if (put != kvec.iov_len)
			break;
	}
	kvfree(kvec.iov_base);
	iocb->ki_pos = pos + done;
	if (done)
		ferry_attr_wrote(file_inode(iocb->ki_filp), pos + done);
	return done ?: put;
}

/* A server that was made for FUSE may append whatever the position is. */
static bool may_repeat(const struct kiocb *iocb)
{
	const struct ferry_mount *m = ferry_mount_of(file_inode(iocb->ki_filp));

	return !(iocb->ki_flags & IOCB_APPEND && ferry_chan_is_rw(m->chan));
}

/*
 * May writes to the file go on beside this one? They may if it does not grow and nothing
 * but its data changes. With i_rwsem shared the answer stays true, but for the
 * size, which a truncation before us may have lowered.
 */
static bool may_share(const struct kiocb *iocb, const struct iov_iter *from)
{
	const struct ferry_file *ff = iocb->ki_filp->private_data;
	struct inode *inode = file_inode(iocb->ki_filp);
	const struct ferry_mount *m = ferry_mount_of(inode);

	/* A server that was made for FUSE says so if it can do with that. */
	if (ferry_chan_is_rw(m->chan) && !(ff->open_flags & FOPEN_PARALLEL_DIRECT_WRITES))
		return false;
	return !(iocb->ki_flags & IOCB_APPEND) &&
	       !test_bit(FERRY_I_SIZE_UNKNOWN, &ferry_inode_of(inode)->flags) &&
	       iocb->ki_pos + iov_iter_count(from) <= i_size_read(inode) &&
	       (m->handle_killpriv || m->killpriv_v2 || IS_NOSEC(inode));
}

static void lock_for_write(struct inode *inode, bool shared)
{
	if (shared)
		inode_lock_shared(inode);
	else
		inode_lock(inode);
}

static void unlock_for_write(struct inode *inode, bool shared)
{
	if (shared)
		inode_unlock_shared(inode);
	else
		inode_unlock(inode);
}

/* i_rwsem is held */
static ssize_t direct_write_locked(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	struct address_space *mapping = inode->i_mapping;
	const struct ferry_mount *m = ferry_mount_of(inode);
	struct iov_iter again = *from;
	loff_t pos = iocb->ki_pos;
	size_t len = iov_iter_count(from);
	u32 write_flags = 0;
	struct ferry_past past = {
		.first = pos >> PAGE_SHIFT,
		.last = (pos + len - 1) >> PAGE_SHIFT,
	};
	int err, busy;
	bool stored;
	ssize_t ret;

	if (m->handle_killpriv || m->killpriv_v2) {
		if (m->killpriv_v2 && !capable(CAP_FSETID))
			write_flags |= FUSE_WRITE_KILL_SUIDGID;
		ret = file_update_time(file);
	} else {
		ret = file_modified(file);
	}
	if (ret)
		return ret;
	if (pos > i_size_read(inode))
		ret = ferry_zero_tail(inode);
	if (ret)
		return ret;
	past_begin(inode, &past);
	if (mapping->nrpages) {
		ret = ferry_sync_range(mapping, pos, pos + len - 1);
		if (ret) {
			past_end(inode, &past);
			return ret;
		}
		drop_pages(mapping, pos, len);
	}

	ret = write_from_memory(iocb, from, write_flags, &err);

	/*
	 * Also after an error: a server whose caller was killed may still write. Before the size is
	 * another one, for behind the old one they are zeros; and after, for what write-back has cut
	 * at the old one since.
	 */
	drop_pages(mapping, pos, len);
	if (ret > 0)
		ferry_attr_wrote(inode, pos + ret);
	else
		ferry_attr_invalidate(inode);
	busy = drop_pages(mapping, pos, len);
	stored = past_end(inode, &past) || busy;
	if (unlikely(stored && ret > 0 && may_repeat(iocb))) {
		size_t first = ret;

		ret = write_alone(iocb, &again, pos, first, write_flags);
		iov_iter_revert(from, first - max_t(ssize_t, ret, 0));
	}
	/* Whatever the server has stamped the file with, it is told the times again: times.c. */
	if (ferry_owns_times(inode))
		ferry_times_wrote(inode, true);
	/* Who grows the file has i_rwsem for himself. */
	if (err && pos + len > i_size_read(inode))
		ferry_size_unknown(inode);
	if (inode->i_mode & (S_ISUID | S_ISGID))
		ferry_attr_stale(inode, STATX_MODE);
	return ret;
}

/*
 * The size, when i_rwsem is held and it is not ours: somebody else may have appended. What is
 * answered is not believed if something has changed meanwhile, a reader's short answer will do;
 * so it is asked for a few times.
 */
static int refresh_size(struct inode *inode, struct file *file)
{
	int err, tries = 4;
	u64 version;

	do {
		version = ferry_attr_version(inode);
		err = ferry_attr_refresh(inode, file);
	} while (!err && version != ferry_attr_version(inode) && --tries);
	return err;
}

ssize_t ferry_direct_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	bool shared = may_share(iocb, from);
	ssize_t ret;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	lock_for_write(inode, shared);
	if (shared && !may_share(iocb, from)) {
		unlock_for_write(inode, shared);
		shared = false;
		lock_for_write(inode, shared);
	}
	ret = shared ? 0 : ferry_size_settle(inode, file);
	if (!ret && iocb->ki_flags & IOCB_APPEND)
		ret = ferry_owns_times(inode) ? ferry_attr_need(inode, file, STATX_SIZE) :
						refresh_size(inode, file);
	if (!ret)
		ret = generic_write_checks(iocb, from);
	if (ret > 0)
		ret = direct_write_locked(iocb, from);
	unlock_for_write(inode, shared);
	return ret;
}
