// SPDX-License-Identifier: GPL-2.0-only
/* Names: lookup, and what makes, moves and removes them. */
#include <linux/namei.h>
#include <linux/slab.h>
#include "fs/fs.h"

static_assert(BITS_PER_LONG == 64, "dentry->d_time holds jiffies64");

/*
 * How long a name of directory @dir may be believed. Not for a moment where a server may be
 * about to do, for a caller who has gone, what makes another of it.
 */
void ferry_entry_valid(struct ferry_mount *m, u64 dir, struct dentry *dentry,
		       const struct fuse_entry_out *out, u64 at)
{
	u64 until;

	if (!m->has_entry_timeout)
		until = ferry_valid_until(out->entry_valid, out->entry_valid_nsec);
	else
		until = m->entry_timeout ? get_jiffies_64() + m->entry_timeout : 0;
	WRITE_ONCE(dentry->d_time, until);
	if (!until)
		return;
	/*
	 * Stored, then looked: a caller who goes is left behind first, and not_done() after that.
	 * Pairs with the locks there. Either we see the caller, or that 0 comes after our time.
	 */
	smp_mb();
	if (unlikely(ferry_chan_left_since(m->chan, dir, at)))
		WRITE_ONCE(dentry->d_time, 0);
}

static int name_check(const struct qstr *name)
{
	return name->len > NAME_MAX ? -ENAMETOOLONG : 0;
}

static void dir_changed(struct inode *dir)
{
	ferry_attr_modified(dir, FERRY_DIR_CHANGED);
}

/*
 * A request that names @dentry failed. If we were killed, were too late, or a server died of it,
 * it may have been done, or be done still; and a server that refuses may know of names that
 * we do not. So all is asked for anew.
 */
static int not_done(struct inode *dir, struct dentry *dentry, int err)
{
	dir_changed(dir);
	WRITE_ONCE(dentry->d_time, 0);
	if (d_really_is_positive(dentry))
		ferry_attr_invalidate(d_inode(dentry));
	return err;
}

static int ask_lookup(struct ferry_mount *m, u64 dir, const struct qstr *name,
		      struct fuse_entry_out *out)
{
	struct ferry_args args;

	ferry_args_init(&args, FUSE_LOOKUP, dir);
	ferry_args_name(&args, name);
	ferry_args_out(&args, out, sizeof(*out));
	return ferry_call(m->chan, &args);
}

/* Is what a name was known to mean still what it means? */
static int still_same(u64 dir, const struct qstr *name, struct dentry *dentry,
		      struct inode *inode)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	struct ferry_asked asked = ferry_asked(inode);
	struct fuse_entry_out out;
	int err;

	err = ask_lookup(m, dir, name, &out);
	/* 0 also takes away what is mounted there: that there was no answer is no reason. */
	if (err && err != -ENOENT && err != -ESTALE)
		return err;
	if (err || !out.nodeid)
		return 0;
	if (out.nodeid != ferry_inode_of(inode)->node) {
		if (out.nodeid != FUSE_ROOT_ID)
			ferry_forget_send(m, out.nodeid);
		return 0;
	}
	ferry_inode_ref(inode);
	if (ferry_inode_differs(inode, &out))
		return 0;
	err = ferry_attr_update(inode, &out.attr, out.attr_valid, out.attr_valid_nsec, asked);
	if (err < 0)
		return err == -EINTR ? err : 0;
	ferry_entry_valid(m, dir, dentry, &out, asked.at);
	return 1;
}

/* READDIRPLUS has paid off there. */
static void want_plus(struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);

	set_bit(FERRY_I_PLUS_WANTED, &ferry_inode_of(d_inode(parent))->flags);
	dput(parent);
}

