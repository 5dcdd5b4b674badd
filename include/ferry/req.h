/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A request as the dispatcher sees it. For the hosts (libferry's loops,
 * kmod/core/local.c) and lib/dispatch; backends see it through functions. Not installed.
 *
 * The host fills in everything above "reply" and calls ferry_dispatch(). The
 * dispatcher checks the message, calls the backend's operation, and the
 * ferry_reply_*() that it ends in fills in "reply" and calls @host->done, once.
 * done() may be called before ferry_dispatch() returns or later, from any
 * thread; from then on the request belongs to the host again.
 */
#ifndef FERRY_REQ_H
#define FERRY_REQ_H

#include <ferry/backend.h>

/**
 * struct ferry_req_host - what differs between the placements
 * @pull: as ferry_req_pull()
 * @push: as ferry_req_push(); called in order of the bytes
 * @transfer: as ferry_req_transfer(); NULL in kernel placement
 * @backing: register a descriptor of this process as the file of an open reply: its
 *	number above 0, or -errno; NULL in kernel placement
 * @transfer_file: as ferry_req_pull_file(), or ferry_req_push_file() if the request's data
 *	goes that way; @sync is the former's. NULL: the data goes through memory.
 * @later: call @fn after @us microseconds, in a thread of the host's, and do what it does
 *	around ferry_dispatch() around that. NULL: who calls ferry_req_later() sleeps
 * @done: the request is answered, see struct ferry_req "reply"
 * @control: answer a request of the core's own (FERRY_OP_CORE); may be NULL
 * @skips: ferry_req_skip() works
 * @data_max: most bytes of data in the reply to a request that changes something, where
 *	the reply must outlive the server; 0: as many as there is room for
 */
struct ferry_req_host {
	ssize_t (*pull)(struct ferry_req *req, u64 offset,
			const struct ferry_iov *iov, unsigned int nr_iov);
	ssize_t (*push)(struct ferry_req *req, const struct ferry_iov *iov,
			unsigned int nr_iov);
	ssize_t (*transfer)(struct ferry_req *req, int fd, u64 pos, size_t len);
	int (*backing)(struct ferry_req *req, int fd);
	ssize_t (*transfer_file)(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len,
				 bool sync);
	void (*later)(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req));
	void (*done)(struct ferry_req *req);
	void (*control)(struct ferry_req *req);
	bool skips;
	u32 data_max;
};

#define FERRY_REQ_IN		3
#define FERRY_REQ_OUT		2

/**
 * struct ferry_req - one request
 * @host: the placement's functions
 * @server: whose; while a filter lets it through, the one below. Not kept by the host.
 * @class: enum ferry_class
 * @opcode: of the class
 * @unique: the message's id
 * @node: the node it is about
 * @cred: who asks
 * @in: the message's fixed struct and names, in order. A host that has the
 *	message in one piece gives it as in[0] with @nr_in 1 and lets
 *	ferry_dispatch() split it; a host that has the parts gives the parts.
 *	Names end in NUL, which counts in len. in[0] and @out are aligned to 8.
 * @nr_in: how many; 0 if the opcode has no arguments
 * @out: room for the reply's structs, in order. A host that wants them in one
 *	piece gives @nr_out 1; the dispatcher then puts one behind the other.
 * @nr_out: how many
 * @data_len: bytes of data that came with it, or room for data in the reply
 * @data_in: data came with it
 * @error: reply: 0 or -errno
 * @out_len: reply: bytes of structs written, over all of @out
 * @pushed: reply: bytes of data pushed
 * @no_reply: the opcode has no reply (FORGET); done() is called all the same
 * @answered: set when done() was called, for the assertion that it is once
 * @arg: the dispatcher's own: the operation's arguments in the form that the backend
 *	is given, which must live as long as the request
 */
