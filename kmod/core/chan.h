/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Channels and requests: all that a class may call.
 *
 * Life of a channel. Whoever makes one owns a reference: the first server
 * endpoint (dev.c) or the class itself (kernel placement). A class binds its
 * client instance to it (ferry_chan_bind) and holds a reference until
 * ferry_chan_unbind(). The memory goes with the last reference.
 *
 * Life of a request. A class fills a struct ferry_args. With ferry_call() it may
 * live on the stack: the call returns when the core is done with it. With
 * ferry_submit() it belongs to the core until ->end() is called, which happens
 * exactly once and also when ferry_submit() could not even queue it.
 */
#ifndef FERRY_CHAN_H
#define FERRY_CHAN_H

#include <linux/fs.h>
#include <linux/uio.h>
#include <uapi/linux/ferry.h>

struct ferry_chan;
struct ferry_args;
struct user_namespace;

struct ferry_vec {
	void	*p;
	u32	len;
};

/* ferry_args.flags */
#define FERRY_ARGS_DATA_IN	(1U << 0)	/* ->data goes to the server */
#define FERRY_ARGS_DATA_OUT	(1U << 1)	/* ->data is filled by the server */
#define FERRY_ARGS_OUT_VAR	(1U << 2)	/* the last out may come back shorter */
#define FERRY_ARGS_NO_REPLY	(1U << 3)	/* the protocol has no reply (FORGET) */
#define FERRY_ARGS_NO_CRED	(1U << 4)	/* on the kernel's behalf: ids are 0 */
#define FERRY_ARGS_INIT		(1U << 5)	/* may go before ferry_chan_ready() */
#define FERRY_ARGS_LOOKS	(1U << 6)	/* submitted from where one may look for the answer
						 * for a moment: ->end() may come from there */
#define FERRY_ARGS_LAZY		(1U << 7)	/* submitted; may go along with what comes next:
						 * FORGET, RELEASE */
#define FERRY_ARGS_NODE2	(1U << 8)	/* ->in[0] begins with another node's number */
#define FERRY_ARGS_LATE_DATA	(1U << 9)	/* late() is to see the answer's data as well */

/**
 * struct ferry_args - one request, as its class sees it
 * @opcode: of the class's protocol
 * @flags: FERRY_ARGS_*
 * @node: fuse_in_header.nodeid
 * @nr_in: how many of @in
 * @nr_out: how many of @out
 * @in: fixed structs and names (with their NUL), in order; kernel memory that stays
 *	as it is until the request has ended
 * @out: where the reply's structs go. A reply whose length differs from the sum of
 *	theirs is an error (-EIO) but for FERRY_ARGS_OUT_VAR.
 * @data: long data, or NULL; a copy of the iterator is used, yours is not
 *	advanced and stays until the request has ended. For ferry_submit() it must be
 *	made of kernel pages (bvec, kvec).
 * @data_len: bytes of it
 * @out_len: after success: bytes of structs in the reply
 * @data_done: after success: bytes of data in the reply
 * @end: ferry_submit() only: called once with 0 or -errno, from a server's
 *	thread, the submitter's, or a work item; may sleep, but should be short; may
 *	free the args. Locks that are held around ferry_submit() must not be
 *	taken in it.
 * @defer: ferry_submit() only, or NULL: called, where the server is a function, instead of
 *	that: have ferry_submit_deferred() called by a thread that holds nothing
 * @core: the core's own
 */
struct ferry_args {
	u32			opcode;
	u32			flags;
	u64			node;
	u8			nr_in;
	u8			nr_out;
	struct ferry_vec	in[3];
	struct ferry_vec	out[2];
	struct iov_iter		*data;
	size_t			data_len;

	size_t			out_len;
	size_t			data_done;
	void			(*end)(struct ferry_args *args, int err);
	void			(*defer)(struct ferry_args *args);

	struct {
		struct list_head	node;	/* ferry_queue.backlog */
		unsigned long		born;	/* when it was given to the delivery, in jiffies */
		struct iov_iter		iter;	/* what is left of ->data */
		u64			began;	/* 0: its time is not taken */
	} core;
};

/* FERRY_ARGS_LATE_DATA: what late() sees at most. */
#define FERRY_LATE_DATA_MAX	65536

/**
 * struct ferry_late - an answer that nobody waits for any more
 * @opcode: of the request
 * @node: its node
 * @out: the reply's structs, @out_len bytes, at most 256; none if the server failed it
 * @data: FERRY_ARGS_LATE_DATA: its data, @data_len bytes, or NULL. Not what the server
 *	had moved before the caller left.
 */
