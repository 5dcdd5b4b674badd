/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels for commands of io_uring; see compat.h for the rules. */
#ifndef FERRY_COMPAT_URING_H
#define FERRY_COMPAT_URING_H

#include "compat/have.h"
#ifdef HAVE_URING_CMD_H
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#include <linux/io_uring_types.h>
#endif
#include <linux/percpu-refcount.h>
#include <linux/sched.h>

/* The bytes of a command that are its file's own, in memory that its program can write. */
#ifdef HAVE_URING_SQE
#define ferry_cmd_data(command)	((const void *)(command)->sqe->cmd)
#else
#define ferry_cmd_data(command)	((command)->cmd)
#endif

/* A task that has submitted commands stays as a struct until the last has completed. */
static inline struct task_struct *ferry_cmd_task(struct io_uring_cmd *cmd)
{
#ifdef HAVE_URING_TASK
	return io_uring_cmd_get_task(cmd);
#else
	return cmd_to_io_kiocb(cmd)->task;
#endif
}

/* Does io_uring hold others back until @cmd has completed (IOSQE_IO_LINK)? */
static inline bool ferry_cmd_leads(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->flags & (REQ_F_LINK | REQ_F_HARDLINK);
}

/*
 * Does io_uring tell us when a ring goes? Where it does not, nobody tells us that a
 * ring was closed, or that its task waits in exec() for its commands: who has some that
 * wait has to look by ferry_cmd_gone().
 */
#ifdef HAVE_URING_CANCEL
#define FERRY_CMD_CANCELS	1
#define FERRY_CMD_CANCEL	IO_URING_F_CANCEL
#define ferry_cmd_mark(cmd, flags)	io_uring_cmd_mark_cancelable(cmd, flags)
#else
#define FERRY_CMD_CANCELS	0
#define FERRY_CMD_CANCEL	0
#define ferry_cmd_mark(cmd, flags)	((void)(flags))
#endif

/* Will nobody see the completion of @cmd any more? Its ring or its task is going. */
static inline bool ferry_cmd_gone(struct io_uring_cmd *cmd)
{
	const struct task_struct *task = ferry_cmd_task(cmd);

#ifndef HAVE_URING_CANCEL
	if (atomic_read(&task->io_uring->in_idle))
		return true;
#endif
	return READ_ONCE(task->flags) & PF_EXITING ||
	       percpu_ref_is_dying(&cmd_to_io_kiocb(cmd)->ctx->refs);
}

#ifdef HAVE_URING_DONE
#define ferry_cmd_done(cmd, res, flags)	io_uring_cmd_done(cmd, res, flags)
#else
#define ferry_cmd_done(cmd, res, flags)	io_uring_cmd_done(cmd, res, 0, flags)
#endif

/*
 * As io_uring_cmd_complete_in_task(), for one that its task may let wait for others: it is
 * woken when as many have come as it waits for. Older kernels wake it for each.
 */
#ifdef HAVE_URING_LAZY
#define ferry_cmd_in_task_lazy(cmd, work)	io_uring_cmd_do_in_task_lazy(cmd, work)
#else
#define ferry_cmd_in_task_lazy(cmd, work)	io_uring_cmd_complete_in_task(cmd, work)
#endif

/*
 * Does a server gather requests (lib/loop_uring.c)? It looks for that feature of its ring, and
 * is left asleep meanwhile by the completions above.
 */
#if defined(HAVE_URING_LAZY) && defined(HAVE_URING_MIN_TIMEOUT)
#define FERRY_CMD_GATHERS	1
#else
#define FERRY_CMD_GATHERS	0
#endif

/* Define fn_work for io_uring_cmd_complete_in_task() to call @fn(cmd, issue_flags). */
#ifdef HAVE_URING_TW
#define FERRY_CMD_WORK(fn)							\
static void fn##_work(struct io_tw_req req, io_tw_token_t token)		\
{										\
	fn(io_uring_cmd_from_tw(req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);	\
}
#else
#define FERRY_CMD_WORK(fn)							\
static void fn##_work(struct io_uring_cmd *cmd, unsigned int issue_flags)	\
{										\
	fn(cmd, issue_flags);							\
}
#endif

#endif
