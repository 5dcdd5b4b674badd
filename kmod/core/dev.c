// SPDX-License-Identifier: GPL-2.0-only
/* /dev/ferry: the server's side of the line. The contract is in uapi/linux/ferry.h. */
#include <linux/compat.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fuse.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include "compat/core.h"
#include "compat/uring.h"
#include "core/queue.h"

#define MIN_READ	8192

#define CREATE_STYLES	(FERRY_CREATE_RW | FERRY_CREATE_POLL | FERRY_CREATE_URING)

/**
 * struct ferry_endpoint - file->private_data of an open /dev/ferry
 * @lock: guards the step from no channel to one
 * @chan: what it serves, with a reference; set once, with release
 * @queue: where it looks first; set before @chan
 */
struct ferry_endpoint {
	struct mutex		lock;
	struct ferry_chan	*chan;
	struct ferry_queue	*queue;
};

static const struct file_operations dev_fops;

static struct ferry_chan *endpoint_chan(struct file *file)
{
	struct ferry_endpoint *ep = file->private_data;

	return smp_load_acquire(&ep->chan);
}

/*
 * May the current task take a dead server's place, and go on with what it has left, @state?
 * Under attach_lock: another may have been and gone since either was asked for.
 */
static int check_next(const struct ferry_chan *chan, const struct file *state)
{
	if (chan->endpoints || chan->state != state)
		return -EBUSY;
	if (!chan->detached || ferry_chan_is_dead(chan))
		return -ENOTCONN;
	return ferry_recover_may_follow(chan) ? 0 : -EPERM;
}

/*
 * Make @ep an endpoint of @chan, whose reference it takes over on success. @next: of a
 * server that takes the place of a dead one, with @state.
 */
static int endpoint_set(struct ferry_endpoint *ep, struct ferry_chan *chan, u32 queue,
			bool next, const struct file *state)
{
	int err;

	mutex_lock(&ep->lock);
	mutex_lock(&chan->attach_lock);
	err = ep->chan ? -EBUSY : next ? check_next(chan, state) : 0;
	if (!err) {
		WRITE_ONCE(chan->endpoints, chan->endpoints + 1);
		ep->queue = chan->queues[queue];
		smp_store_release(&ep->chan, chan);
		if (next)
			ferry_recover_attach(chan);
	}
	mutex_unlock(&chan->attach_lock);
	mutex_unlock(&ep->lock);
	return err;
}

static int dev_open(struct inode *inode, struct file *file)
{
	struct ferry_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->lock);
	file->private_data = ep;
	return stream_open(inode, file);
}

static int dev_release(struct inode *inode, struct file *file)
{
	struct ferry_endpoint *ep = file->private_data;
	struct ferry_chan *chan = ep->chan;
	bool last, gone;

	if (chan) {
		mutex_lock(&chan->attach_lock);
		WRITE_ONCE(chan->endpoints, chan->endpoints - 1);
		last = chan->endpoints == 0;
		gone = last && !ferry_recover_detach(chan);
		mutex_unlock(&chan->attach_lock);
		if (gone)
			ferry_chan_server_gone(chan);
		ferry_chan_put(chan);
	}
	kfree(ep);
	return 0;
}

static int check_setup(struct ferry_setup *setup, struct ferry_setup __user *arg)
{
	if (copy_from_user(setup, arg, sizeof(*setup)))
		return -EFAULT;
	if (setup->size != sizeof(*setup) || setup->abi != FERRY_ABI) {
		/* Tell the other side what it would have to be; abi never moves. */
		if (put_user(FERRY_ABI, &arg->abi))
			return -EFAULT;
		return -EPROTO;
	}
	return setup->reserved ? -EINVAL : 0;
}

static int return_setup(struct ferry_setup *setup, void __user *arg,
			const struct ferry_chan *chan)
{
	setup->class = chan->class;
	setup->flags = chan->flags;
	setup->id = chan->id;
	setup->geo = chan->geo;
	setup->on_death = chan->on_death;
	setup->grace = chan->grace;
	setup->timeout = chan->timeout;
	strscpy_pad(setup->name, chan->name, sizeof(setup->name));
	return copy_to_user(arg, setup, sizeof(*setup)) ? -EFAULT : 0;
}

