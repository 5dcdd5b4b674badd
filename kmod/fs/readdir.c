// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listings. A directory that is open keeps one answer of its server and hands it out
 * over as many calls of ->iterate_shared() as it takes. What is in the buffer has been
 * checked, and the lookups that READDIRPLUS counted have been taken over.
 *
 * A call hands out one answer at most. So a program that looks at each name (ls -l,
 * find) gets to do that before the next question, and by then it is known whether
 * READDIRPLUS would pay: on the first names of a directory it is tried with a small
 * buffer; after that it is used as long as lookups follow.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include "fs/fs.h"

#define DIR_BUF_SIZE		(65536 - 512)	/* with its head an even allocation */
#define DIR_PROBE_SIZE		4096	/* of a READDIRPLUS that is but a guess */

/**
 * struct ferry_dir - what an open directory keeps
 * @lock: guards the rest
 * @pos: offset of the entry at @at
 * @at: next entry in @buf
 * @len: bytes in @buf
 * @plus: entries are struct fuse_direntplus
 * @buf: the answer; its entries begin at multiples of 8
 */
struct ferry_dir {
	struct mutex	lock;
	u64		pos;
	u32		at;
	u32		len;
	bool		plus;
	char		buf[DIR_BUF_SIZE] __aligned(8);
};

static_assert(sizeof(struct ferry_dir) <= 65536);

static struct fuse_dirent *dirent_at(struct ferry_dir *d, u32 at)
{
	return d->plus ? &((struct fuse_direntplus *)(d->buf + at))->dirent :
			 (struct fuse_dirent *)(d->buf + at);
}

static u32 dirent_size(struct ferry_dir *d, const struct fuse_dirent *de)
{
	u32 head = d->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;

	return FUSE_DIRENT_ALIGN(head + de->namelen);
}

static bool name_ok(const struct fuse_dirent *de)
{
	return !memchr(de->name, '/', de->namelen) && !memchr(de->name, '\0', de->namelen);
}

static bool is_dot(const struct fuse_dirent *de)
{
	return de->name[0] == '.' &&
	       (de->namelen == 1 || (de->namelen == 2 && de->name[1] == '.'));
}

/* Its lookup was counted by the server; put name and node into the caches. */
static void take_plus(struct dentry *parent, const struct fuse_direntplus *dp, u64 asked)
{
	struct qstr name = QSTR_INIT(dp->dirent.name, dp->dirent.namelen);
	struct ferry_mount *m = parent->d_sb->s_fs_info;
	const struct fuse_entry_out *out = &dp->entry_out;
	struct dentry *dentry, *alias;
	struct inode *inode;
	FERRY_LOOKUP_WAIT(wq);

	if (!ferry_entry_ok(out))
		goto out_forget;
	name.hash = full_name_hash(parent, name.name, name.len);
	for (;;) {
		dentry = d_lookup(parent, &name);
		if (!dentry)
			dentry = ferry_alloc_parallel(parent, &name, &wq);
		if (IS_ERR(dentry))
			goto out_forget;
		if (d_in_lookup(dentry))
			break;

		inode = d_inode(dentry);
		if (inode && ferry_inode_of(inode)->node == out->nodeid &&
		    !ferry_inode_differs(inode, out)) {
			ferry_inode_ref(inode);
			ferry_attr_entry(inode, out, asked);
			goto out_valid;
		}
		d_invalidate(dentry);
		dput(dentry);
	}

	inode = ferry_inode_get(parent->d_sb, out, asked);
	alias = d_splice_alias(inode, dentry);
	d_lookup_done(dentry);
	if (alias) {
		dput(dentry);
		dentry = alias;
	}
	if (IS_ERR(dentry))
		return;
out_valid:
	if (m->readdirplus_auto)
		set_bit(FERRY_I_PLUS_SEEN, &ferry_inode_of(inode)->flags);
	ferry_entry_valid(m, ferry_inode_of(d_inode(parent))->node, dentry, out, asked);
	dput(dentry);
	return;

out_forget:
	if (out->nodeid != FUSE_ROOT_ID)
		ferry_forget_send(m, out->nodeid);
}

/* Check what has come, and take over what READDIRPLUS brought. */
static int take(struct ferry_dir *d, struct dentry *parent, u64 asked)
{
	u32 head = d->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	struct fuse_direntplus *dp;
	struct fuse_dirent *de;
	u32 at, size;
	int err = 0;

	for (at = 0; at < d->len; at += size) {
		if (d->len - at < head)
			return -EIO;
		de = dirent_at(d, at);
		if (!de->namelen || de->namelen > NAME_MAX)
			return -EIO;
		size = dirent_size(d, de);
		/* Some servers leave the padding of the last one out. */
		if (d->len - at < head + de->namelen)
			return -EIO;
		size = min(size, d->len - at);

		dp = (struct fuse_direntplus *)(d->buf + at);
		if (!name_ok(de)) {
			err = -EIO;
			if (d->plus && dp->entry_out.nodeid > FUSE_ROOT_ID)
				ferry_forget_send(parent->d_sb->s_fs_info,
						  dp->entry_out.nodeid);
			continue;
		}
		if (d->plus && dp->entry_out.nodeid && !is_dot(de))
			take_plus(parent, dp, asked);
	}
	return err;
}