struct ferry_late {
	u32		opcode;
	u64		node;
	const void	*out;
	size_t		out_len;
	const void	*data;
	size_t		data_len;
};

/**
 * struct ferry_client_ops - what the core asks of a class
 * @late: a reply came for a request that nobody waits for any more, whose caller was
 *	killed, say. The class takes back what the server counted or opened for it (FORGET,
 *	RELEASE). The request is left there still, ferry_chan_is_left(), so that nothing that
 *	waits for it goes before that. Called from a server's thread; may ferry_submit().
 * @late_over: and now it is not: what has waited for it may go on. As @late; may be NULL.
 * @dead: the server is gone and will not come back, or somebody has aborted the channel:
 *	requests fail from now on. Called once, may sleep. May be NULL.
 * @owns: is @file of the client instance itself? A server's thread that does I/O on it
 *	would wait for its own answer. May be NULL.
 * @may_back: may @file back one of the instance's? 0; -EOPNOTSUPP: none may; -ELOOP:
 *	this one would lead back here. May be NULL: none may.
 * @describe: name the client instance for lists ("8:1"), into @buf
 * @changes: opcodes (bit 1 << opcode) of requests that change what a node is or has. Where the
 *	caller of one is gone and its answer has not come, others of these that name the same
 *	node wait for that: executed later, it would undo what they did.
 */
struct ferry_client_ops {
	void (*late)(void *client, const struct ferry_late *late);
	void (*late_over)(void *client);
	void (*dead)(void *client);
	bool (*owns)(void *client, const struct file *file);
	int (*may_back)(void *client, const struct file *file);
	int (*describe)(void *client, char *buf, size_t size);
	u64 changes;
};

/**
 * ferry_chan_of_file() - the channel that an open /dev/ferry serves
 * @file: any file
 * @class: enum ferry_class. A file that is no endpoint yet becomes one of a new
 *	channel of this class in style rw (that is how a FUSE program, which
 *	knows no ioctl of ours, gets one).
 * Return: the channel with a reference, or ERR_PTR: -EINVAL: not /dev/ferry, or
 *	a channel of another class
 */
struct ferry_chan *ferry_chan_of_file(struct file *file, u32 class);

/**
 * ferry_chan_local() - a channel to a backend inside the kernel
 * @class: enum ferry_class
 * @name: the backend's name; "ferry-NAME" is loaded if need be
 * @args: its arguments or NULL
 * Context: may sleep.
 * Return: the channel with a reference, or ERR_PTR: -ENOENT: no such backend,
 *	-EOPNOTSUPP: it does not do this class, or what its init returned
 */
struct ferry_chan *ferry_chan_local(u32 class, const char *name, const char *args);

void ferry_chan_get(struct ferry_chan *chan);
void ferry_chan_put(struct ferry_chan *chan);

/**
 * ferry_chan_bind() - make a client instance the channel's one and only
 * @client: handed to @ops
 * @user_ns: ids in requests are those of this namespace; a reference is taken
 * Return: 0, -EBUSY: it has a client already, -ENOTCONN: it is dead
 */
int ferry_chan_bind(struct ferry_chan *chan, const struct ferry_client_ops *ops,
		    void *client, struct user_namespace *user_ns);

/**
 * ferry_chan_unbind() - the client instance goes away
 *
 * Fails what is still under way with -ENOTCONN, waits until no ->end(), late()
 * or dead() runs any more, and sends the servers home with -ENODEV. Does not
 * drop the caller's reference.
 */
void ferry_chan_unbind(struct ferry_chan *chan);

/**
 * ferry_chan_ready() - the INIT exchange is over; let the other requests go
 *
 * Until then ferry_call() waits and ferry_submit() puts requests aside, except
 * for FERRY_ARGS_INIT. With @err the channel dies instead.
 */
void ferry_chan_ready(struct ferry_chan *chan, int err);

/**
 * ferry_chan_abort() - the channel dies: all requests fail with -ENOTCONN
 *
 * Its client is told (ferry_client_ops.dead).
 * Context: may sleep
 */
void ferry_chan_abort(struct ferry_chan *chan);

