// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes: how long they are good, which answers are stale, and who may do what.
 *
 * An answer is stale if something changed from this side after it was asked for: a
 * size in it may be from before our write, and believing it would cut the page
 * cache. What it says of mode and owner is taken, but is asked for again. So is one of two
 * that were asked for at a time, once the other one has shown that the file is another.
 *
 * Nor is it remembered if a server may have been at work meanwhile for a caller who has
 * gone. Whose attributes change by that is not known: UNLINK and RENAME name the
 * directory. But a size changes by what names the file.
 */
#include <linux/cred.h>
#include <linux/log2.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "fs/fs.h"

u64 ferry_valid_until(u64 sec, u32 nsec)
{
	u64 delta;

	if (!(sec | nsec))
		return 0;
	/* What is further away than this is for ever. */
	delta = min_t(u64, sec, U32_MAX) * HZ;
	delta += DIV_ROUND_UP_ULL((u64)min_t(u32, nsec, NSEC_PER_SEC - 1) * HZ, NSEC_PER_SEC);
	return get_jiffies_64() + delta;
}

static u64 attr_until(struct ferry_mount *m, u64 sec, u32 nsec)
{
	if (!m->has_attr_timeout)
		return ferry_valid_until(sec, nsec);
	return m->attr_timeout ? get_jiffies_64() + m->attr_timeout : 0;
}

static void modified(struct ferry_inode *fi, u32 mask)
{
	lockdep_assert_held(&fi->lock);
	WRITE_ONCE(fi->attr_changed, get_jiffies_64());
	/*
	 * Pairs with ferry_attr_entry(): who sees the version sees the time; and with
	 * ferry_direct_read(): who sees the size that is set next sees its folio as dirty.
	 */
	smp_wmb();
	WRITE_ONCE(fi->attr_version, fi->attr_version + 1);
	fi->attr_stale |= mask;
}

void ferry_attr_modified(struct inode *inode, u32 mask)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	modified(fi, mask);
	spin_unlock(&fi->lock);
}

void ferry_attr_answered(struct inode *inode, struct ferry_asked *asked)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	bool newest;

	spin_lock(&fi->lock);
	newest = asked->version == fi->attr_version;
	modified(fi, 0);
	if (newest)
		asked->version = fi->attr_version;
	spin_unlock(&fi->lock);
}

void ferry_attr_invalidate(struct inode *inode)
{
	ferry_attr_modified(inode, STATX_BASIC_STATS);
}

void ferry_attr_stale(struct inode *inode, u32 mask)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	if ((READ_ONCE(fi->attr_stale) & mask) == mask)
		return;
	spin_lock(&fi->lock);
	fi->attr_stale |= mask;
	spin_unlock(&fi->lock);
}

void ferry_attr_wrote(struct inode *inode, loff_t end)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	modified(fi, STATX_MTIME | STATX_CTIME | STATX_SIZE | STATX_BLOCKS);
	if (end > i_size_read(inode))
		i_size_write(inode, end);
	spin_unlock(&fi->lock);
}

void ferry_ctime_now(struct inode *inode)
{
	if (IS_NOCMTIME(inode)) {
		ferry_attr_modified(inode, STATX_CTIME | STATX_NLINK);
		return;
	}
	inode_set_ctime_current(inode);
	mark_inode_dirty_sync(inode);
	ferry_attr_modified(inode, STATX_NLINK);
}

static bool type_ok(u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return true;
	default:
		return false;
	}
}

bool ferry_attr_ok(const struct fuse_attr *attr)
{
	return type_ok(attr->mode) && attr->size <= MAX_LFS_FILESIZE;
}

static struct timespec64 attr_time(u64 sec, u32 nsec)
{
	return (struct timespec64){ sec, min_t(u32, nsec, NSEC_PER_SEC - 1) };
}

/* All but size, links and, where the kernel owns them, times. */
static void attr_apply(struct inode *inode, const struct fuse_attr *attr)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	struct ferry_inode *fi = ferry_inode_of(inode);

	fi->mode = (inode->i_mode & S_IFMT) | (attr->mode & 07777);
	/* The sticky bit is the VFS's business only if it is the one that checks. */
	inode->i_mode = m->default_permissions ? fi->mode : fi->mode & ~S_ISVTX;
	if (unlikely(IS_NOSEC(inode) && (inode->i_mode & (S_ISUID | S_ISGID))))
		inode->i_flags &= ~S_NOSEC;
	inode->i_ino = attr->ino;
	inode->i_blocks = attr->blocks;
	if (likely(m->user_ns == &init_user_ns)) {
		inode->i_uid = KUIDT_INIT(attr->uid);
		inode->i_gid = KGIDT_INIT(attr->gid);
	} else {
		inode->i_uid = make_kuid(m->user_ns, attr->uid);
		inode->i_gid = make_kgid(m->user_ns, attr->gid);
	}
	fi->blkbits = attr->blksize ? clamp(ilog2(attr->blksize), 9, 30) :
				      inode->i_sb->s_blocksize_bits;

	inode_set_atime_to_ts(inode, attr_time(attr->atime, attr->atimensec));
	if (!ferry_owns_times(inode)) {
		inode_set_mtime_to_ts(inode, attr_time(attr->mtime, attr->mtimensec));
		inode_set_ctime_to_ts(inode, attr_time(attr->ctime, attr->ctimensec));
	}
}

