// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that servers registered to back those of their clients: from FERRY_IOC_BACKING until
 * the client has the answer that names them. That may be long after their server's death: the
 * client was about to take it, or the answer is one that the next server finds and gives.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "core/core.h"
#include "core/queue.h"

static void backing_free(struct ferry_backing_file *b)
{
	fput(b->file);
	put_cred(b->cred);
	kfree(b);
}

static int ask_client(struct ferry_chan *chan, const struct file *file)
{
	int idx = srcu_read_lock(&chan->srcu), err = -ENOTCONN;
	void *client = ferry_chan_client(chan);

	if (client)
		err = chan->client_ops->may_back ? chan->client_ops->may_back(client, file) :
						   -EOPNOTSUPP;
	srcu_read_unlock(&chan->srcu, idx);
	return err;
}

/* Register @fd of the current task. Return: its number, or as FERRY_IOC_BACKING. */
int ferry_backing_add(struct ferry_chan *chan, int fd)
{
	struct ferry_backing_file *b;
	u32 max = clamp_t(unsigned long, rlimit(RLIMIT_NOFILE), 1, INT_MAX);
	int err;
	u32 id;

	b = kmalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	b->file = fget(fd);
	if (!b->file) {
		kfree(b);
		return -EBADF;
	}
	b->cred = get_current_cred();
	b->deaths = 0;
	err = -EINVAL;
	if (!S_ISREG(file_inode(b->file)->i_mode))
		goto free;
	err = -EBADF;
	if (!(b->file->f_mode & (FMODE_READ | FMODE_WRITE)))
		goto free;
	err = ask_client(chan, b->file);
	if (err)
		goto free;
	err = xa_alloc(&chan->backing, &id, b, XA_LIMIT(1, max), GFP_KERNEL_ACCOUNT);
	if (!err)
		return id;
	if (err == -EBUSY)
		err = -EMFILE;
free:
	backing_free(b);
	return err;
}

int ferry_backing_del(struct ferry_chan *chan, int id)
{
	struct ferry_backing_file *b = id > 0 ? xa_erase(&chan->backing, id) : NULL;

	if (!b)
		return -EINVAL;
	backing_free(b);
	return 0;
}

/* No server will come that could name one, or nobody is left whom it could tell. */
void ferry_backing_drop(struct ferry_chan *chan)
{
	struct ferry_backing_file *b;
	unsigned long id;

	xa_for_each(&chan->backing, id, b) {
		if (xa_cmpxchg(&chan->backing, id, b, NULL, 0) == b)
			backing_free(b);
	}
}

/*
 * A server has died and another will come; under attach_lock. What was executed for a request
 * is known to so many servers as the request is given to.
 */
void ferry_backing_age(struct ferry_chan *chan)
{
	struct ferry_backing_file *b;
	unsigned long id;

	xa_lock(&chan->backing);
	xa_for_each(&chan->backing, id, b) {
		if (++b->deaths < FERRY_AGAIN_MAX)
			continue;
		__xa_erase(&chan->backing, id);
		backing_free(b);
	}
	xa_unlock(&chan->backing);
}

int ferry_chan_take_backing(struct ferry_chan *chan, int id, struct ferry_backing_file *out)
{
	struct ferry_backing_file *b = id > 0 ? xa_erase(&chan->backing, id) : NULL;

	if (!b)
		return -EINVAL;
	*out = *b;
	kfree(b);
	return 0;
}
EXPORT_SYMBOL_GPL(ferry_chan_take_backing);
