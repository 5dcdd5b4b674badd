/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues and slots of daemon delivery. What is in these structs is the kernel's
 * own and trusted; the memory that a server maps (ferry_queue.mem) is touched by
 * ring.c alone.
 *
 * A slot's state, and who owns the slot in it:
 *
 *	IDLE		nobody; its bit in ferry_queue.used is clear, or whoever set it
 *	QUEUED		the queue (on ->pending)
 *	FETCHED		the server
 *	ANSWERING	the server's thread in the kernel that won FETCHED -> ANSWERING
 *	ANSWERED	the caller
 *	FAILED		the caller; the channel died
 *	ABANDONED	the server; the caller was killed, nobody waits
 *	ORPHANED	the queue (on ->pending): the server of an ABANDONED one died
 *	TRANSFER		the server's thread that reads or writes a file with its data;
 *			others leave a note (->left, ->failed), which it obeys at the end
 *
 *	IDLE -> QUEUED -> FETCHED -> ANSWERING -> ANSWERED -> IDLE
 *	IDLE -> FETCHED		handed to a server that was waiting or spinning
 *	QUEUED -> IDLE		caller killed			under queue->lock
 *	QUEUED -> FETCHED	channel aborted, as if to fail it	under queue->lock
 *	FETCHED -> IDLE		the server that spun has gone	compare-and-swap
 *	FETCHED -> ANSWERING -> QUEUED or FETCHED	the ring it was for has gone
 *	FETCHED -> ABANDONED	caller killed			compare-and-swap
 *	FETCHED -> ANSWERING -> FAILED	channel aborted		compare-and-swap
 *	ABANDONED -> ANSWERING -> IDLE	the late answer came	compare-and-swap
 *	FETCHED -> QUEUED	server died			compare-and-swap, under queue->lock
 *	ABANDONED -> ORPHANED	server died, or never knew	the same
 *	QUEUED -> ORPHANED	caller killed, and a server had it already	under queue->lock
 *	ORPHANED -> ABANDONED	the next server has it		under queue->lock
 *	FETCHED -> TRANSFER -> FETCHED, ABANDONED or ANSWERING -> FAILED	under slot->lock
 *
 * All of them happen in slot.c, leave.c and queue.c.
 */
#ifndef FERRY_QUEUE_H
#define FERRY_QUEUE_H

#include <linux/atomic.h>
#include <linux/bvec.h>
#include <linux/cache.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "core/core.h"

struct ferry_command;
struct io_uring_cmd;

/* A request that so many servers died of is not given to another one. */
#define FERRY_AGAIN_MAX		16

/* So many spins in a row may be in vain: ferry_queue.spin_tries. */
#define FERRY_SPIN_TRIES	4

enum {
	FERRY_IDLE,
	FERRY_QUEUED,
	FERRY_FETCHED,
	FERRY_ABANDONED,
	FERRY_ORPHANED,
	FERRY_TRANSFER,
	FERRY_ANSWERING,
	FERRY_ANSWERED,		/* from here on the caller's wait is over */
	FERRY_FAILED,
};

/**
 * struct ferry_pin - pages of a caller's user memory, held for a request
 * @bvec: the pieces, or NULL if nothing is pinned
 * @nr: how many
 * @dirty: they were written to
 * @inline_bvec: for short pieces, so that nothing is allocated
 */
struct ferry_pin {
	struct bio_vec	*bvec;
	u32		nr;
	bool		dirty;
	struct bio_vec	inline_bvec[2];
};

/**
 * struct ferry_reply - a reply's descriptor, read once from the server
 * @error: 0 or -511..-1
 * @rep_len: bytes of structs, at most geo.rep_size
 * @data: bytes of data in the slot, at most geo.data_size
 * @late: data that came for a caller who has gone, or NULL; @late_len bytes
 */
struct ferry_reply {
	int		error;
	u32		rep_len;
	u32		data;
	const void	*late;
	u32		late_len;
};

