// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files, and the VFS's entry points for regular ones.
 *
 * A ferry_file lives as long as its struct file and the requests that carry its
 * handle: read-ahead and write-back hold references of their own. So RELEASE goes
 * out behind the last of them, without anyone waiting for it.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include "compat/pagecache.h"
#include "fs/fs.h"

/* What the end of a process may take because of a server that does not answer. */
#define EXIT_WAIT	(2 * HZ)

struct ferry_file *ferry_file_alloc(struct ferry_mount *m)
{
	struct ferry_file *ff = kzalloc(sizeof(*ff), GFP_KERNEL_ACCOUNT);

	if (!ff)
		return NULL;
	refcount_set(&ff->ref, 1);
	INIT_LIST_HEAD(&ff->write_node);
	ff->mount = m;
	return ff;
}

void ferry_file_get(struct ferry_file *ff)
{
	refcount_inc(&ff->ref);
}

/* @node may not be forgotten from now on: a request that names it is due, or under way. */
static void part(struct ferry_mount *m, struct ferry_parting *p, u64 node)
{
	p->node = node;
	spin_lock(&m->releases_lock);
	hash_add(m->partings, &p->link, node);
	spin_unlock(&m->releases_lock);
}

/* It has been answered. */
static void parted(struct ferry_mount *m, struct ferry_parting *p)
{
	spin_lock(&m->releases_lock);
	hash_del(&p->link);
	spin_unlock(&m->releases_lock);
}

bool ferry_is_parting(struct ferry_mount *m, u64 node)
{
	struct ferry_parting *p;
	bool found = false;

	spin_lock(&m->releases_lock);
	hash_for_each_possible(m->partings, p, link, node) {
		found = p->node == node;
		if (found)
			break;
	}
	spin_unlock(&m->releases_lock);
	return found;
}

static bool *no_release(const struct ferry_file *ff)
{
	return ff->isdir ? &ff->mount->no_releasedir : &ff->mount->no_release;
}

static void release_end(struct ferry_args *args, int err)
{
	struct ferry_file *ff = container_of(args, struct ferry_file, release);
	struct ferry_mount *m = ff->mount;

	if (err == -ENOSYS)
		*no_release(ff) = true;
	parted(m, &ff->parting);
	kfree(ff);
	ferry_forgets_go_on(m);
}

static void release(struct ferry_file *ff)
{
	struct ferry_args *args = &ff->release;

	ff->release_in.fh = ff->fh;
	ff->release_in.flags = ff->flags;
	ferry_args_init(args, ff->isdir ? FUSE_RELEASEDIR : FUSE_RELEASE, ff->node);
	ferry_args_in(args, &ff->release_in, sizeof(ff->release_in));
	args->flags = FERRY_ARGS_NO_CRED | FERRY_ARGS_LAZY;
	args->end = release_end;
	ferry_submit(ff->mount->chan, args);
}

/* The server may be at work with @ff for a caller who has gone: it is to keep it until then. */
static bool wait_for_left(struct ferry_file *ff)
{
	struct ferry_mount *m = ff->mount;
	bool left;

	if (likely(!ferry_chan_is_left(m->chan, ff->node)))
		return false;
	/* Once more: ferry_releases_go_on() comes when nothing is left, and takes the lock. */
	spin_lock(&m->releases_lock);
	left = ferry_chan_is_left(m->chan, ff->node);
	if (left)
		list_add_tail(&ff->write_node, &m->releases);
	spin_unlock(&m->releases_lock);
	return left;
}

void ferry_file_put(struct ferry_file *ff)
{
	if (!refcount_dec_and_test(&ff->ref))
		return;
	ferry_backing_put(ff);
	if (!ff->opened || *no_release(ff)) {
		kfree(ff);
		return;
	}
	part(ff->mount, &ff->parting, ff->node);
	if (!wait_for_left(ff))
		release(ff);
}

void ferry_releases_go_on(struct ferry_mount *m)
{
	struct ferry_file *ff, *next;
	LIST_HEAD(files);

	spin_lock(&m->releases_lock);
	list_splice_init(&m->releases, &files);
	spin_unlock(&m->releases_lock);
	list_for_each_entry_safe(ff, next, &files, write_node) {
		list_del_init(&ff->write_node);
		if (!wait_for_left(ff))
			release(ff);
	}
}

/**
 * ferry_file_for_write() - some open file that the server lets us write through
 * @inode: of a regular file
 * Return: a file with a reference, or NULL: nobody has @inode open for writing
 */
