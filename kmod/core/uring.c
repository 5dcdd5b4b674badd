// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of io_uring: FERRY_IOC_SYNC that waits in a ring, not in a thread.
 *
 * A command that finds no request waits in ->commands of its queue. Whoever unlinks it
 * there, under the queue's lock, owns it and completes it: who has a request for it, who
 * cancels it, or whose channel is dead. Completion happens in the task that submitted
 * it; if that, or the ring, is going, the request goes back to the queue.
 *
 * A command holds its file, and so its channel.
 */
#include <linux/file.h>
#include "compat/uring.h"
#include "core/queue.h"
#include "core/trace.h"

/* How often commands are looked at for a ring that is gone, where none tells us. */
#define WATCH	HZ

/**
 * struct ferry_command - in a command's own bytes
 * @node: in ferry_queue.commands; empty: somebody is about to complete it
 * @slot: what it was given, or NULL
 * @err: what it ends with without a slot
 */
struct ferry_command {
	struct list_head	node;
	struct ferry_slot	*slot;
	int			err;
};
static_assert(sizeof(struct ferry_command) <= sizeof_field(struct io_uring_cmd, pdu));

static struct ferry_command *own_bytes(struct io_uring_cmd *cmd)
{
	return (struct ferry_command *)cmd->pdu;
}

static struct io_uring_cmd *cmd_of(struct ferry_command *command)
{
	return container_of((void *)command, struct io_uring_cmd, pdu);
}

static void finish(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ferry_command *command = own_bytes(cmd);
	struct ferry_slot *slot = command->slot;
	int res = command->err;

	if (likely(slot)) {
		res = slot->tag;
		if (unlikely(current->flags & PF_KTHREAD || ferry_cmd_gone(cmd))) {
			ferry_slot_hand_back(slot);
			res = -ECANCELED;
		} else {
			ferry_slot_bring(slot);
			trace_ferry_fetch(slot->queue->chan, slot->tag, slot->opcode,
					  slot->unique);
		}
	}
	ferry_cmd_done(cmd, res, issue_flags);
}
FERRY_CMD_WORK(finish)

/* Unlink @command and complete it without a request; under q->lock. */
static void end(struct ferry_command *command, int err)
{
	list_del_init(&command->node);
	command->err = err;
	io_uring_cmd_complete_in_task(cmd_of(command), finish_work);
}

/* A command for @slot, which becomes FETCHED, or NULL; under q->lock. To be given it. */
struct ferry_command *ferry_uring_take(struct ferry_queue *q, struct ferry_slot *slot)
{
	struct ferry_command *command, *next;

	list_for_each_entry_safe(command, next, &q->commands, node) {
		if (unlikely(ferry_cmd_gone(cmd_of(command)))) {
			end(command, -ECANCELED);
			continue;
		}
		list_del_init(&command->node);
		command->slot = slot;
		if (slot)
			ferry_slot_set_fetched(slot);
		return command;
	}
	return NULL;
}

/*
 * Complete a command that ferry_uring_take() returned, with a request. Its task need not be
 * woken before there are as many as it waits for; until it looks they are FETCHED.
 */
void ferry_uring_give(struct ferry_command *command)
{
	ferry_cmd_in_task_lazy(cmd_of(command), finish_work);
}

/* Let @command wait. False: the channel is dead. */
static bool wait_at(struct ferry_queue *q, struct ferry_command *command)
{
	bool dead;

	spin_lock(&q->lock);
	dead = q->dead;
	if (!dead)
		list_add(&command->node, &q->commands);
	spin_unlock(&q->lock);
	/* Pairs with smp_mb() in ferry_queue_push(): commands first, then pending. */
	smp_mb();
	/* Whoever puts one back, too: watch() may have seen the list without it, and ended. */
	if (!FERRY_CMD_CANCELS && !dead && !delayed_work_pending(&q->watch))
		schedule_delayed_work(&q->watch, WATCH);
	return !dead;
}

/*
 * There is a request in some queue: let a command that waits at @q have it. False: none
 * waits.
 */
