/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A server in a process that is killed now and then, and what the kernel does about it:
 * the request that was under way is given to the next one.
 *
 * The server is the backend that is linked in, served by libferry's loop in style sync.
 * Its ioctl() is caught by the linker and asks the parent, who is kernel and client.
 */
#ifndef MORTAL_H
#define MORTAL_H

#include <ferry/req.h>

#define MORTAL_DROPPED	(-512)

/** mortal_start() - the first process; @args: for the backend's init() */
void mortal_start(const char *args);

/**
 * mortal_call() - one request; as fs_call() of fsclient.h
 * @stores: let the process die before its so manieth store after it was given the request,
 *	and now and then the next one in half of the time; 0: let it live
 * @drop: if it dies before the request is done nobody wants it any more
 * Return: as there, or MORTAL_DROPPED
 */
int mortal_call(uint32_t stores, bool drop, u32 opcode, u64 node, const void *in, u32 in_len,
		const char *name1, const char *name2, void *out, u32 out_len,
		void *data, u32 data_len, bool data_in);

/**
 * mortal_overtake() - what comes from another queue, and is quicker than what comes again
 * @first: called once, when a server has died and the next one is there, before that one is
 *	given the request that was under way; may make requests
 */
void mortal_overtake(void (*first)(void));

/** mortal_deaths() - how often it was killed; @marked: out, when the request was done */
unsigned int mortal_deaths(unsigned int *marked);

/** mortal_stores() - how many the last request took, in the process that did not die */
u32 mortal_stores(void);

/** mortal_kill() - at rest; the next call finds another one */
void mortal_kill(void);

/** mortal_used() - bytes that the state had when the last process attached to it */
u64 mortal_used(void);

/** mortal_end() - the client goes */
void mortal_end(void);

#endif
