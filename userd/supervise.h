/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <ferry/session.h>

/**
 * struct supervised - what a supervisor's processes do
 * @work: in a process of its own: serve; @channel is 0 the first time, later the number of
 *	the channel whose server died. Writes the channel's number, a u32, to @report when it
 *	serves, and closes it. Returns an exit status.
 * @up: in the supervisor: the first one serves
 * @arg: for both
 */
struct supervised {
	int (*work)(void *arg, u32 channel, int report);
	void (*up)(void *arg);
	void *arg;
};

/**
 * supervise() - have one process serve, and another one when it is killed
 *
 * SIGTERM and SIGINT are handed on to the one that serves.
 * Return: the exit status of the one that ended of its own will; 1: none comes up
 */
int supervise(const struct supervised *s);

#endif
