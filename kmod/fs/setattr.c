// SPDX-License-Identifier: GPL-2.0-only
/* SETATTR: what a caller changes of a file's attributes, its size included. */
#include <linux/capability.h>
#include "fs/fs.h"

static bool sends_mtime(const struct iattr *attr, bool owns_times)
{
	if (!(attr->ia_valid & ATTR_MTIME))
		return false;
	if ((attr->ia_valid & ATTR_MTIME_SET) || owns_times)
		return true;
	/* A truncation by an open file: the server knows by itself. */
	return !(attr->ia_valid & ATTR_SIZE) || !(attr->ia_valid & (ATTR_OPEN | ATTR_FILE));
}

static void fill(struct ferry_mount *m, const struct iattr *attr, bool owns_times,
		 struct fuse_setattr_in *in)
{
	unsigned int valid = attr->ia_valid;

	memset(in, 0, sizeof(*in));
	if (valid & ATTR_MODE) {
		in->valid |= FATTR_MODE;
		in->mode = attr->ia_mode;
	}
	if (valid & ATTR_UID) {
		in->valid |= FATTR_UID;
		in->uid = from_kuid(m->user_ns, attr->ia_uid);
	}
	if (valid & ATTR_GID) {
		in->valid |= FATTR_GID;
		in->gid = from_kgid(m->user_ns, attr->ia_gid);
	}
	if (valid & ATTR_SIZE) {
		in->valid |= FATTR_SIZE;
		in->size = attr->ia_size;
	}
	if (valid & ATTR_ATIME) {
		in->valid |= FATTR_ATIME;
		in->atime = attr->ia_atime.tv_sec;
		in->atimensec = attr->ia_atime.tv_nsec;
		if (!(valid & ATTR_ATIME_SET))
			in->valid |= FATTR_ATIME_NOW;
	}
	if (sends_mtime(attr, owns_times)) {
		in->valid |= FATTR_MTIME;
		in->mtime = attr->ia_mtime.tv_sec;
		in->mtimensec = attr->ia_mtime.tv_nsec;
		if (!(valid & ATTR_MTIME_SET) && !owns_times)
			in->valid |= FATTR_MTIME_NOW;
	}
	if ((valid & ATTR_CTIME) && owns_times) {
		in->valid |= FATTR_CTIME;
		in->ctime = attr->ia_ctime.tv_sec;
		in->ctimensec = attr->ia_ctime.tv_nsec;
	}
}

/* The answer: 0, or -EIO: nonsense */
int ferry_setattr_check(struct inode *inode, const struct fuse_attr_out *out)
{
	if (ferry_attr_ok(&out->attr) && !inode_wrong_type(inode, out->attr.mode))
		return 0;
	ferry_inode_make_bad(inode);
	return -EIO;
}

/* SETATTR with what is in @in; the answer is in @out, its type and size are sane. */
int ferry_setattr_send(struct inode *inode, const struct fuse_setattr_in *in,
		       struct fuse_attr_out *out)
{
	struct ferry_args args;
	int err;

	ferry_args_init(&args, FUSE_SETATTR, ferry_inode_of(inode)->node);
	ferry_args_in(&args, in, sizeof(*in));
	ferry_args_out(&args, out, sizeof(*out));
	err = ferry_call(ferry_mount_of(inode)->chan, &args);
	return err ?: ferry_setattr_check(inode, out);
}

/* Take over the answer to a SETATTR that was sent at @asked. */
static void take(struct inode *inode, const struct iattr *attr, const struct fuse_attr_out *out,
		 struct ferry_asked asked)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	if (ferry_owns_times(inode)) {
		spin_lock(&fi->lock);
		if (attr->ia_valid & ATTR_MTIME)
			inode_set_mtime_to_ts(inode, attr->ia_mtime);
		if (attr->ia_valid & ATTR_CTIME)
			inode_set_ctime_to_ts(inode, attr->ia_ctime);
		spin_unlock(&fi->lock);
	}
	ferry_attr_answered(inode, &asked);
	ferry_attr_update(inode, &out->attr, out->attr_valid, out->attr_valid_nsec, asked);
}