/* May a server change attributes after @at, or have changed them, for a caller who has gone? */
static bool may_change(const struct inode *inode, u64 at)
{
	return unlikely(ferry_chan_left_since(ferry_mount_of(inode)->chan, 0, at));
}

static bool size_may_change(const struct inode *inode, u64 at)
{
	return unlikely(ferry_chan_left_since(ferry_mount_of(inode)->chan,
					      ferry_inode_of(inode)->node, at));
}

/* Until when attributes are good that were asked for at @at; 0: ask again */
static inline u64 good_until(const struct inode *inode, u64 valid_sec, u32 valid_nsec, u64 at)
{
	u64 until = attr_until(ferry_mount_of(inode), valid_sec, valid_nsec);

	return until && may_change(inode, at) ? 0 : until;
}

void ferry_attr_init(struct inode *inode, const struct fuse_attr *attr,
		     u64 valid_sec, u32 valid_nsec, u64 at)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	attr_apply(inode, attr);
	set_nlink(inode, attr->nlink);
	inode_set_mtime_to_ts(inode, attr_time(attr->mtime, attr->mtimensec));
	inode_set_ctime_to_ts(inode, attr_time(attr->ctime, attr->ctimensec));
	fi->cache_mtime = inode_get_mtime(inode);
	i_size_write(inode, attr->size);
	fi->attr_until = good_until(inode, valid_sec, valid_nsec, at);
	ferry_size_doubt(inode, at);
	/* There may have been an inode of it since, and have changed. */
	if (unlikely(READ_ONCE(ferry_mount_of(inode)->evicted) >= at)) {
		fi->attr_until = 0;
		ferry_size_unknown(inode);
	}
}

/* The file became another one behind our back: so did what is cached of it. */
static void drop_pages(struct inode *inode, loff_t old_size, loff_t size)
{
	if (!inode->i_mapping->nrpages)
		return;
	/* Not what has been written behind the new end since. */
	if (size < old_size)
		truncate_pagecache(inode, max(size, i_size_read(inode)));
	invalidate_inode_pages2(inode->i_mapping);
}

/*
 * The file is about to become another one without us, and what is cached will be dropped: that is
 * waited for here, killably. If it becomes longer what is behind its end goes now: it is zeros,
 * which nobody may see, nor write-back take to the server, where there is something else.
 */
static int make_way(struct inode *inode, loff_t old_size, loff_t size)
{
	struct address_space *mapping = inode->i_mapping;
	int err = ferry_wait_folios(mapping, 0, -1);

	if (!err && size > old_size)
		err = ferry_sync_range(mapping, old_size, LLONG_MAX);
	if (!err && size > old_size)
		invalidate_inode_pages2_range(mapping, old_size >> PAGE_SHIFT, -1);
	return err;
}

int ferry_attr_update(struct inode *inode, const struct fuse_attr *attr,
		      u64 valid_sec, u32 valid_nsec, struct ferry_asked asked)
{
	u64 until = good_until(inode, valid_sec, valid_nsec, asked.at);
	struct ferry_mount *m = ferry_mount_of(inode);
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct timespec64 mtime = attr_time(attr->mtime, attr->mtimensec);
	bool changed, ready = false, again = false;
	loff_t old_size;
	int err;

	if (unlikely(!ferry_attr_ok(attr) || inode_wrong_type(inode, attr->mode))) {
		ferry_inode_make_bad(inode);
		return -EIO;
	}

	spin_lock(&fi->lock);
	attr_apply(inode, attr);
look:
	old_size = i_size_read(inode);
	changed = !ferry_owns_times(inode) &&
		  (attr->size != old_size ||
		   (m->auto_inval && !timespec64_equal(&fi->cache_mtime, &mtime)));
	if (unlikely(asked.version != fi->attr_version) ||
	    test_bit(FERRY_I_SIZE_UNSTABLE, &fi->flags)) {
		fi->attr_until = 0;
		again = ready;
		changed = false;
	} else if (unlikely(changed && inode->i_mapping->nrpages && !ready)) {
		spin_unlock(&fi->lock);
		err = make_way(inode, old_size, attr->size);
		if (err)
			return err;
		ready = true;
		spin_lock(&fi->lock);
		goto look;
	} else {
		fi->attr_until = until;
		fi->attr_stale = 0;
		set_nlink(inode, attr->nlink);
		if (!ferry_owns_times(inode)) {
			fi->cache_mtime = mtime;
			i_size_write(inode, attr->size);
			/* Answers that are still on their way may be from before this one. */
			if (changed)
				modified(fi, 0);
		}
	}
	spin_unlock(&fi->lock);

	if (changed && S_ISREG(inode->i_mode))
		drop_pages(inode, old_size, attr->size);
	return again;
}

