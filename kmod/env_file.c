// SPDX-License-Identifier: GPL-2.0-only
/* env.h for the kernel: files of the host. */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include "compat/core.h"
#include "compat/flock.h"
#include "core/file.h"

#include <ferry/backend.h>

/* What stands for it is never looked into: a struct ferry_file is a struct file. */
static struct file *file_of(const struct ferry_file *file)
{
	return (struct file *)file;
}

static struct inode *inode_of(const struct ferry_file *file)
{
	return file_of(file)->f_mapping->host;
}

/* As flock(2), without waiting: the file's until its last reference goes. */
static int try_lock(struct file *file, unsigned int type)
{
	struct file_lock *lock = locks_alloc_lock();
	int err;

	if (!lock)
		return -ENOMEM;
	ferry_flock_init(lock, file, type);
	err = file->f_op->flock ? file->f_op->flock(file, F_SETLK, lock) :
				  locks_lock_file_wait(file, lock);
	locks_free_lock(lock);
	return err;
}

/* Where there are no locks there is none. */
static int lock(struct file *file, unsigned int type)
{
	int err = S_ISREG(file_inode(file)->i_mode) ? try_lock(file, type) : 0;

	if (err == -EAGAIN)
		return -EBUSY;
	return err == -ENOMEM ? err : 0;
}

int ferry_file_open(const char *path, u32 flags, struct ferry_file **result)
{
	int how = (flags & FERRY_FILE_WRITE ? O_RDWR : O_RDONLY) | O_LARGEFILE | O_NONBLOCK |
		  (flags & FERRY_FILE_DIRECT ? O_DIRECT : 0) | O_EXCL;
	struct file *file = filp_open(path, how, 0);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if ((!S_ISREG(file_inode(file)->i_mode) && !S_ISBLK(file_inode(file)->i_mode)) ||
	    !file->f_op->read_iter || !file->f_op->write_iter) {
		fput(file);
		return -EINVAL;
	}
	err = lock(file, flags & FERRY_FILE_WRITE ? F_WRLCK : F_RDLCK);
	if (err) {
		fput(file);
		return err;
	}
	*result = (struct ferry_file *)file;
	return 0;
}
FERRY_EXPORT(ferry_file_open);

void ferry_file_close(struct ferry_file *file)
{
	fput(file_of(file));
}
FERRY_EXPORT(ferry_file_close);

static u64 device_number(dev_t dev)
{
	return (u64)MAJOR(dev) << 32 | MINOR(dev);
}

/* As programs are told, which may not be what is in the inode. */
static int id_of_path(const struct path *path, struct ferry_file_id *id)
{
	struct kstat stat;
	int err;

	*id = (struct ferry_file_id){ 0 };
	err = vfs_getattr(path, &stat, STATX_BASIC_STATS | STATX_BTIME, AT_STATX_SYNC_AS_STAT);
	if (err)
		return err;
	if (S_ISBLK(stat.mode)) {
		id->rdev = device_number(stat.rdev);
		return 0;
	}
	id->dev = device_number(stat.dev);
	id->ino = stat.ino;
	if (stat.result_mask & STATX_BTIME)
		id->since = stat.btime.tv_sec * NSEC_PER_SEC + stat.btime.tv_nsec;
	return 0;
}

int ferry_file_id_at(const char *name, struct ferry_file_id *id)
{
	struct path path;
	int err = kern_path(name, LOOKUP_FOLLOW, &path);

	if (err)
		return err;
	err = id_of_path(&path, id);
	path_put(&path);
	return err;
}
FERRY_EXPORT(ferry_file_id_at);

int ferry_file_id(const struct ferry_file *file, struct ferry_file_id *id)
{
	struct inode *inode = inode_of(file);
	int err = id_of_path(&file_of(file)->f_path, id);

	if (!err && S_ISBLK(inode->i_mode))
		id->since = I_BDEV(inode)->bd_disk->diskseq;
	return err;
}
FERRY_EXPORT(ferry_file_id);

s64 ferry_file_size(const struct ferry_file *file)
{
	return i_size_read(inode_of(file));
}
FERRY_EXPORT(ferry_file_size);