/* @dir: the directory's node; with @name given where LOOKUP_RCU is not */
static int dentry_revalidate(u64 dir, const struct qstr *name, struct dentry *dentry,
			     unsigned int flags)
{
	struct inode *inode = d_inode_rcu(dentry);
	struct ferry_inode *fi;

	if (inode && ferry_is_bad(inode))
		return 0;
	if (READ_ONCE(dentry->d_time) < get_jiffies_64() ||
	    (flags & (LOOKUP_EXCL | LOOKUP_REVAL | LOOKUP_RENAME_TARGET))) {
		if (!inode)
			return 0;
		if (flags & LOOKUP_RCU)
			return -ECHILD;
		return still_same(dir, name, dentry, inode);
	}
	if (inode) {
		fi = ferry_inode_of(inode);
		if (unlikely(test_bit(FERRY_I_PLUS_SEEN, &fi->flags))) {
			if (flags & LOOKUP_RCU)
				return -ECHILD;
			if (test_and_clear_bit(FERRY_I_PLUS_SEEN, &fi->flags))
				want_plus(dentry);
		}
	}
	return 1;
}
static u64 node_of(const struct inode *inode)
{
	return ferry_inode_of(inode)->node;
}
FERRY_D_REVALIDATE(dentry_revalidate, node_of)

const struct dentry_operations ferry_dentry_operations = {
	.d_revalidate	= ferry_d_revalidate(dentry_revalidate),
};

static struct dentry *dir_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct fuse_entry_out out;
	struct inode *inode = NULL;
	u64 at = get_jiffies_64();
	struct dentry *alias;
	int err;

	if (ferry_is_bad(dir))
		return ERR_PTR(-EIO);
	err = name_check(&dentry->d_name);
	if (err)
		return ERR_PTR(err);

	err = ask_lookup(ferry_mount_of(dir), ferry_inode_of(dir)->node, &dentry->d_name, &out);
	if (err && err != -ENOENT)
		return ERR_PTR(err);
	if (!err && out.nodeid) {
		inode = ferry_inode_get(dir->i_sb, &out, at);
		if (IS_ERR(inode))
			return ERR_CAST(inode);
	}

	alias = d_splice_alias(inode, dentry);
	if (IS_ERR(alias))
		return alias;
	if (alias)
		dentry = alias;
	/* Without an entry that says how long, an absent name is not remembered. */
	if (err)
		dentry->d_time = 0;
	else
		ferry_entry_valid(ferry_mount_of(dir), ferry_inode_of(dir)->node, dentry, &out,
				  at);
	if (inode && !test_bit(FERRY_I_PLUS_WANTED, &ferry_inode_of(dir)->flags))
		set_bit(FERRY_I_PLUS_WANTED, &ferry_inode_of(dir)->flags);
	return alias;
}

/* A request whose answer is a new entry of type @mode: MKNOD, MKDIR, SYMLINK, LINK. */
static struct dentry *make_entry(struct inode *dir, struct dentry *dentry,
				 struct ferry_args *args, umode_t mode)
{
	struct ferry_mount *m = ferry_mount_of(dir);
	u64 at = get_jiffies_64();
	struct fuse_entry_out out;
	struct dentry *alias;
	struct inode *inode;
	int err;

	if (ferry_is_bad(dir))
		return ERR_PTR(-EIO);
	err = name_check(&dentry->d_name);
	if (err)
		return ERR_PTR(err);

	ferry_args_out(args, &out, sizeof(out));
	err = ferry_call_for_room(m, args);
	if (err)
		return ERR_PTR(not_done(dir, dentry, err));
	dir_changed(dir);
	if ((out.attr.mode ^ mode) & S_IFMT)
		out.attr.mode = 0;	/* ferry_inode_get() refuses that */
	inode = ferry_inode_get(dir->i_sb, &out, at);
	if (IS_ERR(inode))
		return ERR_PTR(not_done(dir, dentry, PTR_ERR(inode)));

	d_drop(dentry);
	alias = d_splice_alias(inode, dentry);
	if (!IS_ERR(alias))
		ferry_entry_valid(m, ferry_inode_of(dir)->node, alias ?: dentry, &out, at);
	return alias;
}

static int drop_alias(struct dentry *alias)
{
	if (IS_ERR(alias))
		return PTR_ERR(alias);
	dput(alias);
	return 0;
}

