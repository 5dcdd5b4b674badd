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

static void arm(struct ferry_chan *chan, struct delayed_work *work, unsigned long delay)
{
	ferry_chan_get(chan);
	if (!schedule_delayed_work(work, delay))
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
	over = chan->detached;
	chan->detached = false;
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
	INIT_DELAYED_WORK(&chan->grace_work, grace_over);
	INIT_DELAYED_WORK(&chan->expire_work, expire);
}

/*
 * Take over @setup's policy and memory file; before anybody else knows @chan. Return: 0, -EINVAL: out of range,
 * -EBADF, -EMEDIUMTYPE: @setup->state_fd is no file, or none in memory. A file of
 * another kind could hold a reference to what holds the channel.
 */
int ferry_recover_setup(struct ferry_chan *chan, const struct ferry_setup *setup)
{
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
	chan->state = fget(setup->state_fd);
	if (!chan->state)
		return -EBADF;
	if (!S_ISREG(file_inode(chan->state)->i_mode) ||
	    file_inode(chan->state)->i_sb->s_magic != TMPFS_MAGIC)
		return -EMEDIUMTYPE;	/* and the last put drops it */
	return 0;
}

/* The gate opened: deadlines count from now on. */
void ferry_recover_start(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	if (chan->timeout && chan->queues)
		arm(chan, &chan->expire_work, expire_period(chan));
	mutex_unlock(&chan->attach_lock);
}

/*
 * The last endpoint is closed; under attach_lock, so that no server attaches before all
 * is in order for it. False: there will be no other server.
 */
bool ferry_recover_detach(struct ferry_chan *chan)
{
	u32 i;

	if (chan->on_death != FERRY_DEATH_REISSUE || !READ_ONCE(chan->client) ||
	    smp_load_acquire(&chan->gate) != FERRY_GATE_OPEN)
		return false;
	WRITE_ONCE(chan->detached, true);
	for (i = 0; i < chan->geo.nr_queues; i++)
		ferry_queue_reissue(chan->queues[i]);
	arm(chan, &chan->grace_work, chan->grace * HZ);
	return true;
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
