// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that hold their inode.
 *
 * A submitted request has folios locked or under write-back, or will look at the inode when it
 * ends. Without a reference to it, whoever drops the last one of a file that has no name
 * any more would wait in evict() for the server, and could not be killed there. With it that
 * is left to a work item, when the answer has come.
 *
 * The VFS takes inodes that are held at umount for forgotten ones. So they are waited for
 * before it looks, and from then on none is held: those requests are waited for in evict().
 * Who waits may be who should answer: the server's own process, which could not even be killed
 * there, or one that ends with it. So the first wait, behind which little is left to wait for,
 * has an end.
 */
#include <linux/fdtable.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include "fs/fs.h"

/* While none of the requests ends that a process at its end waits for. */
#define EXIT_WAIT	(10 * HZ)

/* Not ferry_io_wq, which write-back waits for: evict() waits for write-back. */
static struct workqueue_struct *put_wq;

int ferry_pins_init(void)
{
	put_wq = alloc_workqueue("ferryfs_put", WQ_UNBOUND, 0);
	return put_wq ? 0 : -ENOMEM;
}

void ferry_pins_exit(void)
{
	destroy_workqueue(put_wq);
}

/* With the last one the mount may go. */
static void drop(struct ferry_mount *m)
{
	if (atomic_dec_and_test(&m->pins))
		wake_up_var(&m->pins);
}

/**
 * ferry_inode_pin() - hold an inode for a request
 * @inode: that exists now, though maybe nobody else has a reference
 * Return: false: it is going away, or its mount is
 */
bool ferry_inode_pin(struct inode *inode)
{
	struct ferry_mount *m = ferry_mount_of(inode);

	atomic_inc(&m->pins);
	smp_mb__after_atomic();		/* pairs with ferry_pins_end() */
	if (likely(!READ_ONCE(m->closing) && igrab(inode)))
		return true;
	drop(m);
	return false;
}

static void put_work(struct work_struct *work)
{
	struct inode *inode = &container_of(work, struct ferry_inode, put)->inode;
	struct ferry_mount *m = ferry_mount_of(inode);

	iput(inode);
	drop(m);
}

/**
 * ferry_inode_unpin() - its request has ended
 * @inode: may be gone afterwards, and the mount with it
 * Context: any that may sleep; evicts nothing, which a server's thread and the flusher must not
 */
void ferry_inode_unpin(struct inode *inode)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	struct ferry_inode *fi = ferry_inode_of(inode);

	if (likely(atomic_add_unless(&inode->i_count, -1, 1))) {
		drop(m);
		return;
	}
	/* Ours is the last one: whoever takes another meanwhile will not find that. */
	INIT_WORK(&fi->put, put_work);
	queue_work(put_wq, &fi->put);
}

static int is_device(const void *fops, struct file *file, unsigned int fd)
{
	return file->f_op == fops;
}

/* A process at its end: as long as requests end */
static bool wait_exiting(struct ferry_mount *m)
{
	int left;

	do {
		left = atomic_read(&m->pins);
		if (wait_var_event_timeout(&m->pins, !atomic_read(&m->pins), EXIT_WAIT))
			return true;
	} while (atomic_read(&m->pins) < left);
	return false;
}

/**
 * ferry_pins_wait() - until no request holds an inode
 * @m: nobody can reach it any more
 * Return: false: there are some, and maybe nobody who would answer them: a server was killed,
 *	or a process that ends has seen none end for long. Another one that was killed has not
 *	waited either, but what it unmounts is still written.
 */
bool ferry_pins_wait(struct ferry_mount *m)
{
	if (current->flags & PF_EXITING)
		return wait_exiting(m);
	return !wait_var_event_killable(&m->pins, !atomic_read(&m->pins)) || !m->dev_fops ||
	       !iterate_fd(current->files, 0, is_device, m->dev_fops);
}

/* Of a mount that nobody can reach any more. */
void ferry_pins_end(struct ferry_mount *m)
{
	WRITE_ONCE(m->closing, true);
	smp_mb();			/* pairs with ferry_inode_pin() */
	wait_var_event(&m->pins, !atomic_read(&m->pins));
}