static int dir_mknod(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		     umode_t mode, dev_t rdev)
{
	struct fuse_mknod_in in = {
		.mode = mode,
		.rdev = new_encode_dev(rdev),
		.umask = current_umask(),
	};
	struct ferry_args args;

	ferry_args_init(&args, FUSE_MKNOD, ferry_inode_of(dir)->node);
	ferry_args_in(&args, &in, sizeof(in));
	ferry_args_name(&args, &dentry->d_name);
	return drop_alias(make_entry(dir, dentry, &args, mode));
}

static int dir_create(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      umode_t mode)
{
	return dir_mknod(idmap, dir, dentry, mode, 0);
}
FERRY_CREATE(dir_create)

static struct dentry *dir_mkdir(struct mnt_idmap *idmap, struct inode *dir,
				struct dentry *dentry, umode_t mode)
{
	struct fuse_mkdir_in in = { .mode = mode, .umask = current_umask() };
	struct ferry_args args;

	ferry_args_init(&args, FUSE_MKDIR, ferry_inode_of(dir)->node);
	ferry_args_in(&args, &in, sizeof(in));
	ferry_args_name(&args, &dentry->d_name);
	return make_entry(dir, dentry, &args, S_IFDIR);
}
FERRY_MKDIR(dir_mkdir)

static int dir_symlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		       const char *target)
{
	struct ferry_args args;

	ferry_args_init(&args, FUSE_SYMLINK, ferry_inode_of(dir)->node);
	ferry_args_name(&args, &dentry->d_name);
	ferry_args_in(&args, target, strlen(target) + 1);
	return drop_alias(make_entry(dir, dentry, &args, S_IFLNK));
}

static int dir_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(old);
	struct fuse_link_in in = { .oldnodeid = ferry_inode_of(inode)->node };
	struct ferry_args args;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	ferry_args_init(&args, FUSE_LINK, ferry_inode_of(dir)->node);
	ferry_args_in(&args, &in, sizeof(in));
	args.flags = FERRY_ARGS_NODE2;
	ferry_args_name(&args, &dentry->d_name);
	err = drop_alias(make_entry(dir, dentry, &args, inode->i_mode));
	if (err)
		ferry_attr_invalidate(inode);
	else
		ferry_ctime_now(inode);
	return err;
}

/* @dentry's inode has lost a name. */
static void lost_name(struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	/* A careless server may have counted less links than there are. */
	if (S_ISDIR(inode->i_mode))
		clear_nlink(inode);
	else if (inode->i_nlink)
		drop_nlink(inode);
	spin_unlock(&fi->lock);
	dentry->d_time = 0;
	ferry_ctime_now(inode);
}

static int remove(struct inode *dir, struct dentry *dentry, u32 opcode)
{
	struct ferry_args args;
	int err;

	if (ferry_is_bad(dir))
		return -EIO;
	ferry_args_init(&args, opcode, ferry_inode_of(dir)->node);
	ferry_args_name(&args, &dentry->d_name);
	err = ferry_call(ferry_mount_of(dir)->chan, &args);
	if (err)
		return not_done(dir, dentry, err);
	dir_changed(dir);
	lost_name(dentry);
	return 0;
}

static int dir_unlink(struct inode *dir, struct dentry *dentry)
{
	return remove(dir, dentry, FUSE_UNLINK);
}

static int dir_rmdir(struct inode *dir, struct dentry *dentry)
{
	return remove(dir, dentry, FUSE_RMDIR);
}

static int ask_rename(struct inode *dir, struct dentry *dentry, struct inode *new_dir,
		      struct dentry *new_dentry, unsigned int flags)
{
	struct ferry_mount *m = ferry_mount_of(dir);
	struct fuse_rename2_in in = {
		.newdir = ferry_inode_of(new_dir)->node,
		.flags = flags,
	};
	struct ferry_args args;
	int err;

	if (flags && m->no_rename2)
		return -EINVAL;
	ferry_args_init(&args, flags ? FUSE_RENAME2 : FUSE_RENAME, ferry_inode_of(dir)->node);
	/* struct fuse_rename_in is what struct fuse_rename2_in begins with. */
	ferry_args_in(&args, &in, flags ? sizeof(in) : sizeof(struct fuse_rename_in));
	args.flags = FERRY_ARGS_NODE2;
	ferry_args_name(&args, &dentry->d_name);
	ferry_args_name(&args, &new_dentry->d_name);
	err = ferry_call(m->chan, &args);
	if (err == -ENOSYS && flags) {
		m->no_rename2 = true;
		err = -EINVAL;
	}
	return err;
}

