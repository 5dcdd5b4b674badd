/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a backend is, and what a request looks like from its side.
 *
 * A backend is one source file or a few that end in
 *
 *	FERRY_BACKEND(memfs, .fs = &memfs_ops);
 *
 * Compiled for user space this makes a shared object that ferryd loads;
 * compiled for the kernel it makes ferry-memfs.ko. See fs.h for the operations
 * of a filesystem, block.h for those of a disk; a backend may have both.
 *
 * A *server* is one instance of a backend: one mount, one disk. Operations of
 * one server are called from many threads at a time; a backend locks its own
 * data. Each operation answers its request exactly once, by one of the
 * ferry_reply_*() functions of its class, in the call or later from any thread.
 * Pointers that an operation is given (names, structs) are valid until it has
 * answered.
 */
#ifndef FERRY_BACKEND_H
#define FERRY_BACKEND_H

#include <ferry/env.h>

struct ferry_req;
struct ferry_fs_ops;
struct ferry_block_ops;
struct ferry_server;

/**
 * struct ferry_stream - where a server's state is saved to or loaded from; the host's
 * @move: write all of @len bytes, or read @len at most. How many; 0: the end; or -errno
 * @err: what the first move that failed said; nothing moves after it
 * @buf, @size: so that @move is not asked for each word; the rest is 0 at first
 * @len: bytes in @buf
 * @used: of those, when reading: how many have been
 */
struct ferry_stream {
	ssize_t (*move)(struct ferry_stream *stream, void *p, size_t len);
	int err;
	char *buf;
	size_t size;
	size_t len;
	size_t used;
};

/** ferry_stream_write() - append to the state; 0 or -errno, which lasts */
int ferry_stream_write(struct ferry_stream *stream, const void *p, size_t len);

/** ferry_stream_read() - read what comes next; 0 or -errno, which lasts; -EIO: the end */
int ferry_stream_read(struct ferry_stream *stream, void *p, size_t len);

/*
 * The same without a copy, for what there are many of. What they return is not aligned, and
 * good until the stream is used again.
 */
#define FERRY_STREAM_PIECE	4096	/* the most at a time; no host's buffer is smaller */

/** ferry_stream_room() - where the next @len bytes of the state are to be put; NULL: see @err */
void *ferry_stream_room(struct ferry_stream *stream, size_t len);

/** ferry_stream_next() - the @len bytes that come next; NULL: see @err */
const void *ferry_stream_next(struct ferry_stream *stream, size_t len);

/* Grows only at the end; ferry_backend.abi must be equal on both sides. */
#define FERRY_BACKEND_ABI	1

/* ferry_backend.flags */
#define FERRY_CHECKS_ACCESS	(1U << 0)	/* does its own permission checks; without it
						 * mounts get default_permissions, unless
						 * no_default_permissions is said */
#define FERRY_RECOVERS		(1U << 1)	/* another server of it may go on where one
						 * was killed: channels wait for it */
#define FERRY_STATELESS		(1U << 2)	/* a server knows nothing but its arguments:
						 * it can be saved and loaded without help */

/**
 * struct ferry_backend - what FERRY_BACKEND() defines
 * @abi: FERRY_BACKEND_ABI
 * @flags: FERRY_CHECKS_ACCESS, FERRY_RECOVERS, FERRY_STATELESS
 * @name: what users call it
 * @help: one line for `ferryd --help BACKEND`: its arguments
 * @fs: operations of the fs class, or NULL
 * @block: operations of the block class, or NULL
 * @save: write to @stream all that load() needs; no request is under way. NULL: a server
 *	can be saved if it is FERRY_STATELESS.
 * @load: called after init() (ferry_server_loads()), with the same arguments that the saved server had: become
 *	what it was. Node ids, lookup counts and handles stay. What stands in @stream may be
 *	anything: the server that wrote it may have been another user's.
 */
struct ferry_backend {
	u32 abi;
	u32 flags;
	const char *name;
	const char *help;
	const struct ferry_fs_ops *fs;
	const struct ferry_block_ops *block;
	int (*save)(struct ferry_server *server, struct ferry_stream *stream);
	int (*load)(struct ferry_server *server, struct ferry_stream *stream);
};

