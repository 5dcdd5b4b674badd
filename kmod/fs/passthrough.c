// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that the server has backed by one of its own: data goes there, past the server.
 *
 * Nothing of such a file is in our page cache, so there is nothing to be kept coherent; what
 * sees to that is that all open files of an inode are in one mode (ferry_mode_begin()).
 * Size and times are the server's to tell: a write says that they are not known any more.
 *
 * The backing file is used with the credentials of whoever registered it. So nobody gets at
 * more than the server let him open, and privileges that a write takes away (suid) are taken
 * away by us, from the server's point of view by a SETATTR, before it.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include "compat/pagecache.h"
#include "fs/fs.h"

static struct ferry_file *ferry_file_of(const struct file *file)
{
	return file->private_data;
}

/* The registered file that an answer names, if it does; -EIO: there is none. */
int ferry_backing_take(struct ferry_file *ff, const struct ferry_open_out *out)
{
	if (!(out->open_flags & FERRY_OPEN_PASSTHROUGH) || !ff->mount->stack_depth)
		return 0;
	return ferry_chan_take_backing(ff->mount->chan, out->backing_id, &ff->backing) ? -EIO : 0;
}

void ferry_backing_put(struct ferry_file *ff)
{
	if (!ff->backing.file)
		return;
	fput(ff->backing.file);
	put_cred(ff->backing.cred);
	ff->backing.file = NULL;
}

/* Is it open for what the client's file is? -EIO: it is not */
int ferry_backing_check(const struct file *file, const struct ferry_file *ff)
{
	fmode_t want = file->f_mode & (FMODE_READ | FMODE_WRITE);

	return !ff->backing.file || (ff->backing.file->f_mode & want) == want ? 0 : -EIO;
}

/* May the server register @file? As ferry_client_ops.may_back */
int ferry_may_back(const struct ferry_mount *m, const struct file *file)
{
	if (!m->stack_depth)
		return -EOPNOTSUPP;
	return file_inode(file)->i_sb->s_stack_depth < m->stack_depth ? 0 : -ELOOP;
}

/*
 * @ff has been opened: settle how its data goes. The first one decides for as long as
 * the inode is open: past the server, or through the cache. One that wants it otherwise
 * is served by the server, and if need be past the cache.
 */
void ferry_mode_begin(struct inode *inode, struct ferry_file *ff)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	bool drop = false;

	spin_lock(&fi->lock);
	if (ff->backing.file && fi->io_mode > 0)
		drop = true;
	if (ff->backing.file && !drop)
		ff->counted = -1;
	else if (fi->io_mode >= 0)
		ff->counted = 1;
	else
		ff->open_flags |= FOPEN_DIRECT_IO;
	fi->io_mode += ff->counted;
	spin_unlock(&fi->lock);
	if (drop)
		ferry_backing_put(ff);
}

void ferry_mode_end(struct inode *inode, struct ferry_file *ff)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	fi->io_mode -= ff->counted;
	ff->counted = 0;
	spin_unlock(&fi->lock);
}

/* An I/O of the client's, as one on the backing file. */
static void clone_iocb(struct kiocb *to, struct kiocb *from, struct file *backing)
{
	kiocb_clone(to, from, backing);
	if (!(backing->f_mode & FMODE_CAN_ODIRECT))
		to->ki_flags &= ~IOCB_DIRECT;
}

ssize_t ferry_passthrough_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct ferry_file *ff = ferry_file_of(iocb->ki_filp);
	const struct cred *old;
	struct kiocb kiocb;
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	clone_iocb(&kiocb, iocb, ff->backing.file);
	old = override_creds(ff->backing.cred);
	ret = vfs_iocb_iter_read(ff->backing.file, &kiocb, to);
	revert_creds(old);
	iocb->ki_pos = kiocb.ki_pos;
	ferry_attr_stale(file_inode(iocb->ki_filp), STATX_ATIME);
	return ret;
}

/* i_rwsem is held. The server may have got some since it was asked; who may keep them asks not. */
static int remove_privs(struct file *file)
{
	struct inode *inode = file_inode(file);
	int err = 0;

	if (ferry_attr_old(inode, STATX_MODE) && !capable(CAP_FSETID))
		err = ferry_attr_refresh(inode, file);
	return err ?: file_remove_privs(file);
}

ssize_t ferry_passthrough_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct ferry_file *ff = ferry_file_of(file);
	struct inode *inode = file_inode(file);
	const struct cred *old;
	struct kiocb kiocb;
	ssize_t ret;

	if (!iov_iter_count(from))
		return 0;
	inode_lock(inode);
	ret = remove_privs(file);
	if (!ret) {
		clone_iocb(&kiocb, iocb, ff->backing.file);
		old = override_creds(ff->backing.cred);
		ret = ferry_iocb_write(ff->backing.file, &kiocb, from);
		revert_creds(old);
		iocb->ki_pos = kiocb.ki_pos;
		ferry_attr_wrote(inode, ret > 0 ? iocb->ki_pos : 0);
	}
	inode_unlock(inode);
	return ret;
}

ssize_t ferry_passthrough_splice_read(struct file *in, loff_t *pos, struct pipe_inode_info *pipe,
				      size_t len, unsigned int flags)
{
	struct ferry_file *ff = ferry_file_of(in);
	struct file *backing = ff->backing.file;
	const struct cred *old;
	ssize_t ret;

	if (!backing->f_op->splice_read || backing->f_flags & O_DIRECT)
		return copy_splice_read(in, pos, pipe, len, flags);
	old = override_creds(ff->backing.cred);
	ret = backing->f_op->splice_read(backing, pos, pipe, len, flags);
	revert_creds(old);
	ferry_attr_stale(file_inode(in), STATX_ATIME);
	return ret;
}

/* The mapping is one of the backing file and holds it; ours may be closed before it goes. */
int ferry_passthrough_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ferry_file *ff = ferry_file_of(file);
	struct file *backing = ff->backing.file;
	const struct cred *old;
	int err;

	if (!ferry_can_mmap(backing))
		return -ENODEV;
	vma_set_file(vma, backing);
	old = override_creds(ff->backing.cred);
	err = ferry_call_mmap(backing, vma);
	revert_creds(old);
	ferry_attr_stale(file_inode(file), STATX_ATIME);
	if (!err && (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE))
		set_bit(FERRY_I_MAPPED_PAST, &ferry_inode_of(file_inode(file))->flags);
	return err;
}

int ferry_passthrough_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct ferry_file *ff = ferry_file_of(file);
	const struct cred *old = override_creds(ff->backing.cred);
	int err = vfs_fsync_range(ff->backing.file, start, end, datasync);

	revert_creds(old);
	return err;
}

long ferry_passthrough_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct ferry_file *ff = ferry_file_of(file);
	struct inode *inode = file_inode(file);
	const struct cred *old;
	int err;

	inode_lock(inode);
	err = remove_privs(file);
	if (!err) {
		old = override_creds(ff->backing.cred);
		err = vfs_fallocate(ff->backing.file, mode, offset, len);
		revert_creds(old);
		ferry_attr_wrote(inode, 0);
	}
	inode_unlock(inode);
	return err;
}

int ferry_passthrough_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	struct ferry_file *ff = ferry_file_of(file);
	const struct cred *old = override_creds(ff->backing.cred);
	int err = vfs_fadvise(ff->backing.file, offset, len, advice);

	revert_creds(old);
	return err;
}