static bool name_ok(const char *name, size_t size)
{
	size_t len = strnlen(name, size);
	size_t i;

	for (i = 0; i < len; i++) {
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("-_.", name[i])))
			return false;
	}
	return len > 0 && len < size;
}

static long dev_create(struct file *file, void __user *arg)
{
	struct ferry_setup setup;
	struct ferry_chan *chan;
	int err;

	err = check_setup(&setup, arg);
	if (err)
		return err;
	if ((setup.class != FERRY_CLASS_FS && setup.class != FERRY_CLASS_BLOCK) ||
	    setup.flags & ~CREATE_STYLES || hweight32(setup.flags & CREATE_STYLES) > 1 ||
	    !name_ok(setup.name, sizeof(setup.name)))
		return -EINVAL;
	chan = ferry_daemon_chan(setup.class, setup.name, setup.flags, &setup.geo);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	err = ferry_recover_setup(chan, &setup);
	if (!err)
		err = return_setup(&setup, arg, chan);
	if (!err) {
		ferry_chan_publish(chan);
		err = endpoint_set(file->private_data, chan, 0, false, NULL);
	}
	if (err)
		ferry_chan_put(chan);
	return err;
}

/* A server that takes the place of a dead one. */
static long attach_next(struct file *file, struct ferry_setup *setup, void __user *arg)
{
	const u32 spins = FERRY_CREATE_POLL | FERRY_CREATE_URING;
	struct ferry_chan *chan = ferry_chan_by_id(setup->id);
	u32 style = setup->flags;
	struct file *state;
	int err;

	/* Who may not have it is not told that it is there. */
	if (!chan || (!uid_eq(current_euid(), chan->owner) && !capable(CAP_SYS_ADMIN))) {
		err = -ENOENT;
		goto put_chan;
	}
	err = -EPERM;
	if (!ferry_recover_may_follow(chan))
		goto put_chan;
	err = -EINVAL;
	if (ferry_chan_is_local(chan) || setup->queue >= chan->geo.nr_queues ||
	    style & ~spins || style == spins)
		goto put_chan;
	state = ferry_recover_state(chan);
	setup->state_fd = state ? get_unused_fd_flags(O_CLOEXEC) : -1;
	if (state && setup->state_fd < 0) {
		err = setup->state_fd;
		goto put_state;
	}
	err = return_setup(setup, arg, chan);
	if (!err)
		err = endpoint_set(file->private_data, chan, setup->queue, true, state);
	if (err)
		goto put_fd;
	/* Nobody else has attached: it is the only server. For lists. */
	WRITE_ONCE(chan->flags, (chan->flags & ~spins) | style);
	if (state)
		fd_install(setup->state_fd, state);
	return 0;
put_fd:
	if (state)
		put_unused_fd(setup->state_fd);
put_state:
	if (state)
		fput(state);
put_chan:
	if (chan)
		ferry_chan_put(chan);
	return err;
}

static long dev_attach(struct file *file, void __user *arg)
{
	struct ferry_setup setup;
	struct ferry_chan *chan = NULL;
	struct file *other;
	int err;

	err = check_setup(&setup, arg);
	if (err)
		return err;
	if (setup.fd == -1)
		return attach_next(file, &setup, arg);
	setup.state_fd = -1;
	other = fget(setup.fd);
	if (!other)
		return -EBADF;
	if (other->f_op == &dev_fops)
		chan = endpoint_chan(other);
	err = -EINVAL;
	if (!chan || setup.queue >= chan->geo.nr_queues)
		goto put_file;
	err = return_setup(&setup, arg, chan);
	if (err)
		goto put_file;
	/* Before it can do anything there. @other holds a reference meanwhile. */
	ferry_recover_vet(chan);
	ferry_chan_get(chan);
	err = endpoint_set(file->private_data, chan, setup.queue, false, NULL);
	if (err)
		ferry_chan_put(chan);
put_file:
	fput(other);
	return err;
}