static int dir_rename(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      struct inode *new_dir, struct dentry *new_dentry, unsigned int flags)
{
	int err;

	if (ferry_is_bad(dir) || ferry_is_bad(new_dir))
		return -EIO;
	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = name_check(&new_dentry->d_name);
	if (err)
		return err;

	err = ask_rename(dir, dentry, new_dir, new_dentry, flags);
	if (err) {
		not_done(dir, dentry, err);
		return not_done(new_dir, new_dentry, err);
	}
	dir_changed(dir);
	if (new_dir != dir)
		dir_changed(new_dir);
	ferry_ctime_now(d_inode(dentry));
	if (flags & RENAME_EXCHANGE)
		ferry_ctime_now(d_inode(new_dentry));
	else if (d_really_is_positive(new_dentry))
		lost_name(new_dentry);
	return 0;
}

/*
 * CREATE: the entry and the open file in one answer. It is to make the file, also if the caller
 * would do with one that is there: the VFS does not ask whether he may open what he has made.
 * FUSE programs are asked in FUSE's way, as they may find by CREATE what LOOKUP did not.
 */
static int create_open(struct inode *dir, struct dentry *dentry, struct file *file,
		       unsigned int flags, umode_t mode)
{
	struct ferry_mount *m = ferry_mount_of(dir);
	struct fuse_create_in in = {
		.flags = (flags & ~O_NOCTTY) | (ferry_chan_is_rw(m->chan) ? 0 : O_EXCL),
		.mode = mode,
		.umask = current_umask(),
	};
	u64 at = get_jiffies_64();
	struct fuse_entry_out entry;
	struct ferry_open_out open;
	struct ferry_args args;
	struct ferry_file *ff;
	struct inode *inode;
	int err, backed;

	ff = ferry_file_alloc(m);
	if (!ff)
		return -ENOMEM;
	ferry_args_init(&args, FUSE_CREATE, ferry_inode_of(dir)->node);
	ferry_args_in(&args, &in, sizeof(in));
	ferry_args_name(&args, &dentry->d_name);
	ferry_args_out(&args, &entry, sizeof(entry));
	ferry_args_out(&args, &open, sizeof(open));
	err = ferry_call_for_room(m, &args);
	if (err)
		goto out_not_done;

	dir_changed(dir);
	ff->node = entry.nodeid;
	ff->fh = open.fh;
	ff->open_flags = open.open_flags;
	ff->flags = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	ff->opened = true;
	backed = ferry_backing_take(ff, &open);
	if (!S_ISREG(entry.attr.mode))
		entry.attr.mode = 0;	/* ferry_inode_get() refuses that */
	inode = ferry_inode_get(dir->i_sb, &entry, at);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto out_not_done;
	}

	if (d_in_lookup(dentry))
		d_add(dentry, inode);
	else
		d_instantiate(dentry, inode);
	ferry_entry_valid(m, ferry_inode_of(dir)->node, dentry, &entry, at);
	file->f_mode |= FMODE_CREATED;
	err = backed ?: ferry_backing_check(file, ff);
	if (!err)
		err = finish_open(file, dentry, generic_file_open);
	if (err)
		goto out_put;
	ferry_file_finish_open(inode, file, ff);
	return 0;

out_not_done:
	not_done(dir, dentry, err);
out_put:
	ferry_file_put(ff);
	return err;
}

/*
 * A name that must not be there need not be looked up before: CREATE says so. Except to
 * servers that may rely on FUSE's way, where CREATE comes for names that are not there.
 */
static bool may_create_unseen(const struct ferry_mount *m, unsigned int flags)
{
	return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) && !m->no_create &&
	       !ferry_chan_is_rw(m->chan);
}