struct ferry_file *ferry_file_for_write(struct inode *inode)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct ferry_file *ff;

	spin_lock(&fi->lock);
	ff = list_first_entry_or_null(&fi->write_files, struct ferry_file, write_node);
	if (ff)
		ferry_file_get(ff);
	spin_unlock(&fi->lock);
	return ff;
}

void ferry_file_put_left(struct inode *inode)
{
	struct ferry_file *ff, *next;

	list_for_each_entry_safe(ff, next, &ferry_inode_of(inode)->write_files, write_node) {
		list_del_init(&ff->write_node);
		ferry_file_put(ff);
	}
}

static int ask_open(struct ferry_file *ff)
{
	struct ferry_mount *m = ff->mount;
	bool *none = ff->isdir ? &m->no_opendir : &m->no_open;
	struct fuse_open_in in = { .flags = ff->flags };
	struct ferry_open_out out;
	struct ferry_args args;
	int err = -ENOSYS;

	if (!*none) {
		ferry_args_init(&args, ff->isdir ? FUSE_OPENDIR : FUSE_OPEN, ff->node);
		ferry_args_in(&args, &in, sizeof(in));
		ferry_args_out(&args, &out, sizeof(out));
		err = ferry_call(m->chan, &args);
	}
	if (err == -ENOSYS) {
		/* A server without open() has no say in caching either. */
		*none = true;
		ff->open_flags = FOPEN_KEEP_CACHE | (ff->isdir ? FOPEN_CACHE_DIR : 0);
		return 0;
	}
	if (err)
		return err;
	ff->fh = out.fh;
	ff->open_flags = out.open_flags;
	ff->opened = true;
	return ferry_backing_take(ff, &out);
}

/* What is cached of the file is not that of the open file that @ff is. */
static bool drops_cache(const struct ferry_file *ff)
{
	return !(ff->open_flags & FOPEN_KEEP_CACHE) || ferry_is_backed(ff);
}

/**
 * ferry_file_open() - open at the server
 * @inode: what
 * @file: whose ->private_data will be
 * @isdir: OPENDIR
 * Return: 0 and file->private_data is set, or -errno
 */
int ferry_file_open(struct inode *inode, struct file *file, bool isdir)
{
	struct ferry_file *ff;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	ff = ferry_file_alloc(ferry_mount_of(inode));
	if (!ff)
		return -ENOMEM;
	ff->node = ferry_inode_of(inode)->node;
	ff->isdir = isdir;
	ff->flags = file->f_flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	err = ask_open(ff);
	if (!err)
		err = ferry_backing_check(file, ff);
	if (!err && S_ISREG(inode->i_mode) && drops_cache(ff))
		err = ferry_wait_folios(inode->i_mapping, 0, -1);
	if (err) {
		ferry_file_put(ff);
		return err;
	}
	ferry_file_finish_open(inode, file, ff);
	return 0;
}

/**
 * ferry_file_finish_open() - tie a file to what the server said at OPEN or CREATE
 * @inode: its inode
 * @file: the file
 * @ff: its reference is the file's from now on
 */
void ferry_file_finish_open(struct inode *inode, struct file *file, struct ferry_file *ff)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	file->private_data = ff;
	if (ff->open_flags & FOPEN_STREAM)
		stream_open(inode, file);
	else if (ff->open_flags & FOPEN_NONSEEKABLE)
		nonseekable_open(inode, file);
	if (!S_ISREG(inode->i_mode))
		return;

	ferry_mode_begin(inode, ff);
	if (file->f_mode & FMODE_WRITE) {
		spin_lock(&fi->lock);
		list_add(&ff->write_node, &fi->write_files);
		spin_unlock(&fi->lock);
	}
	/* What this side has written is written back first, and so not lost. */
	if (drops_cache(ff) && inode->i_mapping->nrpages &&
	    !ferry_sync_range(inode->i_mapping, 0, LLONG_MAX))
		invalidate_inode_pages2(inode->i_mapping);
}

static int ferry_open(struct inode *inode, struct file *file)
{
	int err = generic_file_open(inode, file);

	return err ?: ferry_file_open(inode, file, false);
}

/* A process that closes its files at its end has no signals any more: it cannot be killed. */
static bool exiting(void)
{
	return current->flags & PF_EXITING;
}

static bool was_killed(void)
{
	return READ_ONCE(current->signal->group_exit_code) & 0x7f;
}

/*
 * Write back what is dirty, times included, and wait killably. Page errors are not looked at:
 * that is the business of whoever may report them.
 */
