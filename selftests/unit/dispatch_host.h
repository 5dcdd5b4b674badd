/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A host for lib/dispatch that stands alone: it gives a message to the dispatcher and
 * takes the reply. All of it lies in memory of exactly its length, so that the
 * address sanitizer sees a step beside it.
 */
#ifndef DISPATCH_HOST_H
#define DISPATCH_HOST_H

#include <linux/ferry.h>
#include <linux/fuse.h>
#include <ferry/fs.h>
#include <ferry/req.h>

/**
 * struct part - a fixed struct or a name, with its NUL
 */
struct part {
	const void *p;
	u32 len;
};

/**
 * struct message - what is asked
 * @in: @nr_in parts
 * @one_piece: give them as one
 * @data: what comes with it; NULL: none does
 * @data_len: bytes of @data, or room in the reply
 * @out: bytes of room for each struct of the reply; @nr_out of them
 */
struct message {
	u32 opcode;
	u64 node;
	struct part in[3];
	u32 nr_in;
	bool one_piece;
	const void *data;
	u32 data_len;
	u32 out[2];
	u32 nr_out;
};

/**
 * struct reply - what came back
 * @done: how often done() was called
 * @out: the reply's structs, one behind the other
 * @data: what was pushed
 */
struct reply {
	int done;
	int error;
	bool no_reply;
	u32 out_len;
	u32 pushed;
	unsigned char out[512];
	unsigned char *data;
};

/** logged - how many lines ferry_log() was given */
extern unsigned int logged;

/** last_line - the last of them */
extern char last_line[512];

/** ask() - dispatch @m to @server; @reply.data is to be freed by reply_free() */
void ask(struct ferry_server *server, const struct message *m, struct reply *reply);
void reply_free(struct reply *reply);

#endif
