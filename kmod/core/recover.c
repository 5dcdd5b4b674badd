// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a channel does while it has no server: policy, the wait for the next one, and
 * the deadlines of requests that nobody answers.
 *
 * A detached channel is open: callers queue up as ever. When the last endpoint is
 * closed no thread of the dead server is inside the kernel any more (each of them held
 * its file), so what it had fetched can be queued again without asking anybody.
 *
 * With on_death=kernel the next server is a process that we start. It attaches as any
 * other, which brings the dead one's last transaction to its end and answers what was
 * left: a request that killed a server does so once more out there, not in here. Then it
 * has the channel moved into the kernel. So nothing in here reads what a dead process left.
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/kmod.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/umh.h>
#include <linux/workqueue.h>
#include "core/core.h"
#include "core/queue.h"

/* Deadlines end write-back that waits for its server: they must not wait for memory. */
static struct workqueue_struct *recover_wq;

/* What takes memory, and as long as it takes: starting a process, freeing a server. */
static struct workqueue_struct *slow_wq;

/* Who was started and has not attached after this is not waited for any more. */
#define RESCUE_AGAIN	(2 * HZ)

static char *rescue = "/usr/local/bin/ferry";
module_param(rescue, charp, 0644);
MODULE_PARM_DESC(rescue, "the command ferry, run where a server with on_death=kernel died");