u32 ferry_file_block(const struct ferry_file *file)
{
	struct inode *inode = inode_of(file);

	if (S_ISBLK(inode->i_mode))
		return bdev_logical_block_size(I_BDEV(inode));
	return inode->i_sb->s_bdev ? bdev_logical_block_size(inode->i_sb->s_bdev) : SECTOR_SIZE;
}
FERRY_EXPORT(ferry_file_block);

static ssize_t do_iter(struct ferry_file *ff, u64 off, struct iov_iter *iter, bool write,
		       bool sync)
{
	struct file *file = file_of(ff);
	struct kiocb kiocb;
	ssize_t n;

	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = off;
	if (!write)
		return file->f_op->read_iter(&kiocb, iter);
	if (sync)
		kiocb.ki_flags |= IOCB_DSYNC;
	file_start_write(file);
	n = file->f_op->write_iter(&kiocb, iter);
	file_end_write(file);
	return n;
}

/* All of @iter, with as many calls as it takes; less where the file ends. */
ssize_t ferry_file_iter(struct ferry_file *file, u64 off, struct iov_iter *iter, bool write,
			bool sync)
{
	ssize_t done = 0, n = 0;

	while (iov_iter_count(iter)) {
		n = do_iter(file, off + done, iter, write, sync);
		if (n <= 0)
			break;
		done += n;
	}
	return done ?: n;
}

/* Memory that direct I/O can do with: pages, named one by one. */
static ssize_t do_direct(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			 unsigned int nr_iov, bool write, bool sync)
{
	struct iov_iter iter;
	struct bio_vec *bvec;
	size_t len = 0;
	unsigned int i;
	ssize_t n;

	bvec = kmalloc_array(nr_iov, sizeof(*bvec), GFP_NOIO);
	if (!bvec)
		return -ENOMEM;
	for (i = 0; i < nr_iov; i++) {
		bvec_set_page(&bvec[i], virt_to_page(iov[i].base), iov[i].len,
			      offset_in_page(iov[i].base));
		len += iov[i].len;
	}
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, bvec, nr_iov, len);
	n = ferry_file_iter(file, off, &iter, write, sync);
	kfree(bvec);
	return n;
}

static ssize_t do_iov(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
		      unsigned int nr_iov, bool write, bool sync)
{
	struct iov_iter iter;
	size_t len = 0;
	unsigned int i;

	if (file_of(file)->f_flags & O_DIRECT)
		return do_direct(file, off, iov, nr_iov, write, sync);
	for (i = 0; i < nr_iov; i++)
		len += iov[i].len;
	static_assert(sizeof(struct kvec) == sizeof(struct ferry_iov) &&
		      offsetof(struct kvec, iov_len) == offsetof(struct ferry_iov, len));
	iov_iter_kvec(&iter, write ? ITER_SOURCE : ITER_DEST, (const struct kvec *)iov, nr_iov,
		      len);
	return ferry_file_iter(file, off, &iter, write, sync);
}

ssize_t ferry_file_read(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			unsigned int nr_iov)
{
	return do_iov(file, off, iov, nr_iov, false, false);
}
FERRY_EXPORT(ferry_file_read);

ssize_t ferry_file_write(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			 unsigned int nr_iov, bool sync)
{
	return do_iov(file, off, iov, nr_iov, true, sync);
}
FERRY_EXPORT(ferry_file_write);

int ferry_file_flush(struct ferry_file *file)
{
	return vfs_fsync(file_of(file), 1);
}
FERRY_EXPORT(ferry_file_flush);

int ferry_file_zero(struct ferry_file *file, u64 off, u64 len, bool keep)
{
	int mode = FALLOC_FL_KEEP_SIZE | (keep ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);

	return vfs_fallocate(file_of(file), mode, off, len);
}
FERRY_EXPORT(ferry_file_zero);

bool ferry_file_can_zero(struct ferry_file *file)
{
	struct inode *inode = inode_of(file);

	if (S_ISBLK(inode->i_mode))
		return bdev_write_zeroes_sectors(I_BDEV(inode));
	/* Behind the end there is nothing to lose. */
	return !ferry_file_zero(file, i_size_read(inode), FERRY_PAGE_SIZE, false);
}
FERRY_EXPORT(ferry_file_can_zero);