/**
 * struct ferry_rest - reply data that the caller's memory did not take without a fault
 * @buf: kvmalloc()ed, or NULL
 * @len: bytes
 */
struct ferry_rest {
	void	*buf;
	u32	len;
};

/**
 * struct ferry_slot - the trusted half of a slot
 * @state: see above
 * @tag: its number in the channel
 * @unique: id of the request in it, written before FETCHED
 * @args: the request; valid from QUEUED on while somebody waits for it
 * @waiter: the task in ferry_call(), NULL for a submitted request. Read it before
 *	the state becomes ANSWERED: afterwards the slot is the caller's.
 * @shared, @desc: its half in ferry_queue.mem, for ring.c
 * @opcode, @node, @no_reply: of @args, for when it is gone
 * @req_len: bytes of the message
 * @lazy: it may go along with the next one
 * @data_in: bytes of data that go with it
 * @wants_data: its reply has data
 * @in_slot: data that goes along lies in the slot's data area
 * @due: no, not yet: ferry_slot_bring(); under @lock once it is FETCHED
 * @iter: the request's data for copies by the server's thread: kernel pages
 * @pushed: bytes of reply data that XFER or write() has put there; under @lock
 * @pin: backs @iter where the data is in user memory
 * @reply: owned as the slot
 * @left: TRANSFER: the caller was killed and has gone; under @lock
 * @failed: TRANSFER: the channel died; under @lock
 * @spin: a server that spins on another CPU has it: the answer may come soon
 * @again: how many servers had this request and died
 * @node2: of @args when its caller left, another node or 0
 * @late_data: late() is to see the answer's data; from then on, too
 * @node_left: in ferry_chan.left from then on
 * @node_pending: in ferry_queue.pending
 */
struct ferry_slot {
	atomic_t		state;
	u32			tag;
	u64			unique;
	void			*shared;
	struct ferry_desc	*desc;
	struct ferry_queue	*queue;
	struct ferry_args	*args;
	struct task_struct	*waiter;
	u32			opcode;
	u32			req_len;
	u32			data_in;
	u64			node;
	bool			no_reply;
	bool			lazy;
	bool			wants_data;
	bool			in_slot;
	bool			due;
	bool			spin;
	u8			again;
	struct list_head	node_pending;
	struct ferry_reply	reply;

	spinlock_t		lock;
	u32			pushed;
	bool			left;
	bool			failed;
	struct iov_iter		iter;
	struct ferry_pin	pin;
	u64			node2;
	bool			late_data;
	struct list_head	node_left;
} ____cacheline_aligned_in_smp;

/* From now on whoever guesses its tag can have it, and sees what it was filled with. */
static inline void ferry_slot_set_fetched(struct ferry_slot *slot)
{
	atomic_set_release(&slot->state, FERRY_FETCHED);
}

/* For who was given nothing but a tag; pairs with ferry_slot_set_fetched(). */
static inline bool ferry_slot_is_fetched(const struct ferry_slot *slot)
{
	return atomic_read_acquire(&slot->state) == FERRY_FETCHED;
}

/**
 * struct ferry_idle - a server's thread that waits; on its stack
 * @node: in ferry_queue.idle, last come first served (its caches are warm)
 * @task: who
 * @slot: what it was given; with release by the caller, who has unlinked @node
 */
struct ferry_idle {
	struct list_head	node;
	struct task_struct	*task;
	struct ferry_slot	*slot;
};

/**
 * struct ferry_queue - slots, and the servers that look here first
 * @mem: what servers map: descriptors and slots, vmalloc_user()
 * @used: one bit a slot
 * @async_limit: submitted requests use slots below it only, so that calls never
 *	wait behind read-ahead and write-back alone (but where there is one slot)
 * @lock: guards what follows
 * @pending: QUEUED slots, first come first served
 * @idle: struct ferry_idle
 * @commands: struct ferry_command, see uring.c; they come second to @idle
 * @backlog: submitted requests that found no slot, or wait: ferry_chan_is_behind()
 * @dead: the channel was aborted
 * @poll_wait: poll() on an endpoint
 * @watch: looks for commands whose ring is gone, where io_uring does not tell
 * @nudge: wakes a server for lazy requests that nothing has come after
 * @nr_pending: length of @pending, told to servers in the box; under @lock
 * @fetches: how often a server of it has looked for work; a hint, written without lock
 * @spin_tries: how many spins for an answer may still be in vain, see ferry_spin();
 *	a hint, written without lock
 */
