/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Stand-ins for the kernel's side of /dev/ferry, so that a wait style's loop can be
 * tested in one process: clients call, server threads run the loop.
 */
#ifndef LOOP_KERNEL_H
#define LOOP_KERNEL_H

#include "../../lib/internal.h"

/**
 * struct call - one request of a client's
 * @opcode, @node: as in the message
 * @in, @in_len: fixed struct and names
 * @data, @data_len: data that goes along, or room for what comes back
 * @data_in: which
 * @out, @out_len: reply structs; in: room, out: bytes
 * @error, @pushed: reply
 * @state: the stand-in's own
 */
struct call {
	u32 opcode;
	u64 node;
	const void *in;
	u32 in_len;
	void *data;
	u32 data_len;
	bool data_in;
	void *out;
	u32 out_len;
	int error;
	u32 pushed;
	int state;
};

/**
 * struct kernel - one of the stand-ins
 * @open: make the endpoints of @session, which has its geometry
 * @call: as ferry_call()
 * @unbind: the client goes away
 */
struct kernel {
	void (*open)(struct ferry_session *session);
	void (*call)(struct call *call);
	void (*unbind)(void);
};

extern const struct kernel kernel_sync;
extern const struct kernel kernel_rw;

/* A thread that only answers returns from its ioctl() no sooner than this says. */
void kernel_sync_hold(bool hold);

#endif