/*
 * When a LOOKUP is sent it is not known which inode the answer will be about, so there
 * is no version to compare with; the time of the last change tells, by excess of caution.
 */
int ferry_attr_entry(struct inode *inode, const struct fuse_entry_out *out, u64 at)
{
	struct ferry_asked asked = { .version = ferry_attr_version(inode), .at = at };

	/* Pairs with modified(). A change that neither shows comes later than both. */
	smp_rmb();
	if (READ_ONCE(ferry_inode_of(inode)->attr_changed) >= at)
		asked.version--;
	return ferry_attr_update(inode, &out->attr, out->attr_valid, out->attr_valid_nsec,
				 asked);
}

/* GETATTR, and take over what @out says then */
static int ask(struct inode *inode, struct file *file, struct fuse_attr_out *out)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct fuse_getattr_in in;
	struct ferry_asked asked;
	struct ferry_args args;
	int err, tries = 2;

	in.getattr_flags = 0;
	in.dummy = 0;
	in.fh = 0;
	if (file && S_ISREG(inode->i_mode)) {
		struct ferry_file *ff = file->private_data;

		in.getattr_flags = FUSE_GETATTR_FH;
		in.fh = ff->fh;
	}
	do {
		asked = ferry_asked(inode);
		ferry_args_init(&args, FUSE_GETATTR, fi->node);
		ferry_args_in(&args, &in, sizeof(in));
		ferry_args_out(&args, out, sizeof(*out));
		err = ferry_call(ferry_mount_of(inode)->chan, &args);
		if (unlikely(err))
			return err;
		err = ferry_attr_update(inode, &out->attr, out->attr_valid,
					out->attr_valid_nsec, asked);
	} while (unlikely(err > 0) && --tries);
	return min(err, 0);
}

int ferry_attr_refresh(struct inode *inode, struct file *file)
{
	struct fuse_attr_out out;

	return ask(inode, file, &out);
}

/* A change of @inode's size failed, but may have been done. i_rwsem is held. */
void ferry_size_unknown(struct inode *inode)
{
	if (ferry_owns_times(inode))
		set_bit(FERRY_I_SIZE_UNKNOWN, &ferry_inode_of(inode)->flags);
}

/*
 * The server told us a size, or took ours, in answer to a request that was sent after @at; what
 * is done for a caller who has gone may come after that. i_rwsem is held, or nobody else has
 * @inode.
 */
void ferry_size_doubt(struct inode *inode, u64 at)
{
	if (ferry_owns_times(inode) && size_may_change(inode, at))
		ferry_size_unknown(inode);
}

/*
 * Where the size is ours to know no answer is believed; but for this one, before which all that
 * we have written has gone to the server, and while which nothing can be added to it.
 */
int ferry_size_settle(struct inode *inode, struct file *file)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct fuse_attr_out out;
	u64 at;
	int err;

	if (likely(!test_bit(FERRY_I_SIZE_UNKNOWN, &fi->flags)))
		return 0;
	err = ferry_truncate_begin(inode, 0);
	if (err)
		return err;
	at = get_jiffies_64();
	err = ask(inode, file, &out);
	if (!err && !size_may_change(inode, at))
		clear_bit(FERRY_I_SIZE_UNKNOWN, &fi->flags);
	if (!err)
		invalidate_inode_pages2(inode->i_mapping);
	/* Nor are times ours that it has not been told of. */
	if (!err && !ferry_times_pending(inode) && !(inode_state_read_once(inode) & I_DIRTY_TIME)) {
		inode_set_mtime_to_ts(inode, attr_time(out.attr.mtime, out.attr.mtimensec));
		inode_set_ctime_to_ts(inode, attr_time(out.attr.ctime, out.attr.ctimensec));
	}
	ferry_truncate_end(inode, err ? 0 : out.attr.size, !err);
	return err;
}