static int dir_atomic_open(struct inode *dir, struct dentry *dentry, struct file *file,
			   unsigned int flags, umode_t mode)
{
	struct ferry_mount *m = ferry_mount_of(dir);
	struct dentry *found = NULL;
	int err;

	if (ferry_is_bad(dir))
		return -EIO;
	err = name_check(&dentry->d_name);
	if (err)
		return err;

	if (d_in_lookup(dentry) && !may_create_unseen(m, flags)) {
		found = dir_lookup(dir, dentry, 0);
		if (IS_ERR(found))
			return PTR_ERR(found);
		if (found)
			dentry = found;
	}
	if (!(flags & O_CREAT) || d_really_is_positive(dentry))
		return finish_no_open(file, found);

	if (!m->no_create) {
		err = create_open(dir, dentry, file, flags, mode);
		if (err != -ENOSYS)
			goto out;
		m->no_create = true;
		if (d_in_lookup(dentry))
			return dir_atomic_open(dir, dentry, file, flags, mode);
	}
	/* Two requests then: make it here, and the VFS opens it. */
	file->f_mode |= FMODE_CREATED;
	err = dir_mknod(&nop_mnt_idmap, dir, dentry, mode, 0);
	if (!err)
		return finish_no_open(file, found);
out:
	/* It came to be since it was looked up: the VFS does that again, and then asks. */
	if (err == -EEXIST && !(flags & O_EXCL))
		err = -ESTALE;
	dput(found);
	return err;
}

static void free_link(void *p)
{
	kfree(p);
}

static const char *symlink_get(struct dentry *dentry, struct inode *inode,
			       struct delayed_call *done)
{
	struct ferry_args args;
	struct iov_iter iter;
	struct kvec kvec;
	char *target;
	int err;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	if (ferry_is_bad(inode))
		return ERR_PTR(-EIO);
	target = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!target)
		return ERR_PTR(-ENOMEM);

	kvec.iov_base = target;
	kvec.iov_len = PATH_MAX - 1;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, kvec.iov_len);
	ferry_args_init(&args, FUSE_READLINK, ferry_inode_of(inode)->node);
	ferry_args_data(&args, FERRY_ARGS_DATA_OUT, &iter);
	err = ferry_call(ferry_mount_of(inode)->chan, &args);
	if (!err && (!args.data_done || args.data_done >= PATH_MAX ||
		     memchr(target, '\0', args.data_done)))
		err = -EIO;
	if (err) {
		kfree(target);
		return ERR_PTR(err);
	}
	target[args.data_done] = '\0';
	ferry_attr_stale(inode, STATX_ATIME);
	set_delayed_call(done, free_link, target);
	return target;
}

static const struct inode_operations dir_inode_operations = {
	.lookup		= dir_lookup,
	.create		= ferry_create(dir_create),
	.link		= dir_link,
	.unlink		= dir_unlink,
	.symlink	= dir_symlink,
	.mkdir		= ferry_mkdir(dir_mkdir),
	.rmdir		= dir_rmdir,
	.mknod		= dir_mknod,
	.rename		= dir_rename,
	.atomic_open	= dir_atomic_open,
	.permission	= ferry_permission,
	.getattr	= ferry_getattr,
	.setattr	= ferry_setattr,
	.listxattr	= ferry_listxattr,
};

static const struct inode_operations symlink_inode_operations = {
	.get_link	= symlink_get,
	.getattr	= ferry_getattr,
	.setattr	= ferry_setattr,
	.listxattr	= ferry_listxattr,
};

static const struct inode_operations special_inode_operations = {
	.permission	= ferry_permission,
	.getattr	= ferry_getattr,
	.setattr	= ferry_setattr,
	.listxattr	= ferry_listxattr,
};

void ferry_dir_init_inode(struct inode *inode)
{
	inode->i_op = &dir_inode_operations;
	inode->i_fop = &ferry_dir_operations;
}

void ferry_symlink_init_inode(struct inode *inode)
{
	inode->i_op = &symlink_inode_operations;
}

void ferry_special_init_inode(struct inode *inode, umode_t mode, dev_t rdev)
{
	inode->i_op = &special_inode_operations;
	init_special_inode(inode, mode, rdev);
}