bool ferry_uring_kick(struct ferry_queue *q)
{
	for (;;) {
		struct ferry_command *command;
		struct ferry_slot *slot;

		spin_lock(&q->lock);
		command = ferry_uring_take(q, NULL);
		spin_unlock(&q->lock);
		if (!command)
			return false;
		slot = ferry_queue_fetch(q, false);
		if (!IS_ERR(slot)) {
			command->slot = slot;
			ferry_uring_give(command);
			return true;
		}
		if (!wait_at(q, command)) {
			command->err = -ENODEV;
			io_uring_cmd_complete_in_task(cmd_of(command), finish_work);
			return false;
		}
		/* @command may be gone by now. */
		if (!ferry_queue_has_work(q))
			return true;
	}
}

/*
 * The next request for @cmd: its tag, or -errno as ferry_queue_fetch(), or -EIOCBQUEUED:
 * @cmd will be completed.
 */
int ferry_uring_fetch(struct io_uring_cmd *cmd, struct ferry_queue *q, unsigned int issue_flags)
{
	struct ferry_command *command = own_bytes(cmd);
	struct ferry_slot *slot = ferry_queue_fetch(q, false);

	if (!IS_ERR(slot))
		return slot->tag;
	if (PTR_ERR(slot) != -EAGAIN)
		return PTR_ERR(slot);
	INIT_LIST_HEAD(&command->node);
	command->slot = NULL;
	command->err = 0;
	ferry_cmd_mark(cmd, issue_flags);
	if (!wait_at(q, command)) {
		ferry_cmd_done(cmd, -ENODEV, issue_flags);
		return -EIOCBQUEUED;
	}
	if (unlikely(ferry_queue_has_work(q)))
		ferry_uring_kick(q);
	return -EIOCBQUEUED;
}

/* io_uring wants @cmd back, now or whenever it asks again. */
void ferry_uring_cancel(struct io_uring_cmd *cmd, struct ferry_queue *q, unsigned int issue_flags)
{
	struct ferry_command *command = own_bytes(cmd);
	bool ours;

	spin_lock(&q->lock);
	ours = !list_empty(&command->node);
	if (ours)
		list_del_init(&command->node);
	spin_unlock(&q->lock);
	if (ours)
		ferry_cmd_done(cmd, -ECANCELED, issue_flags);
}

/* A process whose open files are @files closes a descriptor of @file. */
void ferry_uring_flush(struct ferry_queue *q, struct file *file, fl_owner_t files)
{
	struct ferry_command *command, *next;

	spin_lock(&q->lock);
	list_for_each_entry_safe(command, next, &q->commands, node) {
		struct io_uring_cmd *cmd = cmd_of(command);

		if (cmd->file == file &&
		    (READ_ONCE(ferry_cmd_task(cmd)->files) == files || ferry_cmd_gone(cmd)))
			end(command, -ECANCELED);
	}
	spin_unlock(&q->lock);
}

/* The channel is dead; under q->lock. */
void ferry_uring_abort(struct ferry_queue *q)
{
	struct ferry_command *command, *next;

	list_for_each_entry_safe(command, next, &q->commands, node)
		end(command, -ENODEV);
}

static void watch(struct work_struct *work)
{
	struct ferry_queue *q = container_of(to_delayed_work(work), struct ferry_queue, watch);
	struct ferry_command *command, *next;
	bool more;

	spin_lock(&q->lock);
	list_for_each_entry_safe(command, next, &q->commands, node) {
		if (ferry_cmd_gone(cmd_of(command)))
			end(command, -ECANCELED);
	}
	more = !list_empty(&q->commands);
	spin_unlock(&q->lock);
	if (more)
		schedule_delayed_work(&q->watch, WATCH);
}

void ferry_uring_init(struct ferry_queue *q)
{
	INIT_LIST_HEAD(&q->commands);
	/* Not deferrable: on a processor that is idle it might not run for a long time. */
	INIT_DELAYED_WORK(&q->watch, watch);
}