/* A server gives its channel another file to keep, or none, or what it was asked to save. */
static long keep(struct file *file, const struct ferry_move *move)
{
	struct ferry_chan *chan = endpoint_chan(file);
	struct file *state;

	if (!chan)
		return -ENOTCONN;
	if (move->id || (move->to == FERRY_MOVE_LAST && move->fd != -1))
		return -EINVAL;
	state = move->fd == -1 ? NULL : ferry_recover_file(move->fd);
	if (IS_ERR(state))
		return PTR_ERR(state);
	/* It may have given up rights since it came. */
	ferry_recover_vet(chan);
	if (move->to == FERRY_MOVE_SAVED)
		return ferry_recover_saved(chan, state);
	ferry_recover_keep(chan, state);
	if (move->to == FERRY_MOVE_LAST)
		ferry_recover_last(chan);
	return 0;
}

static long dev_move(struct file *file, void __user *arg)
{
	struct ferry_move move;
	struct ferry_chan *chan;
	struct file *stream;
	int err;

	if (copy_from_user(&move, arg, sizeof(move)))
		return -EFAULT;
	if (move.size != sizeof(move) || move.to > FERRY_MOVE_LAST)
		return -EINVAL;
	if (move.to != FERRY_MOVE_KERNEL && move.to != FERRY_MOVE_USER)
		return keep(file, &move);
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	chan = ferry_chan_by_id(move.id);
	if (!chan)
		return -ENOENT;
	stream = ferry_recover_file(move.fd);
	err = PTR_ERR_OR_ZERO(stream);
	if (!err) {
		err = ferry_chan_move(chan, move.to, stream, &move.held_ns);
		fput(stream);
	}
	ferry_chan_put(chan);
	if (!err && copy_to_user(arg, &move, sizeof(move)))
		err = -EFAULT;
	return err;
}

/* Check the argument of FERRY_IOC_SYNC, and do what it says of an answer. */
static __always_inline int answer(struct ferry_chan *chan, unsigned long arg)
{
	struct ferry_reply reply;
	struct ferry_slot *slot;

	if (unlikely(!chan))
		return -ENOTCONN;
	if (unlikely(chan->flags & FERRY_CREATE_RW))
		return -EOPNOTSUPP;
	if (unlikely(arg & ~(FERRY_SYNC_TAG | FERRY_SYNC_REPLY | FERRY_SYNC_WAIT |
			     FERRY_SYNC_POLL | FERRY_SYNC_KICK)))
		return -EINVAL;
	if (!(arg & (FERRY_SYNC_REPLY | FERRY_SYNC_KICK))) {
		if (unlikely(READ_ONCE(chan->recovering)))
			ferry_recover_over(chan);
		return 0;
	}
	slot = ferry_slot_by_tag(chan, arg & FERRY_SYNC_TAG);
	if (unlikely(!slot))
		return -EINVAL;
	if (arg & FERRY_SYNC_KICK)
		return ferry_slot_kick(slot);
	ferry_ring_read_reply(slot, &reply);
	return ferry_slot_answer(slot, &reply);
}

static long dev_sync(struct file *file, unsigned long arg)
{
	struct ferry_endpoint *ep = file->private_data;
	struct ferry_slot *slot;
	int err;

	err = answer(endpoint_chan(file), arg);
	if (unlikely(err) || !(arg & (FERRY_SYNC_WAIT | FERRY_SYNC_POLL)))
		return err;
	slot = ferry_queue_fetch(ep->queue, arg & FERRY_SYNC_WAIT);
	return IS_ERR(slot) ? PTR_ERR(slot) : slot->tag;
}

static ssize_t xfer_memory(struct ferry_slot *slot, const struct ferry_xfer *xfer, bool pull)
{
	struct iovec stack[UIO_FASTIOV], *iov = stack;
	struct iov_iter iter;
	ssize_t ret;

	if (xfer->fd || xfer->pos || xfer->len)
		return -EINVAL;
	ret = import_iovec(pull ? ITER_DEST : ITER_SOURCE, u64_to_user_ptr(xfer->iov),
			   xfer->nr_iov, ARRAY_SIZE(stack), &iov, &iter);
	if (ret < 0)
		return ret;
	ret = pull ? ferry_copy_pull(slot, xfer->offset, &iter) :
		     ferry_copy_push(slot, xfer->offset, &iter);
	kfree(iov);
	return ret;
}