/**
 * struct ferry_server - one instance of a backend
 * @backend: whose
 * @args: a copy of its arguments, or NULL
 * @priv: the backend's own, set by its init()
 * @fs: settings of the fs class; init() may change them
 * @fs.max_write: bytes that one write request carries at most, 4 KiB to 4 MiB: the
 *	client sends up to 1 MiB unless mounted with max_write=
 * @fs.max_readahead: bytes
 * @fs.time_gran: granularity of time stamps in ns, 1 to 10^9
 * @fs.writeback: the client may cache writes and owns size and times meanwhile
 * @fs.stack_depth: files may be FERRY_OPEN_BACKED by such as lie on a filesystem that is
 *	stacked on less than so many others: 1 or 2; 0 for none. The mount counts as so
 *	many itself. Not with @fs.writeback.
 * @fs.minor: protocol minor that was negotiated; 0 before FUSE_INIT
 * @block: settings of the block class; init() must set the size and may change the
 *	others, which are then made to fit each other
 * @block.size: bytes, a multiple of the logical block size
 * @block.logical_block: the smallest piece that can be read or written, a power of 2
 *	from 512 to 4096; 512 before init()
 * @block.physical_block: the smallest piece that is written at once without reading
 *	what is around it; not below the logical block, and where init() sets 0 that
 * @block.io_min: preferred smallest transfer, 0: the physical block
 * @block.io_opt: preferred transfer, 0: none is better than others
 * @block.max_transfer: bytes of one read or write, 4 KiB to 1 MiB, which it is before
 * @block.depth: how many requests it likes to have at a time, 0: as the client likes
 * @block.read_only: nothing is written
 * @block.rotational: seeks are slow: a scheduler is worth its while
 * @block.fua: write() obeys FERRY_BLOCK_FUA; without it the client flushes
 * @block.discard: discard() is there and works; before init() if it is there
 * @block.write_zeroes: the same of write_zeroes()
 * @block.does_io: it waits for I/O of its own, on this host's files or disks. In
 *	kernel placement it is asked by a thread of its own then.
 * @block.flush: flush() is there and has something to do; before init() if it is there
 * @block.repeats: whatever it is asked may be done once more, by the next server: no request is a
 *	transaction, and what is in the state stays after init() as it is, but for words that mean
 *	something each by itself
 * @below: of a filter: the server that it stands before, see filter.h; else NULL
 * @above: the filter that stands before it, or NULL
 * @loads: before init(), of the first one in the row: load() follows, see ferry_server_loads()
 * @mounted: of a mount that a user process serves: its device, as stat() tells of what is on it;
 *	0: nobody knows. After init(), and before its first user can come.
 */
struct ferry_server {
	const struct ferry_backend *backend;
	char *args;
	void *priv;
	struct {
		u32 max_write;
		u32 max_readahead;
		u32 time_gran;
		bool writeback;
		u32 stack_depth;
		u32 minor;
	} fs;
	struct {
		u64 size;
		u32 logical_block;
		u32 physical_block;
		u32 io_min;
		u32 io_opt;
		u32 max_transfer;
		u32 depth;
		bool read_only;
		bool rotational;
		bool fua;
		bool discard;
		bool write_zeroes;
		bool does_io;
		bool flush;
		bool repeats;
	} block;
	struct ferry_server *below;
	struct ferry_server *above;
	bool loads;
	u64 mounted;
};

/**
 * ferry_server_loads() - in init(): will load() follow?
 *
 * It says then what the server before this one knew. So init() need not ask others for that, who
 * may be away, and what it sets in @block and @fs does not count.
 */
static inline bool ferry_server_loads(const struct ferry_server *server)
{
	while (server->above)
		server = server->above;
	return server->loads;
}

/** ferry_args_check() - ferry_opt_check() for a server's init(): says whose arguments they are */
int ferry_args_check(const struct ferry_server *server, const char *args,
		     const char *const *known);

/** struct ferry_iov - a piece of the backend's memory */
struct ferry_iov {
	void *base;
	size_t len;
};

/** ferry_req_server() - the server a request is for; never NULL */
struct ferry_server *ferry_req_server(const struct ferry_req *req);

/**
 * ferry_req_id() - the request's number, which no other one of its channel has. When the
 *	server died in the middle, the next one is given the request by the same number.
 *	0 where that does not happen.
 */
u64 ferry_req_id(const struct ferry_req *req);

/** struct ferry_cred - who asks; ids as the server's user namespace sees them */
struct ferry_cred {
	u32 uid;
	u32 gid;
	u32 pid;
};

/** ferry_req_cred() - who asks; valid until the request is answered */
const struct ferry_cred *ferry_req_cred(const struct ferry_req *req);

/**
 * ferry_req_data_len() - bytes of data that came with the request, or the room
 *	that there is for data in the reply
 */
u32 ferry_req_data_len(const struct ferry_req *req);

/**
 * ferry_req_pull() - copy data that came with the request into memory
 * @req: a request with incoming data (write, setxattr)
 * @offset: first byte, counted in the request's data
 * @iov: where to; the pieces are filled one after another
 * @nr_iov: how many. Give all of them in one call: where the data does not lie
 *	in memory already each call is a system call.
 * Context: may sleep; in kernel placement never faults on user memory, so locks
 *	may be held.
 * Return: bytes copied, less than asked for where the data ends; or -EFAULT,
 *	-ENODEV: the client has gone away
 */