static int write_out(struct inode *inode)
{
	int err;

	if (!ferry_times_pending(inode) && !(inode_state_read_once(inode) & I_DIRTY_TIME) &&
	    !mapping_tagged(inode->i_mapping, PAGECACHE_TAG_DIRTY) &&
	    !mapping_tagged(inode->i_mapping, PAGECACHE_TAG_WRITEBACK))
		return 0;
	if (exiting()) {
		ferry_sync_exiting(inode, was_killed() ? 0 : EXIT_WAIT);
		return 0;
	}
	err = ferry_sync_range(inode->i_mapping, 0, LLONG_MAX);
	return err ?: ferry_times_write(inode);
}

/*
 * Pages may have been dirtied through a mapping since the last flush, and write-back
 * needs a file: it takes references to this one while it is still on the list. Where
 * it could not wait to see all of them clean, the last file stays on the list, with the
 * struct file's reference, until the inode goes.
 */
static int ferry_release(struct inode *inode, struct file *file)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct ferry_file *ff = file->private_data;
	bool stays = false;

	ferry_mode_end(inode, ff);
	if (file->f_mode & FMODE_WRITE) {
		write_out(inode);
		spin_lock(&fi->lock);
		stays = mapping_tagged(inode->i_mapping, PAGECACHE_TAG_DIRTY) &&
			list_is_singular(&fi->write_files);
		if (!stays)
			list_del_init(&ff->write_node);
		spin_unlock(&fi->lock);
	}
	if (!stays)
		ferry_file_put(ff);
	return 0;
}

static int flush_result(struct ferry_mount *m, int err)
{
	if (err != -ENOSYS)
		return err;
	m->no_flush = true;
	return 0;
}

struct flush {
	struct ferry_args	args;
	struct fuse_flush_in	in;
	struct ferry_file	*file;
	struct ferry_parting	parting;
};

static void flush_end(struct ferry_args *args, int err)
{
	struct flush *f = container_of(args, struct flush, args);
	struct ferry_mount *m = f->file->mount;

	flush_result(m, err);
	ferry_file_put(f->file);
	parted(m, &f->parting);
	kfree(f);
	ferry_forgets_go_on(m);
}

/* FLUSH that nobody waits for; RELEASE and FORGET come behind it. */
static void flush_submit(struct ferry_file *ff)
{
	struct flush *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return;
	ferry_file_get(ff);
	f->file = ff;
	f->in.fh = ff->fh;
	ferry_args_init(&f->args, FUSE_FLUSH, ff->node);
	ferry_args_in(&f->args, &f->in, sizeof(f->in));
	f->args.end = flush_end;
	part(ff->mount, &f->parting, ff->node);
	ferry_submit(ff->mount->chan, &f->args);
}

static int ferry_flush(struct file *file, fl_owner_t id)
{
	struct inode *inode = file_inode(file);
	struct ferry_file *ff = file->private_data;
	struct ferry_mount *m = ff->mount;
	struct fuse_flush_in in = { .fh = ff->fh };
	struct ferry_args args;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	if (file->f_mode & FMODE_WRITE) {
		err = write_out(inode);
		/* Only looked at: fsync() through this file will still report it. */
		if (!err)
			err = filemap_check_wb_err(file->f_mapping, READ_ONCE(file->f_wb_err));
		if (err)
			return err;
	}
	if (m->no_flush || !ff->opened || (ff->open_flags & FOPEN_NOFLUSH))
		return 0;
	if (exiting()) {
		flush_submit(ff);
		return 0;
	}
	ferry_args_init(&args, FUSE_FLUSH, ff->node);
	ferry_args_in(&args, &in, sizeof(in));
	return flush_result(m, ferry_call(m->chan, &args));
}

int ferry_file_sync(struct ferry_file *ff, int datasync)
{
	struct ferry_mount *m = ff->mount;
	bool *none = ff->isdir ? &m->no_fsyncdir : &m->no_fsync;
	struct fuse_fsync_in in = {
		.fh = ff->fh,
		.fsync_flags = datasync ? FUSE_FSYNC_FDATASYNC : 0,
	};
	struct ferry_args args;
	int err;

	if (*none)
		return 0;
	ferry_args_init(&args, ff->isdir ? FUSE_FSYNCDIR : FUSE_FSYNC, ff->node);
	ferry_args_in(&args, &in, sizeof(in));
	err = ferry_call(m->chan, &args);
	if (err == -ENOSYS) {
		*none = true;
		err = 0;
	}
	return err;
}