int ferry_recover_begin(void)
{
	recover_wq = alloc_workqueue("ferry", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	slow_wq = alloc_workqueue("ferry_slow", WQ_UNBOUND, 0);
	if (recover_wq && slow_wq)
		return 0;
	ferry_recover_exit();
	return -ENOMEM;
}

void ferry_recover_exit(void)
{
	if (slow_wq)
		destroy_workqueue(slow_wq);
	if (recover_wq)
		destroy_workqueue(recover_wq);
}

/* Whether it is armed already or not: @delay counts from now. */
static void arm_on(struct workqueue_struct *wq, struct ferry_chan *chan,
		   struct delayed_work *work, unsigned long delay)
{
	ferry_chan_get(chan);
	if (mod_delayed_work(wq, work, delay))
		ferry_chan_put(chan);
}

static void arm(struct ferry_chan *chan, struct delayed_work *work, unsigned long delay)
{
	arm_on(recover_wq, chan, work, delay);
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

static int start_rescue(const struct ferry_chan *chan)
{
	static char *envp[] = { "HOME=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	char id[12];
	char *path;
	char *to = READ_ONCE(chan->kept_out) ? "user" : "kernel";
	char *argv[] = { NULL, "recover", "--to", to, id, NULL };
	int err;

	snprintf(id, sizeof(id), "%u", chan->id);
	kernel_param_lock(THIS_MODULE);
	path = kstrdup(rescue, GFP_KERNEL);
	kernel_param_unlock(THIS_MODULE);
	if (!path)
		return -ENOMEM;
	argv[0] = strim(path);	/* an echo's newline */
	err = call_usermodehelper(argv[0], argv, envp, UMH_WAIT_EXEC);
	if (err)
		pr_err_ratelimited("ferry: channel %u (%s): no server, and %s does not start: %d\n",
				   chan->id, chan->name, argv[0], err);
	kfree(path);
	return err;
}

/* Who was started last may have died, or there was no memory for it: again and again. */
static void do_rescue(struct work_struct *work)
{
	struct ferry_chan *chan = container_of(work, struct ferry_chan, rescue_work.work);

	if (READ_ONCE(chan->detached) && !ferry_chan_is_dead(chan))
		start_rescue(chan);
	mutex_lock(&chan->attach_lock);
	if (chan->detached && !ferry_chan_is_dead(chan) &&
	    !delayed_work_pending(&chan->rescue_work))
		arm_on(slow_wq, chan, &chan->rescue_work, RESCUE_AGAIN);
	mutex_unlock(&chan->attach_lock);
	ferry_chan_put(chan);
}

/* The next look at the clock, if there is anything to look for; under attach_lock. */
static void arm_expire(struct ferry_chan *chan)
{
	const u32 timeout = READ_ONCE(chan->timeout), stall = READ_ONCE(chan->stall);
	/* Pairs with set_ops() in move.c: queues, if it has any, are complete. */
	const struct ferry_deliver_ops *ops = smp_load_acquire(&chan->ops);
	unsigned long period = MAX_JIFFY_OFFSET;

	if (timeout)
		period = max_t(unsigned long, timeout * HZ / 4, HZ / 4);
	if (stall)	/* whenever the machine is awake anyhow */
		period = min(period, round_jiffies_relative(stall * HZ / 2));
	if ((timeout || stall) && ops == &ferry_daemon_ops && !ferry_chan_is_dead(chan))
		arm(chan, &chan->expire_work, period);
}

static void look_for_stall(struct ferry_chan *chan, unsigned long limit)
{
	bool stalled = false;
	u32 i;

	for (i = 0; !stalled && i < chan->geo.nr_queues; i++)
		stalled = ferry_queue_is_stalled(chan->queues[i], limit);
	if (stalled && !chan->is_stalled) {
		WRITE_ONCE(chan->stalls, chan->stalls + 1);
		ferry_event(chan, FERRY_EVENT_STALLED);
	}
	chan->is_stalled = stalled;
}

/* Callers look at the clock themselves; submitted requests have nobody who does. */
static void expire(struct work_struct *work)
{
	struct ferry_chan *chan = container_of(work, struct ferry_chan, expire_work.work);
	const u32 timeout = READ_ONCE(chan->timeout), stall = READ_ONCE(chan->stall);
	u32 i;

	for (i = 0; timeout && i < chan->geo.nr_queues; i++)
		ferry_queue_expire(chan->queues[i], timeout * HZ);
	if (stall && !READ_ONCE(chan->detached))
		look_for_stall(chan, stall * HZ);
	mutex_lock(&chan->attach_lock);
	arm_expire(chan);
	mutex_unlock(&chan->attach_lock);
	ferry_chan_put(chan);
}

/*
 * The current task serves @chan. A backend in the kernel opens what its arguments name, and
 * reads what was saved: root's word alone is not enough for those of somebody else.
 */
void ferry_recover_vet(struct ferry_chan *chan)
{
	if (!ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		WRITE_ONCE(chan->trusted, false);
}

/*
 * The next server lives in the memory that the last one left, and opens what its arguments
 * name. So it may be one of the same user; another, who may do more, only after such as may do
 * all.
 */
bool ferry_recover_may_follow(const struct ferry_chan *chan)
{
	return READ_ONCE(chan->trusted) || uid_eq(current_euid(), chan->owner);
}

void ferry_recover_init(struct ferry_chan *chan)
{
	chan->trusted = true;
	ferry_recover_vet(chan);
	mutex_init(&chan->attach_lock);
	mutex_init(&chan->move_lock);
	INIT_DELAYED_WORK(&chan->grace_work, grace_over);
	INIT_DELAYED_WORK(&chan->expire_work, expire);
	INIT_DELAYED_WORK(&chan->rescue_work, do_rescue);
}

/*
 * A file in memory that can be read and written, with a reference; one of another kind
 * could hold what holds the channel. ERR_PTR: -EBADF, -EMEDIUMTYPE.
 */
struct file *ferry_recover_file(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (!S_ISREG(file_inode(file)->i_mode) ||
	    file_inode(file)->i_sb->s_magic != TMPFS_MAGIC) {
		fput(file);
		return ERR_PTR(-EMEDIUMTYPE);
	}
	if (file->f_mode & FMODE_READ && file->f_mode & FMODE_WRITE)
		return file;
	fput(file);
	return ERR_PTR(-EBADF);
}

/*
 * Hold what will be needed when there is little left to ask. What a server saves is read by
 * the kernel: not everybody's is.
 */
static int find_understudy(struct ferry_chan *chan)
{
	struct module *owner;
	int err;

	if (!capable(CAP_SYS_ADMIN) || !READ_ONCE(chan->trusted))
		return -EPERM;
	err = ferry_local_can_load(chan, &owner);
	if (!err && cmpxchg(&chan->understudy, NULL, owner))
		module_put(owner);
	return err;
}

/*
 * Take over @setup's policy and memory file; before anybody else knows @chan. Return: 0;
 * -EINVAL: out of range; see enum ferry_death; or as ferry_recover_file().
 */
int ferry_recover_setup(struct ferry_chan *chan, const struct ferry_setup *setup)
{
	struct file *file;
	int err;

	if (setup->on_death > FERRY_DEATH_KERNEL || setup->timeout > FERRY_TIMEOUT_MAX ||
	    setup->grace > FERRY_GRACE_MAX ||
	    !setup->grace != (setup->on_death == FERRY_DEATH_FAIL) ||
	    (setup->on_death != FERRY_DEATH_FAIL && chan->flags & FERRY_CREATE_RW))
		return -EINVAL;
	if (setup->on_death == FERRY_DEATH_KERNEL) {
		err = find_understudy(chan);
		if (err)
			return err;
	}
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
	arm_expire(chan);
	mutex_unlock(&chan->attach_lock);
}

/* As settings of netlink.c; their ranges are checked. */

int ferry_recover_set_death(struct ferry_chan *chan, u32 on_death)
{
	int err = 0;

	/* Loads a module, maybe from what is mounted here: without the lock that a death needs. */
	if (on_death == FERRY_DEATH_KERNEL)
		err = find_understudy(chan);
	mutex_lock(&chan->attach_lock);
	if (!err && on_death != FERRY_DEATH_FAIL && !chan->grace)
		err = -EOPNOTSUPP;
	if (!err) {
		chan->on_death = on_death;
		chan->lent = false;
		/* It is dead already: this is what is to come of it. */
		if (chan->detached && on_death == FERRY_DEATH_FAIL)
			arm(chan, &chan->grace_work, 0);
		else if (chan->detached)
			ferry_recover_call(chan, true);
	}
	mutex_unlock(&chan->attach_lock);
	return err;
}

int ferry_recover_set_grace(struct ferry_chan *chan, u32 grace)
{
	int err = 0;

	mutex_lock(&chan->attach_lock);
	if (chan->grace)
		chan->grace = grace;
	else
		err = -EOPNOTSUPP;
	if (!err && chan->detached)
		arm(chan, &chan->grace_work, grace * HZ);
	mutex_unlock(&chan->attach_lock);
	return err;
}

/* Something to look at the clock for: @timeout and @stall. */
int ferry_recover_set_clock(struct ferry_chan *chan, u32 *field, u32 seconds)
{
	mutex_lock(&chan->attach_lock);
	WRITE_ONCE(*field, seconds);
	if (READ_ONCE(chan->gate) != FERRY_GATE_INIT)	/* or held, and open soon */
		arm_expire(chan);
	mutex_unlock(&chan->attach_lock);
	return 0;
}

/*
 * The last endpoint is closed; under attach_lock, so that no server attaches before all
 * is in order for it. False: there will be no other server.
 */
bool ferry_recover_detach(struct ferry_chan *chan)
{
	int gate = smp_load_acquire(&chan->gate);
	unsigned int noio;
	u32 i;

	/* Behind one that was sent home goes nothing that matters; no answer is under way. */
	if (chan->dismissed || ferry_chan_is_local(chan)) {
		ferry_backing_drop(chan);
		wake_up_all(&chan->gate_wait);
		return true;
	}
	/*
	 * They die of what they find, not of a request: the next one would, too, and we are who
	 * would start it. Where others do that, they know when it is enough, and grace ends it.
	 */
	if (READ_ONCE(chan->recovering) && chan->on_death == FERRY_DEATH_KERNEL &&
	    ++chan->vain >= FERRY_AGAIN_MAX)
		return false;
	if (chan->on_death == FERRY_DEATH_FAIL || !READ_ONCE(chan->client) ||
	    (gate != FERRY_GATE_OPEN && gate != FERRY_GATE_HOLD))
		return false;
	/* Requests end here, whose classes allocate; writeback must not wait for this lock. */
	noio = memalloc_noio_save();
	for (i = 0; i < chan->geo.nr_queues; i++)
		ferry_queue_reissue(chan->queues[i]);
	memalloc_noio_restore(noio);
	ferry_backing_age(chan);
	ferry_recover_await(chan);
	if (chan->on_death == FERRY_DEATH_KERNEL)
		arm_on(slow_wq, chan, &chan->rescue_work, 0);
	return true;
}

/* It is not waited for any more; under attach_lock. */
static void cease_to_wait(struct ferry_chan *chan)
{
	WRITE_ONCE(chan->detached, false);
	/* Those that run already wait for attach_lock, and find nothing to do. */
	if (cancel_delayed_work(&chan->grace_work))
		ferry_chan_put(chan);
	if (cancel_delayed_work(&chan->rescue_work))
		ferry_chan_put(chan);
}

/*
 * Another server is being prepared: from now on the going of this one, which may have
 * begun, is no death, and nobody attaches in its place.
 */
void ferry_recover_dismiss(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	chan->dismissed = true;
	cease_to_wait(chan);
	mutex_unlock(&chan->attach_lock);
}

/* @work may take long, and is over before the module is. */
void ferry_recover_later(struct work_struct *work)
{
	queue_work(slow_wq, work);
}

/* Wait for a server, but not for ever; under attach_lock. */
void ferry_recover_await(struct ferry_chan *chan)
{
	WRITE_ONCE(chan->detached, true);
	arm(chan, &chan->grace_work, chan->grace * HZ);
	ferry_event(chan, FERRY_EVENT_DETACHED);
}

/*
 * With on_death=kernel somebody is started if nobody comes by himself; under attach_lock. @soon:
 * that would be by whoever was told that the kernel cannot go on. Else it would be the one who had
 * the last server sent home to take its place: he has time to, but may have been killed.
 */
void ferry_recover_call(struct ferry_chan *chan, bool soon)
{
	if (chan->on_death == FERRY_DEATH_KERNEL)
		arm_on(slow_wq, chan, &chan->rescue_work,
		       soon ? RESCUE_AGAIN : chan->grace * HZ / 2);
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

/* Where the server dies none can go on: on_death is again what it was before it was moved here. */
void ferry_recover_last(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	if (chan->lent)
		chan->on_death = FERRY_DEATH_FAIL;
	chan->lent = false;
	mutex_unlock(&chan->attach_lock);
}

/* A server is going to be asked to save. */
void ferry_recover_ask_saved(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	chan->saving = true;
	mutex_unlock(&chan->attach_lock);
}

/* It saved: the reference is taken over. -EINVAL: nobody waits for that, any more or at all. */
int ferry_recover_saved(struct ferry_chan *chan, struct file *file)
{
	int err = -EINVAL;

	mutex_lock(&chan->attach_lock);
	if (chan->saving) {
		swap(chan->saved, file);
		err = 0;
	}
	mutex_unlock(&chan->attach_lock);
	if (file)
		fput(file);
	return err;
}

/* Nobody waits for that any more. Return: what there is, with its reference, or NULL. */
struct file *ferry_recover_take_saved(struct ferry_chan *chan)
{
	struct file *file = NULL;

	mutex_lock(&chan->attach_lock);
	chan->saving = false;
	swap(chan->saved, file);
	mutex_unlock(&chan->attach_lock);
	return file;
}

/* A new server; under attach_lock. */
void ferry_recover_attach(struct ferry_chan *chan)
{
	struct pid *creator = get_pid(task_tgid(current));

	mutex_lock(&chan->client_lock);
	swap(chan->creator, creator);
	mutex_unlock(&chan->client_lock);
	put_pid(creator);
	ferry_recover_vet(chan);
	WRITE_ONCE(chan->served_since, jiffies);
	cease_to_wait(chan);
	WRITE_ONCE(chan->recovering, true);
	ferry_event(chan, FERRY_EVENT_ATTACHED);
}

/* The new server asks for requests: it has taken over what the last one left. */
void ferry_recover_over(struct ferry_chan *chan)
{
	chan->vain = 0;
	if (xchg(&chan->recovering, false))
		ferry_event(chan, FERRY_EVENT_RECOVERED);
}

/* The gate has fallen for good, the client goes: nothing of ours asks for it afterwards. */
void ferry_recover_stop(struct ferry_chan *chan)
{
	mutex_lock(&chan->attach_lock);
	WRITE_ONCE(chan->detached, false);
	mutex_unlock(&chan->attach_lock);
	disarm(chan, &chan->grace_work);
	disarm(chan, &chan->expire_work);
	/* Not waited for: starting a process takes as long as reading its program does. */
	if (cancel_delayed_work(&chan->rescue_work))
		ferry_chan_put(chan);
}

void ferry_recover_release(struct ferry_chan *chan)
{
	if (chan->state)
		fput(chan->state);
	module_put(chan->understudy);
}
