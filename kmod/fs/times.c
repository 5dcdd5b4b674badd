// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times of files that this side keeps (write-back), on their way to the server.
 *
 * FERRY_I_TIMES says that there are some. FERRY_I_TIMES_BUSY is held by whoever sends them,
 * from before they are read until the server has answered, and by a SETATTR of somebody's:
 * two requests might be executed in either order. A WRITE from the cache makes the server's
 * times wrong again, so that its end sets FERRY_I_TIMES (writeback.c).
 *
 * fsync() and close() wait for it, and for the server, killably. ->write_inode() must not
 * wait: who evicts the inode, syncs it or looks it up waits until that returns, and cannot be
 * killed. So it submits a request, or leaves it to whoever is busy to send that afterwards.
 * Who wants to know that all have been answered, sync(), waits in ->sync_fs().
 */
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/writeback.h>
#include "fs/fs.h"

/* One that is under way, or in ferry_inode.times_next; its inode is pinned. */
struct times {
	struct ferry_args	args;
	struct fuse_setattr_in	in;
	struct fuse_attr_out	out;
	struct inode		*inode;
	struct ferry_file	*file;
	unsigned int		epoch;
};

void ferry_times_init(struct ferry_times *t)
{
	spin_lock_init(&t->lock);
	mutex_init(&t->sync_lock);
	init_waitqueue_head(&t->wait);
}

/* ->dirty_inode: the times have changed, and are marked so by the VFS next. */
void ferry_dirty_inode(struct inode *inode, int flags)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	if (!ferry_owns_times(inode))
		return;
	smp_mb();	/* pairs with take(): who takes the mark sees the times */
	if (!test_bit(FERRY_I_TIMES, &fi->flags))
		set_bit(FERRY_I_TIMES, &fi->flags);
}

/*
 * A WRITE has ended, or what is like one; @last: and no other of pages is under way.
 *
 * A server may have taken the time of it for the file's, and told that to who has asked since.
 * Where times are ours it is to be told them after its last WRITE: those that went beside it, or
 * before it, do not count.
 */
void ferry_times_wrote(struct inode *inode, bool last)
{
	if (!ferry_owns_times(inode)) {
		ferry_attr_modified(inode, STATX_BLOCKS | STATX_MTIME | STATX_CTIME);
		return;
	}
	ferry_attr_modified(inode, STATX_BLOCKS);
	if (last)
		mark_inode_dirty_sync(inode);
}

bool ferry_times_pending(struct inode *inode)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	return ferry_owns_times(inode) && !ferry_is_bad(inode) &&
	       (test_bit(FERRY_I_TIMES, &fi->flags) || test_bit(FERRY_I_TIMES_BUSY, &fi->flags));
}

/* What the server is to be told, and through which file, a reference or NULL; false: nothing */
static bool take(struct inode *inode, struct fuse_setattr_in *in, struct ferry_file **file)
{
	struct timespec64 mtime, ctime;

	*file = NULL;
	if (ferry_is_bad(inode) ||
	    !test_and_clear_bit(FERRY_I_TIMES, &ferry_inode_of(inode)->flags))
		return false;
	mtime = inode_get_mtime(inode);
	ctime = inode_get_ctime(inode);
	*in = (struct fuse_setattr_in){
		.valid = FATTR_MTIME | FATTR_CTIME,
		.mtime = mtime.tv_sec, .mtimensec = mtime.tv_nsec,
		.ctime = ctime.tv_sec, .ctimensec = ctime.tv_nsec,
	};
	*file = ferry_file_for_write(inode);
	if (*file) {
		in->valid |= FATTR_FH;
		in->fh = (*file)->fh;
	}
	return true;
}

/* The VFS has taken its mark off, or will, and nobody else knows these times. */
static void again_if_late(struct inode *inode, int err)
{
	if (err == -EINTR || err == -ETIMEDOUT)
		mark_inode_dirty_sync(inode);
}

int ferry_times_lock(struct inode *inode)
{
	return wait_on_bit_lock(&ferry_inode_of(inode)->flags, FERRY_I_TIMES_BUSY,
				TASK_KILLABLE | TASK_FREEZABLE_UNSAFE);
}

static void times_send(struct times *t);

void ferry_times_unlock(struct inode *inode)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct times *next;

	spin_lock(&fi->lock);
	next = fi->times_next;
	fi->times_next = NULL;
	if (!next)
		clear_bit_unlock(FERRY_I_TIMES_BUSY, &fi->flags);
	spin_unlock(&fi->lock);
	if (next) {
		times_send(next);
		return;
	}
	smp_mb__after_atomic();		/* as wake_up_bit() wants it */
	wake_up_bit(&fi->flags, FERRY_I_TIMES_BUSY);
}

/* Tell the server, and wait for the answer. */
static int write_now(struct inode *inode)
{
	struct fuse_setattr_in in;
	struct fuse_attr_out out;
	struct ferry_file *file;
	int err = ferry_times_lock(inode);

	if (err)
		return err;
	if (take(inode, &in, &file)) {
		err = ferry_setattr_send(inode, &in, &out);
		if (file)
			ferry_file_put(file);
		again_if_late(inode, err);
	}
	ferry_times_unlock(inode);
	return err;
}