/*
 * What READDIRPLUS brought for a reader who is gone, checked as in take(): each of the
 * lookups that the server counted is given back.
 */
void ferry_readdir_late(struct ferry_mount *m, const void *data, size_t len)
{
	const struct fuse_direntplus *dp = data;
	size_t left = len, size;

	while (left >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		size = FUSE_NAME_OFFSET_DIRENTPLUS + dp->dirent.namelen;
		if (!dp->dirent.namelen || dp->dirent.namelen > NAME_MAX || left < size)
			break;
		if (dp->entry_out.nodeid > FUSE_ROOT_ID && !is_dot(&dp->dirent))
			ferry_forget_send(m, dp->entry_out.nodeid);
		size = min(FUSE_DIRENT_ALIGN(size), left);
		left -= size;
		dp = (const void *)dp + size;
	}
}

static bool want_plus(struct inode *dir, loff_t pos, u32 *size)
{
	struct ferry_mount *m = ferry_mount_of(dir);

	*size = DIR_BUF_SIZE;
	if (!m->readdirplus)
		return false;
	if (!m->readdirplus_auto)
		return true;
	if (test_and_clear_bit(FERRY_I_PLUS_WANTED, &ferry_inode_of(dir)->flags))
		return true;
	*size = pos ? DIR_BUF_SIZE : DIR_PROBE_SIZE;
	return !pos;
}

static int ask(struct file *file, struct ferry_dir *d, loff_t pos)
{
	struct inode *dir = file_inode(file);
	struct ferry_mount *m = ferry_mount_of(dir);
	struct ferry_file *ff = file->private_data;
	struct fuse_read_in in = { .fh = ff->fh, .offset = pos, .flags = file->f_flags };
	struct kvec kvec = { .iov_base = d->buf };
	u64 asked = get_jiffies_64();
	struct ferry_args args;
	struct iov_iter iter;
	int err;

	d->plus = want_plus(dir, pos, &in.size);
	d->pos = pos;
	d->at = 0;
	d->len = 0;
	kvec.iov_len = in.size;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, in.size);
	ferry_args_init(&args, d->plus ? FUSE_READDIRPLUS : FUSE_READDIR,
			ferry_inode_of(dir)->node);
	ferry_args_in(&args, &in, sizeof(in));
	ferry_args_data(&args, FERRY_ARGS_DATA_OUT, &iter);
	if (d->plus)
		args.flags |= FERRY_ARGS_LATE_DATA;
	err = ferry_call(m->chan, &args);
	if (err == -ENOSYS && d->plus) {
		m->readdirplus = false;
		return ask(file, d, pos);
	}
	if (err)
		return err;
	ferry_attr_stale(dir, STATX_ATIME);

	d->len = args.data_done;
	err = take(d, file->f_path.dentry, asked);
	if (err)
		d->len = 0;
	return err;
}

static void emit(struct ferry_dir *d, struct dir_context *ctx)
{
	struct fuse_dirent *de;

	while (d->at < d->len) {
		de = dirent_at(d, d->at);
		if (!dir_emit(ctx, de->name, de->namelen, de->ino, de->type))
			break;
		d->at += dirent_size(d, de);
		d->pos = de->off;
		ctx->pos = de->off;
	}
}

static int dir_iterate(struct file *file, struct dir_context *ctx)
{
	struct ferry_file *ff = file->private_data;
	struct ferry_dir *d = READ_ONCE(ff->dir);
	int err = 0;

	if (ferry_is_bad(file_inode(file)))
		return -EIO;
	if (!d) {
		d = kvmalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
		if (!d)
			return -ENOMEM;
		mutex_init(&d->lock);
		d->at = d->len = 0;
		if (cmpxchg(&ff->dir, NULL, d)) {
			kvfree(d);
			d = ff->dir;
		}
	}

	mutex_lock(&d->lock);
	/* From the start or from elsewhere: what is in the buffer is not wanted. */
	if (!ctx->pos || ctx->pos != d->pos || d->at >= d->len)
		err = ask(file, d, ctx->pos);
	if (!err)
		emit(d, ctx);
	mutex_unlock(&d->lock);
	return err;
}

static int dir_open(struct inode *inode, struct file *file)
{
	return ferry_file_open(inode, file, true);
}

static int dir_release(struct inode *inode, struct file *file)
{
	struct ferry_file *ff = file->private_data;

	kvfree(ff->dir);
	ff->dir = NULL;
	ferry_file_put(ff);
	return 0;
}

static int dir_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	if (ferry_is_bad(file_inode(file)))
		return -EIO;
	return ferry_file_sync(file->private_data, datasync);
}

const struct file_operations ferry_dir_operations = {
	.llseek		= generic_file_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= dir_iterate,
	.open		= dir_open,
	.release	= dir_release,
	.fsync		= dir_fsync,
};
