/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The core's own view of a channel.
 *
 * Locks, in the order in which they may be taken:
 *	ferry_chan.move_lock	mutex	one move at a time
 *	ferry_chan.attach_lock	mutex	endpoints, detached, state
 *	ferry_chans_lock	mutex	the table of channels, chan.c
 *	ferry_chan.client_lock	mutex	->client for describe() and dead()
 *	ferry_chan.early_lock	spin	requests submitted before the gate opens; a leaf
 *	ferry_chan.srcu		read	around ->end() and late(), and while somebody looks for
 *					an answer to what he submitted
 *	ferry_queue.lock	spin	pending, idle, backlog; QUEUED slots
 *	ferry_slot.lock		spin	data of a fetched request against its caller's leaving
 *	ferry_chan.left_lock	spin	slots whose callers have gone; a leaf
 * ferry_queue.lock and ferry_slot.lock are never held together; left_lock is taken under each.
 */
#ifndef FERRY_CORE_H
#define FERRY_CORE_H

#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/srcu.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "core/chan.h"
#include "core/deliver.h"
#include "core/stats.h"

struct ferry_queue;
struct ferry_stream;
struct pid;

/* ferry_chan.spin_us, unless it is set: beyond that a sleep costs less. */
#define FERRY_SPIN_US	60

/*
 * How callers wait. A server is frozen before its callers when the machine is suspended:
 * hence FREEZABLE, and UNSAFE because they hold locks, of which nobody takes note until
 * they are thawed.
 */
#define FERRY_WAIT_STATE	(TASK_KILLABLE | TASK_FREEZABLE_UNSAFE)

/* ferry_chan.stall, unless it is set. */
#define FERRY_STALL	10

/* ferry_chan.gate: may requests go? */
enum {
	FERRY_GATE_INIT,	/* only FERRY_ARGS_INIT */
	FERRY_GATE_HOLD,	/* the same, while the server is exchanged */
	FERRY_GATE_OPEN,	/* from here on nobody waits */
	FERRY_GATE_DEAD,
};

/**
 * struct ferry_chan - the tie between a client instance and its server
 * @gate: FERRY_GATE_*; read without lock on each request, written under
 *	@client_lock with release
 * @gate_wait: callers that wait for the gate to open, and who waits for servers to go
 * @held_in, @held_out: how many callers began and ceased to wait
 * @early: requests submitted before it did, @nr_early; under @early_lock
 * @ops: how requests get to the server
 * @stats: what it counts, see stats.h
 * @times: latencies; NULL until they are asked for first
 * @timed: setting: they are taken; read without lock
 * @spin_us: setting: how long a client may spin for its answer
 * @owner_ns: a user namespace; the capabilities there are over this channel too
 * @client_lock: guards @client, @client_ops and the way of @gate to DEAD
 * @client: the class's instance; NULL before bind and after unbind. Read under
 *	@srcu where @client_lock is not held.
 * @user_ns: of the client, from bind on
 * @creator: the process that made the channel, or attached to it last; under @client_lock
 * @pid_ns: of whoever made the channel: pids in messages are of this one
 * @owner: who made it: may look at it, and attach to it again
 * @trusted: all who made, served and saved it had CAP_SYS_ADMIN: what they have said may
 *	move into the kernel, where nobody's rights are looked at; read without lock
 * @move_lock: held while the server is exchanged
 * @attach_lock: guards @endpoints, @detached, @dismissed, @state, @saving, @saved
 * @endpoints: open files that serve it (user placement)
 * @detached: the last one was closed, the next is waited for; read without the lock
 * @recovering: a server has attached, and not asked for a request yet; read without lock
 * @vain: how many in a row died so, on_death=kernel; under @attach_lock, but for resetting it
 * @kept_out: the last time that the kernel was to go on after a server had gone it could not: who
 *	is called serves himself; read without lock
 * @dismissed: its server was sent home, another one is being prepared
 * @on_death, @grace: of its ferry_setup, or set; @grace is 0 where no server can follow
 * @lent: @on_death was FAIL, and a move has changed that; under @attach_lock
 * @timeout: the same; read without lock
 * @stall: setting: seconds; read without lock
 * @stalls: how often a request waited for longer than that; @expire_work's own, as
 * @is_stalled: one does
 * @served_since: when its server came, in jiffies
 * @state: the file that the server left for the next one, or NULL
 * @saving: its server is asked to save
 * @saved: what it saved, for whoever asked; or NULL
 * @understudy: module of the backend that takes over in the kernel, held; or NULL
 * @grace_work: armed while @detached; holds a reference, as the others
 * @rescue_work: armed while @detached, on_death=kernel: starts who attaches
 * @expire_work: looks at the clock while the gate is open: deadlines, stalls
 * @slot_wait: callers that wait for a slot of any queue
 * @left: slots that servers have, and whose callers have gone; under @left_lock
 * @changes: the client's ferry_client_ops.changes: a late answer may come when its module has gone
 * @left_last: jiffies64 when the last of them that changes something was answered
 * @queues: @geo.nr_queues of them (user placement), from creation to the last put
 * @server: what stands behind local delivery, local.c's own
 * @backing: registered files by number: struct ferry_backing_file
 */