static ssize_t xfer_file(struct ferry_slot *slot, const struct ferry_xfer *xfer, bool pull)
{
	struct file *file;
	ssize_t ret;

	if (xfer->iov || xfer->nr_iov || xfer->pos > S64_MAX)
		return -EINVAL;
	file = fget(xfer->fd);
	if (!file)
		return -EBADF;
	ret = ferry_transfer(slot, xfer->offset, file, xfer->pos, xfer->len, pull);
	fput(file);
	return ret;
}

/* FERRY_IOC_SYNC as a command: its result, or -EIOCBQUEUED: it is completed later. */
static int sync_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ferry_endpoint *ep = cmd->file->private_data;
	const u64 *data = ferry_cmd_data(cmd);
	struct ferry_slot *slot;
	u64 arg;
	int err;

	if (unlikely(cmd->cmd_op != FERRY_IOC_SYNC))
		return -ENOTTY;
	arg = READ_ONCE(data[0]);
	if (unlikely(READ_ONCE(data[1]) || arg > U32_MAX))
		return -EINVAL;
	/*
	 * What follows could not know the tag. And 6.1 cannot cancel a command, so a task that
	 * exits and has one of io_uring's own files behind it would go round without ever
	 * scheduling until ferry_queue.watch sees to it, which wants that processor.
	 */
	if (unlikely(arg & FERRY_SYNC_WAIT && ferry_cmd_leads(cmd)))
		return -EINVAL;
	err = answer(endpoint_chan(cmd->file), arg);
	if (unlikely(err))
		return err;
	if (likely(arg & FERRY_SYNC_WAIT))
		return ferry_uring_fetch(cmd, ep->queue, issue_flags);
	if (!(arg & FERRY_SYNC_POLL))
		return 0;
	slot = ferry_queue_fetch(ep->queue, false);
	return IS_ERR(slot) ? PTR_ERR(slot) : slot->tag;
}

/*
 * A result is not returned but completed: -EAGAIN would mean, try again in a thread that may
 * sleep; and in such a thread (IOSQE_ASYNC) 6.1 forgets a command that returns more than 0,
 * which then keeps its ring and our file for ever.
 */
static int dev_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ferry_endpoint *ep = cmd->file->private_data;
	int ret;

	if (unlikely(issue_flags & FERRY_CMD_CANCEL)) {
		ferry_uring_cancel(cmd, ep->queue, issue_flags);
		return 0;
	}
	ret = sync_cmd(cmd, issue_flags);
	if (ret != -EIOCBQUEUED)
		ferry_cmd_done(cmd, ret, issue_flags);
	return -EIOCBQUEUED;
}

/* On each close(): also where io_uring's commands keep the file from its release. */
static int dev_flush(struct file *file, fl_owner_t files)
{
	struct ferry_endpoint *ep = file->private_data;

	if (endpoint_chan(file))
		ferry_uring_flush(ep->queue, file, files);
	return 0;
}

static long dev_xfer(struct file *file, const void __user *arg)
{
	struct ferry_chan *chan = endpoint_chan(file);
	struct ferry_xfer xfer;
	struct ferry_slot *slot;
	u32 way;

	if (!chan)
		return -ENOTCONN;
	if (chan->flags & FERRY_CREATE_RW)
		return -EOPNOTSUPP;
	if (copy_from_user(&xfer, arg, sizeof(xfer)))
		return -EFAULT;
	way = xfer.flags & ~FERRY_XFER_FD;
	if (way != FERRY_XFER_PULL && way != FERRY_XFER_PUSH)
		return -EINVAL;
	slot = ferry_slot_by_tag(chan, xfer.tag);
	if (!slot || xfer.offset > S64_MAX - MAX_RW_COUNT)
		return -EINVAL;
	if (xfer.flags & FERRY_XFER_FD)
		return xfer_file(slot, &xfer, way == FERRY_XFER_PULL);
	return xfer_memory(slot, &xfer, way == FERRY_XFER_PULL);
}