/**
 * ferry_times_write() - the server is to know the times, when this returns
 * @inode: with a reference
 *
 * Pages that are on their way go first: a server may take the time when they come for the file's.
 *
 * Return: 0, -EINTR: killed, or what the server said
 */
int ferry_times_write(struct inode *inode)
{
	int err;

	if (inode_state_read_once(inode) & I_DIRTY_TIME)
		mark_inode_dirty_sync(inode);
	if (!ferry_times_pending(inode))
		return 0;
	err = ferry_wait_writes(inode->i_mapping) ?: write_now(inode);
	/* The VFS may take its mark off, if nobody is about to. */
	if (!err)
		sync_inode_metadata(inode, 0);
	return err;
}

/* For sync(): those that began before it asked have another number than those after that. */
static unsigned int epoch_enter(struct ferry_times *ft)
{
	unsigned int epoch;

	spin_lock(&ft->lock);
	epoch = ft->epoch;
	ft->under_way[epoch]++;
	spin_unlock(&ft->lock);
	return epoch;
}

static void epoch_leave(struct ferry_times *ft, unsigned int epoch)
{
	spin_lock(&ft->lock);
	if (!--ft->under_way[epoch])
		wake_up_all(&ft->wait);
	spin_unlock(&ft->lock);
}

/* With the pin the inode may go, and the mount with it. */
static void times_free(struct times *t)
{
	epoch_leave(&ferry_mount_of(t->inode)->times, t->epoch);
	ferry_inode_unpin(t->inode);
	kfree(t);
}

static void times_end(struct ferry_args *args, int err)
{
	struct times *t = container_of(args, struct times, args);
	struct inode *inode = t->inode;

	if (!err)
		err = ferry_setattr_check(inode, &t->out);
	if (err) {
		/* Whoever writes or syncs the file next tries again, and is told. */
		set_bit(FERRY_I_TIMES, &ferry_inode_of(inode)->flags);
		again_if_late(inode, err);
	}
	if (t->file)
		ferry_file_put(t->file);
	ferry_times_unlock(inode);
	times_free(t);
}

/* We are busy, and not any more when it has been answered. */
static void times_send(struct times *t)
{
	struct inode *inode = t->inode;
	struct ferry_args *args = &t->args;

	if (!take(inode, &t->in, &t->file)) {
		ferry_times_unlock(inode);
		times_free(t);
		return;
	}
	ferry_args_init(args, FUSE_SETATTR, ferry_inode_of(inode)->node);
	ferry_args_in(args, &t->in, sizeof(t->in));
	ferry_args_out(args, &t->out, sizeof(t->out));
	args->flags = FERRY_ARGS_NO_CRED;
	args->end = times_end;
	ferry_submit(ferry_mount_of(inode)->chan, args);
}

/* ->write_inode */
int ferry_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	struct ferry_inode *fi = ferry_inode_of(inode);
	struct ferry_mount *m = ferry_mount_of(inode);
	struct times *t;
	bool busy, one;

	if (!ferry_times_pending(inode))
		return 0;
	if (!ferry_inode_pin(inode)) {
		/* Without a name nobody will ask for them; at umount nobody else waits. */
		if (inode_state_read_once(inode) & I_FREEING)
			return 0;
		return ferry_wait_writes(inode->i_mapping) ?: write_now(inode);
	}
	t = kmalloc(sizeof(*t), GFP_NOFS | __GFP_NOWARN);
	if (!t) {
		mark_inode_dirty_sync(inode);
		ferry_inode_unpin(inode);
		return -ENOMEM;
	}
	t->inode = inode;
	t->epoch = epoch_enter(&m->times);

	spin_lock(&fi->lock);
	busy = test_and_set_bit(FERRY_I_TIMES_BUSY, &fi->flags);
	one = busy && !fi->times_next;
	if (one)
		fi->times_next = t;
	spin_unlock(&fi->lock);
	if (!busy)
		times_send(t);
	else if (!one)
		times_free(t);	/* it is older, and will tell what there is by then */
	return 0;
}

/* ->sync_fs: what ->write_inode() submitted before has been answered. */
int ferry_sync_fs(struct super_block *sb, int wait)
{
	struct ferry_times *ft = &((struct ferry_mount *)sb->s_fs_info)->times;
	unsigned int old;
	int err;

	if (!wait)
		return 0;
	err = mutex_lock_killable(&ft->sync_lock);
	if (err)
		return err;
	/* Where one before us was killed, what it waited for is still there. */
	err = wait_event_killable(ft->wait, !READ_ONCE(ft->under_way[!ft->epoch]));
	if (!err) {
		spin_lock(&ft->lock);
		old = ft->epoch;
		ft->epoch = !old;
		spin_unlock(&ft->lock);
		err = wait_event_killable(ft->wait, !READ_ONCE(ft->under_way[old]));
	}
	mutex_unlock(&ft->sync_lock);
	return err;
}
