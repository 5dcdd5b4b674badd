// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transfer: a request's data goes to or comes from a file of the server's, by the
 * server's own thread and with its credentials, without passing through its memory.
 *
 * The file may take any time, and it may depend on the very request (it is read through
 * another filesystem that lies on this mount, say). So nothing is held meanwhile but the
 * slot's state TRANSFER, in which the caller can be killed, and the pages themselves.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>
#include "compat/core.h"
#include "core/queue.h"

/* Does a file of the client instance itself come here? Then it would wait for us. */
static bool is_own(struct ferry_chan *chan, const struct file *file)
{
	int idx = srcu_read_lock(&chan->srcu);
	void *client = ferry_chan_client(chan);
	bool own = client && chan->client_ops->owns && chan->client_ops->owns(client, file);

	srcu_read_unlock(&chan->srcu, idx);
	return own;
}

static int check_file(struct ferry_chan *chan, const struct file *file, bool pull)
{
	umode_t mode = file_inode(file)->i_mode;

	if (!(file->f_mode & (pull ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (!S_ISREG(mode) && !S_ISBLK(mode))
		return -EINVAL;
	return is_own(chan, file) ? -ELOOP : 0;
}

/* All of @data, as far as the file goes. */
static ssize_t transfer_all(struct file *file, loff_t pos, struct iov_iter *data, bool pull)
{
	ssize_t done = 0, n = 0;

	while (iov_iter_count(data)) {
		n = pull ? ferry_iter_write(file, data, &pos) : vfs_iter_read(file, data, &pos, 0);
		if (n <= 0)
			break;
		done += n;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return done ?: n;
}

/**
 * ferry_transfer() - move a FETCHED request's data to or from a file
 * @slot: where it rides
 * @offset: where in the data
 * @file: a regular file or block device, open for that
 * @pos: where in @file
 * @len: bytes at most
 * @pull: to the file, otherwise from it
 * Return: bytes; or what FERRY_IOC_XFER says
 */
ssize_t ferry_transfer(struct ferry_slot *slot, u64 offset, struct file *file, loff_t pos, u64 len,
		   bool pull)
{
	struct iov_iter data;
	ssize_t ret;
	int err;

	err = check_file(slot->queue->chan, file, pull);
	if (err)
		return err;
	err = ferry_slot_transfer_begin(slot, offset, pull, &data);
	if (err)
		return err;
	iov_iter_truncate(&data, min_t(u64, len, MAX_RW_COUNT));
	ret = transfer_all(file, pos, &data, pull);
	err = ferry_slot_transfer_end(slot, pull ? 0 : max_t(ssize_t, ret, 0));
	return err ?: ret;
}