static long dev_backing(struct file *file, void __user *arg)
{
	struct ferry_chan *chan = endpoint_chan(file);
	struct ferry_backing backing;
	int id;

	if (!chan)
		return -ENOTCONN;
	if (copy_from_user(&backing, arg, sizeof(backing)))
		return -EFAULT;
	if (backing.fd == -1)
		return ferry_backing_del(chan, backing.id);
	id = ferry_backing_add(chan, backing.fd);
	if (id < 0)
		return id;
	backing.id = id;
	if (!copy_to_user(arg, &backing, sizeof(backing)))
		return 0;
	ferry_backing_del(chan, id);
	return -EFAULT;
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case FERRY_IOC_SYNC:
		return dev_sync(file, arg);
	case FERRY_IOC_XFER:
		return dev_xfer(file, argp);
	case FERRY_IOC_BACKING:
		return dev_backing(file, argp);
	case FERRY_IOC_CREATE:
		return dev_create(file, argp);
	case FERRY_IOC_ATTACH:
		return dev_attach(file, argp);
	case FERRY_IOC_MOVE:
		return dev_move(file, argp);
	default:
		return -ENOTTY;
	}
}

#ifdef CONFIG_COMPAT
/* The structs are the same for 32-bit servers, and import_iovec() knows its caller. */
static long dev_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dev_ioctl(file, cmd, cmd == FERRY_IOC_SYNC ? (u32)arg :
			 (unsigned long)compat_ptr(arg));
}
#endif

static int dev_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ferry_chan *chan = endpoint_chan(file);
	unsigned long pages, index, i;
	void *mem;

	if (!chan)
		return -ENOTCONN;
	if (chan->flags & FERRY_CREATE_RW)
		return -EOPNOTSUPP;
	pages = chan->geo.queue_size >> PAGE_SHIFT;
	index = vma->vm_pgoff / pages;
	if (vma->vm_pgoff % pages || index >= chan->geo.nr_queues ||
	    vma_pages(vma) != pages || !(vma->vm_flags & VM_SHARED) ||
	    vma->vm_flags & VM_EXEC)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vm_flags_clear(vma, VM_MAYEXEC);
	mem = chan->queues[index]->mem;
	for (i = 0; i < pages; i++) {
		int err = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
					 vmalloc_to_page(mem + i * PAGE_SIZE));

		if (err)
			return err;
	}
	return 0;
}

static int enter_rw(struct file *file, struct ferry_chan **chan)
{
	*chan = endpoint_chan(file);
	if (!*chan)
		return -ENOTCONN;
	return (*chan)->flags & FERRY_CREATE_RW ? 0 : -EOPNOTSUPP;
}

/* A message has been fetched that its reader cannot take: it fails. */
static ssize_t refuse(struct ferry_slot *slot, int err)
{
	struct ferry_reply reply = { .error = -EIO };

	ferry_slot_answer(slot, &reply);
	return err;
}

static ssize_t dev_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	struct ferry_endpoint *ep = file->private_data;
	struct ferry_chan *chan;
	struct ferry_slot *slot;
	size_t data;
	ssize_t ret;

	ret = enter_rw(file, &chan);
	if (ret)
		return ret;
	if (iov_iter_count(to) < MIN_READ)
		return -EINVAL;

	for (;;) {
		slot = ferry_queue_fetch(ep->queue, !(file->f_flags & O_NONBLOCK) &&
					 !(iocb->ki_flags & IOCB_NOWAIT));
		if (IS_ERR(slot))
			return PTR_ERR(slot);
		data = slot->data_in;
		if (slot->req_len + data <= iov_iter_count(to))
			break;
		refuse(slot, 0);
	}

	if (copy_to_iter(ferry_ring_request(slot), slot->req_len, to) != slot->req_len)
		return refuse(slot, -EFAULT);
	if (data) {
		iov_iter_truncate(to, data);
		ret = ferry_copy_pull(slot, 0, to);
		/* -ENOENT: its caller has gone away, as /dev/fuse says it: read again. */
		if (ret != data)
			return refuse(slot, ret == -ENOENT ? -ENOENT : -EFAULT);
	}
	ret = slot->req_len + data;
	if (slot->no_reply) {
		struct ferry_reply reply = {};

		ferry_slot_answer(slot, &reply);
	}
	return ret;
}

/* The data of an answer whose caller has gone, if late() is to see it; NULL: not */
static void *take_late(const struct ferry_slot *slot, struct iov_iter *from, u32 *len)
{
	void *copy;

	*len = min_t(size_t, iov_iter_count(from), FERRY_LATE_DATA_MAX);
	if (!READ_ONCE(slot->late_data))
		return NULL;
	copy = kvmalloc(*len, GFP_KERNEL | __GFP_NOWARN);
	if (copy && !copy_from_iter_full(copy, *len, from)) {
		kvfree(copy);
		return NULL;
	}
	return copy;
}