static int ferry_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file_inode(file);
	struct ferry_file *ff = file->private_data;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	if (ferry_is_backed(ff))
		return ferry_passthrough_fsync(file, start, end, datasync);
	err = ferry_sync_range(file->f_mapping, start, end);
	/* Who was killed tells nobody: others may have the file, too. */
	if (!err)
		err = file_check_and_advance_wb_err(file);
	if (!err && !datasync)
		err = ferry_times_write(inode);
	return err ? err : ferry_file_sync(ff, datasync);
}

static bool is_direct(const struct kiocb *iocb)
{
	const struct ferry_file *ff = iocb->ki_filp->private_data;

	return (iocb->ki_flags & IOCB_DIRECT) || (ff->open_flags & FOPEN_DIRECT_IO);
}

static ssize_t ferry_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	if (ferry_is_bad(file_inode(iocb->ki_filp)))
		return -EIO;
	if (ferry_is_backed(iocb->ki_filp->private_data))
		return ferry_passthrough_read(iocb, to);
	return is_direct(iocb) ? ferry_direct_read(iocb, to) : ferry_cached_read(iocb, to);
}

/* What the server wants uncached must not go through the cache on its way to a pipe. */
static ssize_t ferry_splice_read(struct file *in, loff_t *pos, struct pipe_inode_info *pipe,
				 size_t len, unsigned int flags)
{
	struct ferry_file *ff = in->private_data;
	int err;

	if (ferry_is_backed(ff))
		return ferry_passthrough_splice_read(in, pos, pipe, len, flags);
	if (ff->open_flags & FOPEN_DIRECT_IO)
		return copy_splice_read(in, pos, pipe, len, flags);
	err = ferry_read_look(in, *pos, len);
	return err ?: filemap_splice_read(in, pos, pipe, len, flags);
}

static ssize_t ferry_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	if (ferry_is_bad(inode))
		return -EIO;
	if (ferry_is_backed(iocb->ki_filp->private_data))
		return ferry_passthrough_write(iocb, from);
	/* Without agreement on write-back each write() is one WRITE. */
	if (is_direct(iocb) || !ferry_mount_of(inode)->writeback)
		ret = ferry_direct_write(iocb, from);
	else
		ret = ferry_cached_write(iocb, from);
	return ret > 0 ? generic_write_sync(iocb, ret) : ret;
}

/* SEEK_DATA, SEEK_HOLE; 1: the server does not know them */
static loff_t ask_lseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	struct ferry_file *ff = file->private_data;
	struct ferry_mount *m = ff->mount;
	struct fuse_lseek_in in = { .fh = ff->fh, .offset = offset, .whence = whence };
	struct fuse_lseek_out out;
	struct ferry_args args;
	int err;

	if (m->no_lseek)
		return 1;
	/* The server shall see as data what is data. */
	err = ferry_sync_range(file->f_mapping, 0, LLONG_MAX);
	if (err)
		return err;
	ferry_args_init(&args, FUSE_LSEEK, ff->node);
	ferry_args_in(&args, &in, sizeof(in));
	ferry_args_out(&args, &out, sizeof(out));
	err = ferry_call(m->chan, &args);
	if (err == -ENOSYS) {
		m->no_lseek = true;
		return 1;
	}
	if (err)
		return err;
	if (out.offset < (u64)offset || out.offset > (u64)inode->i_sb->s_maxbytes)
		return -EIO;
	return vfs_setpos(file, out.offset, inode->i_sb->s_maxbytes);
}

static loff_t ferry_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	loff_t ret = 1;
	int err;

	switch (whence) {
	case SEEK_SET:
	case SEEK_CUR:
		return generic_file_llseek(file, offset, whence);
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0)
			return -ENXIO;
		inode_lock(inode);
		ret = ferry_size_settle(inode, file) ?: ask_lseek(file, offset, whence);
		inode_unlock(inode);
		if (ret != 1)
			return ret;
		break;
	}
	err = ferry_size_look(inode, file) ?: ferry_attr_need(inode, file, STATX_SIZE);
	return err ?: generic_file_llseek(file, offset, whence);
}

static int ask_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct ferry_file *ff = file->private_data;
	struct fuse_fallocate_in in = {
		.fh = ff->fh, .offset = offset, .length = len, .mode = mode,
	};
	struct ferry_args args;
	int err;

	ferry_args_init(&args, FUSE_FALLOCATE, ff->node);
	ferry_args_in(&args, &in, sizeof(in));
	err = ferry_call_for_room(ff->mount, &args);
	if (err == -ENOSYS) {
		ff->mount->no_fallocate = true;
		err = -EOPNOTSUPP;
	}
	return err;
}