struct ferry_chan {
	int				gate;
	const struct ferry_deliver_ops	*ops;
	struct user_namespace		*user_ns;
	struct pid_namespace		*pid_ns;
	struct ferry_stats __percpu	*stats;
	struct ferry_times __percpu	*times;
	u32				timed;
	u32				spin_us;
	struct ferry_queue		**queues;
	struct ferry_geometry		geo;
	void				*server;

	struct kref			ref;
	u32				id;
	u32				class;
	u32				flags;
	char				name[FERRY_NAME_MAX];
	struct pid			*creator;
	struct user_namespace		*owner_ns;

	wait_queue_head_t		gate_wait;
	wait_queue_head_t		slot_wait;
	spinlock_t			left_lock;
	struct list_head		left;
	u64				changes;
	u64				left_last;
	spinlock_t			early_lock;
	struct list_head		early;
	unsigned int			nr_early;
	atomic_t			held_in;
	atomic_t			held_out;

	struct mutex			client_lock;
	const struct ferry_client_ops	*client_ops;
	void				*client;
	bool				bound;
	bool				dead_told;
	struct srcu_struct		srcu;

	kuid_t				owner;
	bool				trusted;
	struct mutex			move_lock;
	struct mutex			attach_lock;
	unsigned int			endpoints;
	bool				detached;
	bool				recovering;
	u8				vain;
	bool				kept_out;
	bool				dismissed;
	u32				on_death;
	bool				lent;
	u32				grace;
	u32				timeout;
	u32				stall;
	u64				stalls;
	bool				is_stalled;
	unsigned long			served_since;
	struct file			*state;
	bool				saving;
	struct file			*saved;
	struct module			*understudy;
	struct delayed_work		grace_work;
	struct delayed_work		rescue_work;
	struct delayed_work		expire_work;
	struct xarray			backing;
};

/**
 * struct ferry_ids - who asks, as messages say it
 */
struct ferry_ids {
	u32	uid;
	u32	gid;
	u32	pid;
};

/* Who asks: nobody, or the current task as the server's namespaces see it. */
static inline struct ferry_ids ferry_ids_of(const struct ferry_chan *chan,
					    const struct ferry_args *args)
{
	struct ferry_ids ids = {};

	if (args->flags & FERRY_ARGS_NO_CRED)
		return ids;
	if (likely(chan->user_ns == &init_user_ns)) {
		ids.uid = __kuid_val(current_fsuid());
		ids.gid = __kgid_val(current_fsgid());
	} else {
		ids.uid = from_kuid_munged(chan->user_ns, current_fsuid());
		ids.gid = from_kgid_munged(chan->user_ns, current_fsgid());
	}
	ids.pid = likely(chan->pid_ns == &init_pid_ns) ? task_pid_nr(current) :
		  task_pid_nr_ns(current, chan->pid_ns);
	return ids;
}

/* For who is not under client_lock: the client instance, whose ops are there, or NULL. */
static inline void *ferry_chan_client(const struct ferry_chan *chan)
{
	return smp_load_acquire(&chan->client);	/* pairs with ferry_chan_bind() */
}

/* chan.c */
extern struct mutex ferry_chans_lock;
struct ferry_chan *ferry_chan_alloc(u32 class, const char *name,
				    const struct ferry_deliver_ops *ops);