ssize_t ferry_req_pull(struct ferry_req *req, u64 offset,
		       const struct ferry_iov *iov, unsigned int nr_iov);

/**
 * ferry_req_push() - append data to the reply
 * @req: a request with outgoing data (read, readdir, getxattr)
 * @iov: what; it is copied before the call returns
 * @nr_iov: how many pieces
 * Context: as ferry_req_pull()
 * Return: bytes appended, less than given where the room ends; or -errno
 */
ssize_t ferry_req_push(struct ferry_req *req, const struct ferry_iov *iov,
		       unsigned int nr_iov);

/**
 * ferry_req_skip() - let all of the reply's data count as given, without giving it
 *
 * Who reads finds what was in its memory before. That may be anything, if the memory is the
 * page cache's: only for who wants to measure all but the copy, and says so.
 * Return: false: that cannot be, in user placement never: answer with data
 */
bool ferry_req_skip(struct ferry_req *req);

/**
 * ferry_req_transfer() - move data between the request and a file of this process
 * @req: a request with data: what came with it is written to the file, or the reply's
 *	data goes on with what is read from it
 * @fd: a file descriptor, open for that
 * @pos: where in the file
 * @len: how many bytes; of data that came with it, the first
 *
 * As pread() or pwrite() and ferry_req_push() or ferry_req_pull() do it, but long data
 * does not pass through this process at all.
 * Context: may sleep, for as long as the file takes
 * Return: bytes moved, less than @len where data, room or file end or the disk is
 *	full; -EOPNOTSUPP: there are no descriptors here (kernel placement); or -errno
 */
ssize_t ferry_req_transfer(struct ferry_req *req, int fd, u64 pos, size_t len);

/**
 * ferry_req_pull_file() - write data that came with the request to a file of the host
 * @off: where in the file the request's first byte goes to; all of them follow
 * @sync: return when it is safe
 *
 * As ferry_req_pull() and ferry_file_write(), with fewer copies; in user space, as
 * ferry_req_transfer().
 * Return: bytes, or -errno
 */
ssize_t ferry_req_pull_file(struct ferry_req *req, struct ferry_file *file, u64 off, bool sync);

/**
 * ferry_req_push_file() - append a piece of a file of the host to the reply
 * @off: where it begins in the file
 * @len: bytes; no more than there is room for in the reply
 *
 * As ferry_file_read() and ferry_req_push(), with fewer copies; in user space, as
 * ferry_req_transfer().
 * Return: bytes, less at the end of the file; or -errno
 */
ssize_t ferry_req_push_file(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len);

/**
 * ferry_reply_data() - answer a read with pieces of memory, and what was pushed before
 * @iov: may be NULL with @nr_iov 0. The memory is copied before the call
 *	returns, so a lock that covers it can be dropped then.
 */
void ferry_reply_data(struct ferry_req *req, const struct ferry_iov *iov,
		      unsigned int nr_iov);

/**
 * ferry_reply_err() - answer with an error, or with success and what was pushed
 * @err: 0 or -errno, -511 at the least; anything else becomes -EIO
 */
void ferry_reply_err(struct ferry_req *req, int err);

/*
 * FERRY_BACKEND(name, .fs = &ops, ...): define this source's backend. In user
 * space it is the exported symbol `ferry_backend`; in the kernel it comes with
 * module init and exit, licence and alias.
 */
#ifdef __KERNEL__
#include <linux/module.h>

int ferry_backend_register(const struct ferry_backend *backend, struct module *owner);
void ferry_backend_unregister(const struct ferry_backend *backend);

#define FERRY_BACKEND(_name, ...)						\
	static const struct ferry_backend ferry_backend_##_name = {		\
		.abi = FERRY_BACKEND_ABI, .name = #_name, __VA_ARGS__		\
	};									\
	static int __init ferry_##_name##_init(void)				\
	{									\
		return ferry_backend_register(&ferry_backend_##_name, THIS_MODULE); \
	}									\
	static void __exit ferry_##_name##_exit(void)				\
	{									\
		ferry_backend_unregister(&ferry_backend_##_name);		\
	}									\
	module_init(ferry_##_name##_init);					\
	module_exit(ferry_##_name##_exit);					\
	MODULE_DESCRIPTION("ferry backend: " #_name);				\
	/* With a version comes srcversion, which tells of which build it is. */ \
	MODULE_VERSION("abi" __stringify(FERRY_BACKEND_ABI));			\
	MODULE_LICENSE("Dual MIT/GPL")
#else
#define FERRY_BACKEND(_name, ...)						\
	__attribute__((visibility("default")))					\
	extern const struct ferry_backend ferry_backend;			\
	const struct ferry_backend ferry_backend = {				\
		.abi = FERRY_BACKEND_ABI, .name = #_name, __VA_ARGS__		\
	}
#endif

#endif