/* Who holds i_rwsem now, if anybody, has begun with that, or was there before it was due. */
int ferry_size_look_now(struct inode *inode, struct file *file)
{
	int err = 0;

	if (inode_trylock(inode)) {
		err = ferry_size_settle(inode, file);
		inode_unlock(inode);
	}
	return err;
}

/* Are these STATX_* to be asked for? */
bool ferry_attr_old(struct inode *inode, u32 mask)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	if (ferry_owns_times(inode)) {
		mask &= ~(STATX_SIZE | STATX_MTIME | STATX_CTIME);
		if (!mask)
			return false;
	} else if (unlikely(test_bit(FERRY_I_MAPPED_PAST, &fi->flags)) &&
		   mask & (STATX_MTIME | STATX_CTIME | STATX_BLOCKS)) {
		return true;
	}
	return (READ_ONCE(fi->attr_stale) & mask) ||
	       READ_ONCE(fi->attr_until) < get_jiffies_64();
}

int ferry_attr_need(struct inode *inode, struct file *file, u32 mask)
{
	return ferry_attr_old(inode, mask) ? ferry_attr_refresh(inode, file) : 0;
}

int ferry_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
		  u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct ferry_inode *fi = ferry_inode_of(inode);
	int err = 0;

	if (ferry_is_bad(inode))
		return -EIO;
	if (!ferry_may_enter(ferry_mount_of(inode))) {
		/* Automounters look at mount points with an empty mask. */
		if (mask)
			return -EACCES;
		stat->result_mask = 0;
		return 0;
	}

	if (!(flags & AT_STATX_DONT_SYNC))
		err = ferry_size_look(inode, NULL);
	if (err)
		return err;
	if (flags & AT_STATX_FORCE_SYNC)
		err = ferry_attr_refresh(inode, NULL);
	else if (!(flags & AT_STATX_DONT_SYNC))
		err = ferry_attr_need(inode, NULL, mask);
	if (err)
		return err;

	generic_fillattr(idmap, mask, inode, stat);
	stat->mode = fi->mode;
	stat->blksize = 1U << fi->blkbits;
	return 0;
}

/*
 * Neither may a set-uid program be led astray by a server of the user who
 * started it, nor may the server watch what others do.
 */
bool ferry_is_mounter(const struct ferry_mount *m)
{
	const struct cred *cred = current_cred();

	return uid_eq(cred->uid, m->user_id) && uid_eq(cred->euid, m->user_id) &&
	       uid_eq(cred->suid, m->user_id) && gid_eq(cred->gid, m->group_id) &&
	       gid_eq(cred->egid, m->group_id) && gid_eq(cred->sgid, m->group_id);
}

static int ask_access(struct inode *inode, int mask)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	struct fuse_access_in in = { .mask = mask & (MAY_READ | MAY_WRITE | MAY_EXEC) };
	struct ferry_args args;
	int err;

	if (m->no_access)
		return 0;
	if (mask & MAY_NOT_BLOCK)
		return -ECHILD;
	ferry_args_init(&args, FUSE_ACCESS, ferry_inode_of(inode)->node);
	ferry_args_in(&args, &in, sizeof(in));
	err = ferry_call(m->chan, &args);
	if (err == -ENOSYS) {
		m->no_access = true;
		err = 0;
	}
	return err;
}

/* One try with the attributes that there are; -EACCES may be due to old ones. */
static int check_local(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	if (ferry_mount_of(inode)->default_permissions)
		return generic_permission(idmap, inode, mask);
	return inode->i_mode & 0111 ? 0 : -EACCES;
}

int ferry_permission(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	bool exec = (mask & MAY_EXEC) && S_ISREG(inode->i_mode);
	bool fresh = false;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	if (!ferry_may_enter(m))
		return -EACCES;

	if (!m->default_permissions && (mask & (MAY_ACCESS | MAY_CHDIR)))
		return ask_access(inode, mask);
	if (!m->default_permissions && !exec)
		return 0;

	for (;;) {
		if (ferry_attr_old(inode, STATX_MODE | STATX_UID | STATX_GID)) {
			if (mask & MAY_NOT_BLOCK)
				return -ECHILD;
			err = ferry_attr_refresh(inode, NULL);
			if (err)
				return err;
			fresh = true;
		}
		err = check_local(idmap, inode, mask);
		if (err != -EACCES || fresh)
			return err;
		/* Ask before saying no. */
		ferry_attr_stale(inode, STATX_MODE);
	}
}