/**
 * ferry_chan_is_left() - may the server be at work for a caller who has gone?
 * @node: with this node; 0: with any
 *
 * What the server then gives up by a request (FORGET, RELEASE) it might still be using: have
 * that wait until ferry_client_ops.late_over() is called. A caller who has come back from
 * ferry_call(), or a submitted request that has ended, is known here.
 * Context: any but interrupts; a leaf lock is taken
 * Return: false also if the channel is dead
 */
bool ferry_chan_is_left(struct ferry_chan *chan, u64 node);

/**
 * ferry_chan_left_since() - may one of ferry_client_ops.changes have come after another answer?
 * @node: as above
 * @asked: jiffies64 before that one was asked for
 *
 * What such an answer says is true, but may not be so any more.
 */
bool ferry_chan_left_since(struct ferry_chan *chan, u64 node, u64 asked);

bool ferry_chan_is_dead(const struct ferry_chan *chan);
bool ferry_chan_is_local(const struct ferry_chan *chan);

/** ferry_chan_is_rw() - its server reads and writes, and may know of FUSE only */
bool ferry_chan_is_rw(const struct ferry_chan *chan);
const char *ferry_chan_name(const struct ferry_chan *chan);

/**
 * ferry_chan_names() - of all backends that a request passes, filters first
 * @chan: as ferry_chan_local() has returned it, before anything else is done with it
 * @size: of @buf, more than 0
 */
void ferry_chan_names(const struct ferry_chan *chan, char *buf, size_t size);

/** ferry_chan_checks_access() - does its backend check permissions? @chan: as above */
bool ferry_chan_checks_access(const struct ferry_chan *chan);
u32 ferry_chan_id(const struct ferry_chan *chan);
u32 ferry_chan_queues(const struct ferry_chan *chan);	/* 0, as with the next: it never had a daemon */
u32 ferry_chan_depth(const struct ferry_chan *chan);

/**
 * struct ferry_backing_file - a file that a server registered to back one of its client's
 * @file: with a reference
 * @cred: of who registered it, with a reference
 * @deaths: servers that have died since
 */
struct ferry_backing_file {
	struct file		*file;
	const struct cred	*cred;
	unsigned int		deaths;
};

/**
 * ferry_chan_take_backing() - take over a file that an answer named
 * @chan: whose answer
 * @id: its number, spent hereby
 * @out: filled in
 * Return: 0 or -EINVAL: there is none
 */
int ferry_chan_take_backing(struct ferry_chan *chan, int id, struct ferry_backing_file *out);

/**
 * ferry_call() - ask and wait for the answer
 * @args: see there
 *
 * Context: process context, may sleep; locks may be held, but a server needs to
 *	answer meanwhile, so none that the server itself may want.
 * Return: 0; -EINTR: the caller was killed (a late answer goes to
 *	ferry_client_ops.late); -ENOTCONN: the channel is dead; -EIO: the reply
 *	did not fit the request; -ETIMEDOUT: the channel's deadline has passed; or what
 *	the server answered, -511..-1
 */
int ferry_call(struct ferry_chan *chan, struct ferry_args *args);

/**
 * ferry_submit() - ask; args->end() is told the answer
 *
 * The request bears no one's ids (FERRY_ARGS_NO_CRED).
 * Context: process context, may sleep: the server may be a function by now, and ->end() is
 *	called before it returns then. Allocates nothing.
 */
void ferry_submit(struct ferry_chan *chan, struct ferry_args *args);

/** ferry_submit_deferred() - go on with what ferry_args.defer() was given */
void ferry_submit_deferred(struct ferry_chan *chan, struct ferry_args *args);

/**
 * ferry_cancel() - give a submitted request up
 * @args: submitted, and kept by the caller from being submitted anew meanwhile
 * @err: what it ends with
 *
 * The server may answer whenever it likes, nobody will hear it.
 * Context: process context, does not sleep
 * Return: true: args->end() was called with @err; false: it was or will be called
 *	by somebody else, or the request cannot be had now
 */
bool ferry_cancel(struct ferry_chan *chan, struct ferry_args *args, int err);

/*
 * What a class and the core know of each other is in this header and those of the messages,
 * and Kbuild makes the name FERRY_CORE_API of their sum. A class that was built with others
 * wants a symbol that is not there, and is not loaded; kernels need not be built with
 * MODVERSIONS for that, and Debian's 7.3 is not. Once in each class, and in the core.
 */
#ifdef FERRY_CORE_API
extern const char FERRY_CORE_API;
#define FERRY_CLASS_MODULE()	\
	static const char *const core_api __used = &FERRY_CORE_API
#endif

#endif