static ssize_t dev_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct ferry_reply reply = {};
	struct iov_iter again;
	struct fuse_out_header head;
	struct ferry_chan *chan;
	struct ferry_slot *slot;
	size_t total = iov_iter_count(from);
	size_t data = 0;
	ssize_t ret;

	ret = enter_rw(iocb->ki_filp, &chan);
	if (ret)
		return ret;
	if (!copy_from_iter_full(&head, sizeof(head), from))
		return -EINVAL;
	/* Notifications (unique 0) are not spoken. */
	if (head.len != total || head.unique == 0)
		return -EINVAL;
	slot = ferry_slot_by_unique(chan, head.unique);
	if (!slot)
		return -ENOENT;

	reply.error = head.error;
	reply.rep_len = total - sizeof(head);
	if (slot->wants_data && !head.error) {
		data = reply.rep_len;
		reply.rep_len = 0;
	}
	if (reply.rep_len > chan->geo.rep_size)
		reply.rep_len = U32_MAX;	/* never fits: fail the request */
	else if (!copy_from_iter_full(ferry_ring_reply(slot), reply.rep_len, from))
		return -EFAULT;
	if (data) {
		again = *from;
		ret = ferry_copy_push(slot, 0, from);
		if (ret == -EFAULT)
			return ret;
		if (ret == -ENOENT) {
			/* ABANDONED: the slot must come back all the same */
			reply.late = take_late(slot, &again, &reply.late_len);
			if (!reply.late)
				reply.error = -EIO;
		} else if (ret != data) {
			reply.rep_len = U32_MAX;
		}
	}
	ret = ferry_slot_answer(slot, &reply);
	kvfree(reply.late);
	return ret ?: total;
}

static __poll_t dev_poll(struct file *file, poll_table *wait)
{
	struct ferry_endpoint *ep = file->private_data;
	struct ferry_chan *chan = endpoint_chan(file);
	__poll_t mask = EPOLLOUT | EPOLLWRNORM;
	u32 i;

	if (!chan)
		return EPOLLERR;
	/* What another queue's callers leave behind is ours to take as well. */
	for (i = 0; i < chan->geo.nr_queues; i++)
		poll_wait(file, &chan->queues[i]->poll_wait, wait);
	if (ferry_chan_is_dead(chan))
		mask |= EPOLLERR;
	else if (ferry_queue_has_work(ep->queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

static const struct file_operations dev_fops = {
	.owner		= THIS_MODULE,
	.open		= dev_open,
	.flush		= dev_flush,
	.release	= dev_release,
	.unlocked_ioctl	= dev_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl	= dev_compat_ioctl,
#endif
	.mmap		= dev_mmap,
	.read_iter	= dev_read,
	.write_iter	= dev_write,
	.poll		= dev_poll,
	.uring_cmd	= dev_uring_cmd,
};

static struct miscdevice dev = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "ferry",
	.mode		= 0600,
	.fops		= &dev_fops,
};

struct ferry_chan *ferry_chan_of_file(struct file *file, u32 class)
{
	static const struct ferry_geometry want = { .nr_queues = 1, .data_size = PAGE_SIZE };
	struct ferry_chan *chan;
	int err;

	if (file->f_op != &dev_fops)
		return ERR_PTR(-EINVAL);
	if (!endpoint_chan(file)) {
		chan = ferry_daemon_chan(class, "fuse", FERRY_CREATE_RW, &want);
		if (IS_ERR(chan))
			return chan;
		ferry_chan_publish(chan);
		err = endpoint_set(file->private_data, chan, 0, false, NULL);
		if (err)	/* somebody was faster: take theirs */
			ferry_chan_put(chan);
	}
	chan = endpoint_chan(file);
	if (chan->class != class)
		return ERR_PTR(-EINVAL);
	ferry_chan_get(chan);
	return chan;
}
EXPORT_SYMBOL_GPL(ferry_chan_of_file);

int ferry_dev_init(void)
{
	return misc_register(&dev);
}

void ferry_dev_exit(void)
{
	misc_deregister(&dev);
}