/* @kill: the VFS has found that set-id bits are to go */
static int change(struct dentry *dentry, struct iattr *attr, struct file *file, bool kill)
{
	struct inode *inode = d_inode(dentry);
	struct ferry_mount *m = ferry_mount_of(inode);
	struct ferry_inode *fi = ferry_inode_of(inode);
	bool owns_times = ferry_owns_times(inode);
	bool truncate = attr->ia_valid & ATTR_SIZE;
	struct ferry_asked asked;
	struct fuse_setattr_in in;
	struct fuse_attr_out out;
	int err;

	if (!m->default_permissions)
		attr->ia_valid |= ATTR_FORCE;
	err = setattr_prepare(&nop_mnt_idmap, dentry, attr);
	if (err)
		return err;

	/* The file of open(O_TRUNC) is not open at the server when this comes. */
	if (attr->ia_valid & ATTR_OPEN)
		file = NULL;
	/* Later WRITEs would undo explicit times, and might not be allowed any more. */
	if (owns_times && (attr->ia_valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_MTIME_SET |
					     ATTR_TIMES_SET))) {
		err = ferry_sync_range(inode->i_mapping, 0, LLONG_MAX);
		if (err)
			return err;
	}
	if (truncate) {
		err = ferry_size_settle(inode, file);
		if (err)
			return err;
		if (owns_times && attr->ia_size != i_size_read(inode))
			attr->ia_valid |= ATTR_MTIME | ATTR_CTIME;
		err = ferry_truncate_begin(inode, attr->ia_size);
		if (err)
			return err;
		set_bit(FERRY_I_SIZE_UNSTABLE, &fi->flags);
	}

	fill(m, attr, owns_times, &in);
	if (m->killpriv_v2 && !S_ISDIR(inode->i_mode) &&
	    (kill || (attr->ia_valid & (ATTR_UID | ATTR_GID)) ||
	     (truncate && !capable(CAP_FSETID))))
		in.valid |= FATTR_KILL_SUIDGID;
	if (file) {
		struct ferry_file *ff = file->private_data;

		in.valid |= FATTR_FH;
		in.fh = ff->fh;
	}
	/* Neither before those that the flusher sends, nor they before ours. */
	err = owns_times ? ferry_times_lock(inode) : 0;
	asked = ferry_asked(inode);
	if (!err) {
		err = ferry_setattr_send(inode, &in, &out);
		if (!err)
			take(inode, attr, &out, asked);
		if (owns_times)
			ferry_times_unlock(inode);
	}

	if (truncate) {
		ferry_truncate_end(inode, err ? 0 : out.attr.size, !err);
		clear_bit(FERRY_I_SIZE_UNSTABLE, &fi->flags);
		/* Answers that were asked for meanwhile know an old size. */
		ferry_attr_modified(inode, 0);
	}
	/* It may have been done all the same: we were killed, or too late. */
	if (err) {
		ferry_attr_invalidate(inode);
		if (truncate)
			ferry_size_unknown(inode);
	} else if (truncate) {
		ferry_size_doubt(inode, asked.at);
	}
	return err;
}

int ferry_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct ferry_mount *m = ferry_mount_of(inode);
	struct file *file = attr->ia_valid & ATTR_FILE ? attr->ia_file : NULL;
	bool kill = attr->ia_valid & (ATTR_KILL_SUID | ATTR_KILL_SGID);
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	if (!ferry_may_enter(m))
		return -EACCES;

	if (kill) {
		attr->ia_valid &= ~(ATTR_KILL_SUID | ATTR_KILL_SGID | ATTR_MODE);
		/*
		 * A server that does not drop them by itself is told the mode without. One may do
		 * so at what it is asked for, but does not see a write past it.
		 */
		if (!m->killpriv_v2 &&
		    !(m->handle_killpriv && attr->ia_valid & (ATTR_SIZE | ATTR_UID | ATTR_GID))) {
			err = ferry_attr_refresh(inode, NULL);
			if (err)
				return err;
			attr->ia_mode = ferry_inode_of(inode)->mode;
			if (attr->ia_mode & S_ISUID) {
				attr->ia_valid |= ATTR_MODE;
				attr->ia_mode &= ~S_ISUID;
			}
			if ((attr->ia_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
				attr->ia_valid |= ATTR_MODE;
				attr->ia_mode &= ~S_ISGID;
			}
		}
	}
	if (!attr->ia_valid)
		return 0;

	err = change(dentry, attr, file, kill);
	/* The server may check at LOOKUP who may search a directory. */
	if (!err && d_is_dir(dentry) && (attr->ia_valid & ATTR_MODE))
		dentry->d_time = 0;
	return err;
}