struct ferry_queue {
	struct ferry_chan	*chan;
	void			*mem;
	u32			index;
	u32			depth;
	u32			async_limit;
	unsigned long		*used ____cacheline_aligned_in_smp;
	wait_queue_head_t	poll_wait;
	struct delayed_work	watch;
	struct delayed_work	nudge;

	spinlock_t		lock ____cacheline_aligned_in_smp;
	struct list_head	pending;
	struct list_head	idle;
	struct list_head	commands;
	struct list_head	backlog;
	u32			nr_pending;
	bool			dead;

	u32			fetches ____cacheline_aligned_in_smp;

	u32			spin_tries ____cacheline_aligned_in_smp;

	struct ferry_slot	slots[];
};

/* Do servers of @chan spin, so that one CPU is no good for them and their clients? */
static inline bool ferry_spins(const struct ferry_chan *chan)
{
	return chan->flags & FERRY_CREATE_POLL;
}

/* spin.c */
bool ferry_spin(struct ferry_slot *slot, bool (*look)(struct ferry_slot *slot));
void ferry_slot_look(struct ferry_slot *slot);

/* queue.c */
struct ferry_queue *ferry_queue_alloc(struct ferry_chan *chan, u32 index);
void ferry_queue_calm(struct ferry_queue *q);
void ferry_queue_free(struct ferry_queue *q);
struct ferry_queue *ferry_queue_pick(struct ferry_chan *chan);
int ferry_queue_push(struct ferry_slot *slot, bool looks);
void ferry_queue_orphan(struct ferry_slot *slot);
void ferry_queue_unlink(struct ferry_slot *slot);
int ferry_queue_put_aside(struct ferry_queue *q, struct ferry_args *args);
bool ferry_queue_take_aside(struct ferry_queue *q, struct ferry_args *args);
struct ferry_slot *ferry_queue_fetch(struct ferry_queue *q, bool wait);
bool ferry_queue_has_work(struct ferry_queue *q);
void ferry_queue_abort(struct ferry_queue *q);
void ferry_queue_reissue(struct ferry_queue *q);
void ferry_queue_dismiss(struct ferry_queue *q, bool dismissed);
void ferry_queue_expire(struct ferry_queue *q, unsigned long limit);
bool ferry_queue_is_stalled(struct ferry_queue *q, unsigned long limit);
void ferry_queue_run_backlog(struct ferry_queue *q);

/* slot.c */
struct ferry_slot *ferry_slot_try_get(struct ferry_queue *q, bool async);
struct ferry_slot *ferry_slot_get(struct ferry_chan *chan, struct ferry_queue *q,
				  const struct ferry_args *args);
int ferry_slot_await_left(struct ferry_chan *chan, const struct ferry_args *args);
void ferry_slot_put(struct ferry_slot *slot);
bool ferry_slot_takes(const struct ferry_chan *chan, const struct ferry_args *args);
struct ferry_slot *ferry_slot_by_tag(struct ferry_chan *chan, u32 tag);
struct ferry_slot *ferry_slot_by_unique(struct ferry_chan *chan, u64 unique);
int ferry_slot_fill(struct ferry_slot *slot, struct ferry_args *args,
		    struct task_struct *waiter, const struct ferry_pin *pin);
