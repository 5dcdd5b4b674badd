// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a channel does while it has no server: policy, the wait for the next one, and
 * the deadlines of requests that nobody answers.
 *
 * A detached channel is open: callers queue up as ever. When the last endpoint is
 * closed no thread of the dead server is inside the kernel any more (each of them held
 * its file), so what it had fetched can be queued again without asking anybody.
 */
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/pid.h>
#include <linux/workqueue.h>
#include "core/core.h"
#include "core/queue.h"

/* Deadlines end write-back that waits for its server: they must not wait for memory. */
static struct workqueue_struct *recover_wq;

int ferry_recover_begin(void)
{
	recover_wq = alloc_workqueue("ferry", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return recover_wq ? 0 : -ENOMEM;
}

void ferry_recover_exit(void)
{
	destroy_workqueue(recover_wq);
}

static void arm(struct ferry_chan *chan, struct delayed_work *work, unsigned long delay)
{
	ferry_chan_get(chan);
	if (!queue_delayed_work(recover_wq, work, delay))
		ferry_chan_put(chan);
}

static void disarm(struct ferry_chan *chan, struct delayed_work *work)
{
	if (cancel_delayed_work_sync(work))
		ferry_chan_put(chan);
}

static void grace_over(struct work_struct *work)
{
	struct ferry_chan *chan = container_of(work, struct ferry_chan, grace_work.work);
	bool over;

	mutex_lock(&chan->attach_lock);
	/* Pending: another server came and died while we waited; its time has just begun. */
	over = chan->detached && !delayed_work_pending(&chan->grace_work);
	if (over)
		WRITE_ONCE(chan->detached, false);
	mutex_unlock(&chan->attach_lock);
	if (over)
		ferry_chan_server_gone(chan);
	ferry_chan_put(chan);
}

static unsigned long expire_period(const struct ferry_chan *chan)
{
	return max_t(unsigned long, READ_ONCE(chan->timeout) * HZ / 4, HZ / 4);
}

/* Callers look at the clock themselves; submitted requests have nobody who does. */
static void expire(struct work_struct *work)
{
	struct ferry_chan *chan = container_of(work, struct ferry_chan, expire_work.work);
	u32 i;

	for (i = 0; i < chan->geo.nr_queues; i++)
		ferry_queue_expire(chan->queues[i]);
	mutex_lock(&chan->attach_lock);
	if (READ_ONCE(chan->timeout) && !ferry_chan_is_dead(chan))
		arm(chan, &chan->expire_work, expire_period(chan));
	mutex_unlock(&chan->attach_lock);
	ferry_chan_put(chan);
}

void ferry_recover_init(struct ferry_chan *chan)
{
	mutex_init(&chan->attach_lock);
	mutex_init(&chan->move_lock);
	INIT_DELAYED_WORK(&chan->grace_work, grace_over);
	INIT_DELAYED_WORK(&chan->expire_work, expire);
}

/*
 * A file in memory, with a reference; one of another kind could hold what holds the
 * channel. ERR_PTR: -EBADF, -EMEDIUMTYPE.
 */
struct file *ferry_recover_file(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (S_ISREG(file_inode(file)->i_mode) &&
	    file_inode(file)->i_sb->s_magic == TMPFS_MAGIC)
		return file;
	fput(file);
	return ERR_PTR(-EMEDIUMTYPE);
}

/*
 * Take over @setup's policy and memory file; before anybody else knows @chan. Return: 0;
 * -EINVAL: out of range; or as ferry_recover_file().
 */
int ferry_recover_setup(struct ferry_chan *chan, const struct ferry_setup *setup)
{
	struct file *file;

	if (setup->on_death > FERRY_DEATH_REISSUE || setup->timeout > FERRY_TIMEOUT_MAX ||
	    setup->grace > FERRY_GRACE_MAX ||
	    !setup->grace != (setup->on_death == FERRY_DEATH_FAIL) ||
	    (setup->on_death != FERRY_DEATH_FAIL && chan->flags & FERRY_CREATE_RW))
		return -EINVAL;
	chan->on_death = setup->on_death;
	chan->grace = setup->grace;
	chan->timeout = setup->timeout;
	if (setup->state_fd < 0)
		return 0;
	file = ferry_recover_file(setup->state_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	chan->state = file;
	return 0;
}

/* The gate opened: deadlines count from now on. It may have fallen again, and the client gone. */
void ferry_recover_start(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	if (chan->timeout && chan->queues && !ferry_chan_is_dead(chan))
		arm(chan, &chan->expire_work, expire_period(chan));
	mutex_unlock(&chan->attach_lock);
}

/*
 * The last endpoint is closed; under attach_lock, so that no server attaches before all
 * is in order for it. False: there will be no other server.
 */
bool ferry_recover_detach(struct ferry_chan *chan)
{
	int gate = smp_load_acquire(&chan->gate);
	u32 i;

	if (chan->dismissed) {
		wake_up_all(&chan->gate_wait);
		return true;
	}
	if (chan->on_death != FERRY_DEATH_REISSUE || !READ_ONCE(chan->client) ||
	    (gate != FERRY_GATE_OPEN && gate != FERRY_GATE_HOLD))
		return false;
	for (i = 0; i < chan->geo.nr_queues; i++)
		ferry_queue_reissue(chan->queues[i]);
	ferry_recover_await(chan);
	return true;
}

/* Wait for a server, but not for ever; under attach_lock. */
void ferry_recover_await(struct ferry_chan *chan)
{
	WRITE_ONCE(chan->detached, true);
	arm(chan, &chan->grace_work, chan->grace * HZ);
	ferry_event(chan, FERRY_EVENT_DETACHED);
}

/* What the channel keeps, with a reference; or NULL. */
struct file *ferry_recover_state(struct ferry_chan *chan)
{
	struct file *file;

	mutex_lock(&chan->attach_lock);
	file = chan->state ? get_file(chan->state) : NULL;
	mutex_unlock(&chan->attach_lock);
	return file;
}

/* @file, whose reference is taken over, is what the next server is given. */
void ferry_recover_keep(struct ferry_chan *chan, struct file *file)
{
	mutex_lock(&chan->attach_lock);
	swap(chan->state, file);
	mutex_unlock(&chan->attach_lock);
	if (file)
		fput(file);
}

/* A new server; under attach_lock. */
void ferry_recover_attach(struct ferry_chan *chan)
{
	struct pid *creator = get_pid(task_tgid(current));

	mutex_lock(&chan->client_lock);
	swap(chan->creator, creator);
	mutex_unlock(&chan->client_lock);
	put_pid(creator);
	WRITE_ONCE(chan->detached, false);
	ferry_event(chan, FERRY_EVENT_ATTACHED);
	/* If it runs already it waits for attach_lock, and finds nothing to do. */
	if (cancel_delayed_work(&chan->grace_work))
		ferry_chan_put(chan);
}

/* The gate has fallen for good, the client goes: nothing of ours runs afterwards. */
void ferry_recover_stop(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	WRITE_ONCE(chan->detached, false);
	mutex_unlock(&chan->attach_lock);
	disarm(chan, &chan->grace_work);
	disarm(chan, &chan->expire_work);
}

void ferry_recover_release(struct ferry_chan *chan)
{
	if (chan->state)
		fput(chan->state);
}