/*
 * invalidate_lock keeps mmap from dirtying pages between their write-back and
 * their end, i_rwsem does so for write(): what the server punches or zeroes is
 * neither written over by older pages nor still seen in them.
 */
static long ferry_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	struct address_space *mapping = inode->i_mapping;
	struct ferry_mount *m = ferry_mount_of(inode);
	bool clears = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	loff_t end = offset + len;
	u64 at;
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (ferry_is_bad(inode))
		return -EIO;
	if (ferry_is_backed(file->private_data))
		return ferry_passthrough_fallocate(file, mode, offset, len);
	if (m->no_fallocate)
		return -EOPNOTSUPP;

	inode_lock(inode);
	err = ferry_size_settle(inode, file) ?: ferry_attr_need(inode, file, STATX_SIZE);
	if (err)
		goto unlock;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > i_size_read(inode)) {
		err = inode_newsize_ok(inode, end);
		if (err)
			goto unlock;
		err = ferry_zero_tail(inode);
		if (err)
			goto unlock;
	}
	if (clears) {
		err = down_write_killable(&mapping->invalidate_lock);
		if (err)
			goto unlock;
		err = ferry_sync_range(mapping, offset, end - 1) ?:
		      ferry_wait_folios(mapping, offset >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT);
		if (err)
			goto unlock_mapping;
	}
	err = file_modified(file);
	if (err)
		goto unlock_mapping;
	at = get_jiffies_64();
	err = ask_fallocate(file, mode, offset, len);
	if (err) {
		/* It may have been done all the same. */
		ferry_attr_invalidate(inode);
		if (clears)
			invalidate_inode_pages2_range(mapping, offset >> PAGE_SHIFT,
						      (end - 1) >> PAGE_SHIFT);
		if (!(mode & FALLOC_FL_KEEP_SIZE))
			ferry_size_unknown(inode);
	} else {
		ferry_attr_wrote(inode, mode & FALLOC_FL_KEEP_SIZE ? 0 : end);
		if (clears)
			truncate_pagecache_range(inode, offset, end - 1);
		ferry_attr_stale(inode, STATX_BLOCKS);
		ferry_size_doubt(inode, at);
	}
	/* As after a direct write. */
	if (ferry_owns_times(inode))
		ferry_times_wrote(inode, true);
unlock_mapping:
	if (clears)
		filemap_invalidate_unlock(mapping);
unlock:
	inode_unlock(inode);
	return err;
}

static int ferry_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ferry_file *ff = file->private_data;

	if (ferry_is_bad(file_inode(file)))
		return -EIO;
	if (ferry_is_backed(ff))
		return ferry_passthrough_mmap(file, vma);
	/* The cache must stay empty while others go past it to the backing file. */
	if (!ff->counted)
		return -ENODEV;
	return ferry_mmap(file, vma);
}

static int ferry_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	if (ferry_is_backed(file->private_data))
		return ferry_passthrough_fadvise(file, offset, len, advice);
	return generic_fadvise(file, offset, len, advice);
}

const struct file_operations ferry_file_operations = {
	.owner		= THIS_MODULE,
	.open		= ferry_open,
	.flush		= ferry_flush,
	.release	= ferry_release,
	.fsync		= ferry_fsync,
	.llseek		= ferry_llseek,
	.read_iter	= ferry_read_iter,
	.write_iter	= ferry_write_iter,
	.splice_read	= ferry_splice_read,
	.splice_write	= iter_file_splice_write,
	.mmap		= ferry_file_mmap,
	.fallocate	= ferry_fallocate,
	.fadvise	= ferry_fadvise,
};

const struct inode_operations ferry_file_inode_operations = {
	.getattr	= ferry_getattr,
	.setattr	= ferry_setattr,
	.permission	= ferry_permission,
	.listxattr	= ferry_listxattr,
};

void ferry_file_init_inode(struct inode *inode)
{
	const struct ferry_mount *m = ferry_mount_of(inode);

	inode->i_op = &ferry_file_inode_operations;
	inode->i_fop = &ferry_file_operations;
	inode->i_mapping->a_ops = &ferry_aops;
	ferry_set_slow_writeback(inode->i_mapping);
	ferry_set_large_folios(inode->i_mapping, min(m->max_read, m->max_write));
}
