/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <signal.h>

#include <ferry/session.h>

/**
 * struct serves - what a process tells its supervisor when it serves, or cannot
 * @fails: it attached, and cannot; of the rest there is @grace alone
 * @channel: which
 * @follow: another process is to follow this one, if it is killed or ends with an error
 * @grace: seconds that its client waits for the one that follows
 * @mounted: ferry_session_mounted()
 */
struct serves {
	bool fails;
	u32 channel;
	bool follow;
	u32 grace;
	u64 mounted;
};

/* Exit status of one that follows and finds that the channel waits for no server any more */
#define SUPERVISED_GONE	69

/**
 * struct supervised - what a supervisor's processes do
 * @work: in a process of its own: serve; @last is NULL the first time, later what was said by
 *	the last one that served. Writes a struct serves to @report when it serves or fails, and
 *	closes it. Returns an exit status.
 * @up: in the supervisor: the first one serves
 * @up_fd: what @up closes, or -1: a worker may open something of its number from then on
 * @arg: for both
 * @leaves: the supervisor, too, when nobody is to follow; else it waits for the end
 */
struct supervised {
	int (*work)(void *arg, const struct serves *last, int report);
	void (*up)(void *arg);
	int up_fd;
	void *arg;
	bool leaves;
};

/**
 * supervise_signals() - those that are to end what is served: SIGTERM, SIGINT, and SIGHUP unless that
 *	is ignored, as by nohup(1); blocked from now on
 */
void supervise_signals(sigset_t *set);

/**
 * supervise() - have one process serve, and another one when it is killed or fails
 *
 * One that does not come to serve, or a process that cannot be had, is tried again, as long as the
 * client waits. Signals that are to end it are handed on to the one that serves; while there is none
 * they end that.
 * Return: the exit status of one that nobody is to follow, as it ended with 0, or before it
 *	served, or is the last; 0: one serves, and nobody is to follow it; 1: none comes up, or
 *	that one was killed
 */
int supervise(const struct supervised *s);

#endif