void ferry_slot_bring(struct ferry_slot *slot);
void ferry_slot_bring_locked(struct ferry_slot *slot);
int ferry_slot_wait(struct ferry_slot *slot);
int ferry_slot_kick(struct ferry_slot *slot);
int ferry_slot_finish(struct ferry_slot *slot, struct ferry_rest *rest);
int ferry_slot_answer(struct ferry_slot *slot, const struct ferry_reply *reply);
void ferry_slot_fail(struct ferry_slot *slot);
void ferry_slot_hand_back(struct ferry_slot *slot);
bool ferry_slot_take_back(struct ferry_slot *slot);
bool ferry_slot_is_older(struct ferry_slot *slot, unsigned long limit);
int ferry_slot_transfer_begin(struct ferry_slot *slot, u64 offset, bool pull,
			      struct iov_iter *data);
int ferry_slot_transfer_end(struct ferry_slot *slot, size_t pushed);
bool ferry_slot_is_ending(struct ferry_slot *slot);
void ferry_slot_wait_for_copies(struct ferry_slot *slot);
void ferry_wake(struct task_struct *task, bool sync);

/* leave.c */
bool ferry_chan_is_behind(struct ferry_chan *chan, const struct ferry_args *args);
bool ferry_slot_leave(struct ferry_slot *slot);
void ferry_slot_unleave(struct ferry_slot *slot);
struct ferry_args *ferry_slot_expire(struct ferry_slot *slot, unsigned long limit);
bool ferry_slot_cancel(struct ferry_slot *slot, const struct ferry_args *args);
void ferry_slot_take_pin(const struct ferry_slot *slot, struct ferry_pin *pin);

/* uring.c */
void ferry_uring_init(struct ferry_queue *q);
struct ferry_command *ferry_uring_take(struct ferry_queue *q, struct ferry_slot *slot);
void ferry_uring_give(struct ferry_command *command);
bool ferry_uring_kick(struct ferry_queue *q);
int ferry_uring_fetch(struct io_uring_cmd *cmd, struct ferry_queue *q,
		      unsigned int issue_flags);
void ferry_uring_cancel(struct io_uring_cmd *cmd, struct ferry_queue *q,
			unsigned int issue_flags);
void ferry_uring_flush(struct ferry_queue *q, struct file *file, fl_owner_t files);
void ferry_uring_abort(struct ferry_queue *q);

/* ring.c */
u32 ferry_ring_message_size(const struct ferry_args *args);
void ferry_ring_write(struct ferry_slot *slot, const struct ferry_args *args, u32 len);
void ferry_ring_read_reply(struct ferry_slot *slot, struct ferry_reply *reply);
bool ferry_ring_is_done(const struct ferry_slot *slot);
void ferry_ring_clear_done(struct ferry_slot *slot);
void ferry_ring_set_wait(struct ferry_slot *slot, bool wait);
bool ferry_ring_spinning(const struct ferry_queue *q);
bool ferry_ring_spins_elsewhere(const struct ferry_queue *q);
bool ferry_ring_post(struct ferry_queue *q, u32 tag);
void ferry_ring_tell_pending(struct ferry_queue *q, u32 nr);
void ferry_ring_forget_spinner(struct ferry_queue *q);
void ferry_ring_write_again(struct ferry_slot *slot);
void ferry_ring_init(struct ferry_queue *q);
void ferry_ring_read_out(struct ferry_slot *slot, struct ferry_args *args, u32 len);
void *ferry_ring_request(struct ferry_slot *slot);
void *ferry_ring_reply(struct ferry_slot *slot);
void *ferry_ring_data(struct ferry_slot *slot);
int ferry_ring_geometry(struct ferry_geometry *geo);

/* copy.c */
int ferry_pin_user(struct ferry_pin *pin, struct iov_iter *iter, size_t len, bool dirty);
void ferry_unpin(struct ferry_pin *pin);
ssize_t ferry_copy_pull(struct ferry_slot *slot, u64 offset, struct iov_iter *to);
ssize_t ferry_copy_push(struct ferry_slot *slot, u64 offset, struct iov_iter *from);

/* transfer.c */
ssize_t ferry_transfer(struct ferry_slot *slot, u64 offset, struct file *file, loff_t pos, u64 len,
		   bool pull);

#endif