struct ferry_req {
	const struct ferry_req_host *host;
	struct ferry_server *server;
	u32 class;
	u32 opcode;
	u64 unique;
	u64 node;
	struct ferry_cred cred;
	struct {
		const void *p;
		u32 len;
	} in[FERRY_REQ_IN];
	u32 nr_in;
	struct {
		void *p;
		u32 len;
	} out[FERRY_REQ_OUT];
	u32 nr_out;
	u32 data_len;
	bool data_in;

	/* reply */
	int error;
	u32 out_len;
	u32 pushed;
	bool no_reply;
	bool answered;

	u64 arg[13];
};

/**
 * ferry_dispatch() - give a request to its backend
 * @req: see above
 *
 * A message that is too short, has no NUL where a name must end, or an unknown
 * opcode is answered with -EINVAL or -ENOSYS; the backend never sees it.
 */
void ferry_dispatch(struct ferry_req *req);

/**
 * enum ferry_change - what a request does to its server
 * @FERRY_CHANGE_NONE: nothing that is seen but by its own answer
 * @FERRY_CHANGE_BYTES: it changes bytes in place, perhaps more
 * @FERRY_CHANGE_ALL: anything
 */
enum ferry_change {
	FERRY_CHANGE_NONE,
	FERRY_CHANGE_BYTES,
	FERRY_CHANGE_ALL,
};

/** ferry_req_change() - what the request, not dispatched yet, does to its server */
enum ferry_change ferry_req_change(const struct ferry_req *req);

/**
 * ferry_server_init() - make a server of @backend
 * @server: zeroed memory
 * @class: enum ferry_class; -EOPNOTSUPP if the backend has no operations of it
 * @args: for the backend's init, may be NULL
 * Return: 0, -EPROTO: the backend was built for another FERRY_BACKEND_ABI, or
 *	what its init said
 */
int ferry_server_init(struct ferry_server *server, const struct ferry_backend *backend,
		      u32 class, const char *args);
void ferry_server_destroy(struct ferry_server *server, u32 class);

/** ferry_server_stop() - nobody waits for answers any more: let there be some soon */
void ferry_server_stop(struct ferry_server *server, u32 class);

/**
 * ferry_source_args() - take BACKEND[:ARGS] apart
 * @name_len: out: length of BACKEND, which ends @source or is followed by ':' or, where it
 *	is a filter without options of its own, by '+'
 * Return: ARGS, part of @source, beginning with that '+'; or NULL
 */
const char *ferry_source_args(const char *source, size_t *name_len);

/**
 * ferry_backend_get() - the host's: the backend of that name, loaded if need be
 * @above: the filter that is to stand before it
 * @backend: out, to be given back by ferry_backend_put()
 * Return: 0; -ENOENT: there is none; or -errno, after a line in the log
 */
int ferry_backend_get(const struct ferry_server *above, const char *name,
		      const struct ferry_backend **backend);
void ferry_backend_put(const struct ferry_backend *backend);

/**
 * ferry_filter_names() - "delay+ramdisk": who sees a request to @server, the first one first
 * @size: of @buf, more than 0; names that it has no room for are left out
 */
void ferry_filter_names(const struct ferry_server *server, char *buf, size_t size);

/**
 * ferry_server_save() - write all that another server of the backend needs to go on
 *
 * No request is under way. Return: 0, -EOPNOTSUPP: the backend cannot, or -errno
 */
int ferry_server_save(struct ferry_server *server, u32 class, struct ferry_stream *stream);

#define FERRY_ARGS_MAX	4096	/* bytes of a server's arguments with their NUL */

/** ferry_stream_is_saved() - reads the begin of @stream: is it of ferry_server_save()? */
bool ferry_stream_is_saved(struct ferry_stream *stream);

/**
 * ferry_server_load() - make a server that goes on where the saved one stopped
 * @server: zeroed memory
 * Return: as ferry_server_init(); -EPROTO: @stream was not written by the same backend,
 *	class and version; -EIO: it ends early
 */
int ferry_server_load(struct ferry_server *server, const struct ferry_backend *backend,
		      u32 class, struct ferry_stream *stream);

#endif