void ferry_chan_publish(struct ferry_chan *chan);
struct ferry_chan *ferry_chan_by_id(u32 id);
struct ferry_chan *ferry_chan_next(u32 *id);	/* under ferry_chans_lock; for dumps */
void ferry_chan_server_gone(struct ferry_chan *chan);
int ferry_chan_hold(struct ferry_chan *chan);
bool ferry_chan_is_drained(struct ferry_chan *chan);
void ferry_chan_release_held(struct ferry_chan *chan);
void ferry_chan_end(struct ferry_chan *chan, struct ferry_args *args, int err);
void ferry_chan_late(struct ferry_chan *chan, const struct ferry_late *late);
void ferry_chan_late_over(struct ferry_chan *chan);
void ferry_chan_exit(void);

/* recover.c */
int ferry_recover_begin(void);
void ferry_recover_exit(void);
void ferry_recover_init(struct ferry_chan *chan);
void ferry_recover_vet(struct ferry_chan *chan);
int ferry_recover_setup(struct ferry_chan *chan, const struct ferry_setup *setup);
void ferry_recover_start(struct ferry_chan *chan);
int ferry_recover_set_death(struct ferry_chan *chan, u32 on_death);
int ferry_recover_set_grace(struct ferry_chan *chan, u32 grace);
int ferry_recover_set_clock(struct ferry_chan *chan, u32 *field, u32 seconds);
bool ferry_recover_detach(struct ferry_chan *chan);
void ferry_recover_attach(struct ferry_chan *chan);
void ferry_recover_over(struct ferry_chan *chan);
void ferry_recover_await(struct ferry_chan *chan);
void ferry_recover_call(struct ferry_chan *chan, bool soon);
void ferry_recover_keep(struct ferry_chan *chan, struct file *file);
bool ferry_recover_may_follow(const struct ferry_chan *chan);
void ferry_recover_ask_saved(struct ferry_chan *chan);
int ferry_recover_saved(struct ferry_chan *chan, struct file *file);
struct file *ferry_recover_take_saved(struct ferry_chan *chan);
void ferry_recover_last(struct ferry_chan *chan);
void ferry_recover_dismiss(struct ferry_chan *chan);
void ferry_recover_later(struct work_struct *work);
struct file *ferry_recover_file(int fd);
struct file *ferry_recover_state(struct ferry_chan *chan);
void ferry_recover_stop(struct ferry_chan *chan);
void ferry_recover_release(struct ferry_chan *chan);

/* move.c */
int ferry_chan_move(struct ferry_chan *chan, u32 to, struct file *stream, u64 *held_ns);

/* daemon.c */
int ferry_daemon_shape(struct ferry_chan *chan, const struct ferry_geometry *want);
void ferry_daemon_dismiss(struct ferry_chan *chan, bool dismissed);
bool ferry_daemon_is_idle(struct ferry_chan *chan);
void ferry_daemon_free(struct ferry_chan *chan);
extern const struct ferry_deliver_ops ferry_daemon_ops;
struct ferry_chan *ferry_daemon_chan(u32 class, const char *name, u32 flags,
				     const struct ferry_geometry *want);

/* local.c */
int ferry_local_can_load(const struct ferry_chan *chan, struct module **owner);
int ferry_local_find(const char *name);
int ferry_local_save(struct ferry_chan *chan, struct ferry_stream *stream);
int ferry_local_load(struct ferry_chan *chan, struct ferry_stream *stream,
		     char missing[FERRY_NAME_MAX]);
void ferry_local_free(struct ferry_chan *chan);
void ferry_local_retire(struct ferry_chan *chan);
extern const struct ferry_deliver_ops ferry_local_ops;

/* backing.c */
int ferry_backing_add(struct ferry_chan *chan, int fd);
int ferry_backing_del(struct ferry_chan *chan, int id);
void ferry_backing_drop(struct ferry_chan *chan);
void ferry_backing_age(struct ferry_chan *chan);

/* dev.c */
int ferry_dev_init(void);
void ferry_dev_exit(void);

/* netlink.c */

/**
 * ferry_event() - tell who watches that something happened to a channel
 * Context: any; a message that finds no memory is lost
 */
void ferry_event(const struct ferry_chan *chan, enum ferry_event event);
int ferry_netlink_init(void);
void ferry_netlink_exit(void);

#endif
