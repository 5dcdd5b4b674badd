/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * ferry: the line between the kernel and a server.
 *
 * This header is the contract. It says what a server process may do with
 * /dev/ferry, what it finds in the memory that it maps, and what it may expect
 * when something goes wrong. Documentation/protocol.rst tells the same as a
 * story, with pictures of the sequences.
 *
 *
 * Objects
 * =======
 *
 * A *channel* ties one client instance (a mount, a disk) to its server. It has
 * a class, which says what the messages in it mean, and one or more *queues*.
 * A queue has `depth` *slots*; a slot carries one request to the server and
 * its reply back. Slots are numbered through over all queues of a channel:
 * that number is the slot's *tag*, tag = queue * depth + index in the queue.
 *
 * A server thread opens /dev/ferry and makes the file an endpoint of a queue,
 * once: of a new channel by FERRY_IOC_CREATE, of an existing one by
 * FERRY_IOC_ATTACH, which takes a file of that channel as its credential.
 * Every endpoint may answer every request of its channel; the queue only says
 * where it looks for work first. When the last endpoint of a channel is
 * closed, the server counts as dead.
 *
 * Death and the next server
 * =========================
 *
 * What happens then is the channel's policy, ferry_setup.on_death. With
 * FERRY_DEATH_FAIL the channel is dead: requests fail with -ENOTCONN. With
 * FERRY_DEATH_REISSUE it is detached: its clients see nothing but a delay, for
 * ferry_setup.grace seconds at most. With FERRY_DEATH_KERNEL too, and the module starts
 * a program that attaches, answers what was left, and moves the channel into the
 * kernel, where it stays. Meanwhile a new server may attach by the
 * channel's number (FERRY_IOC_ATTACH with fd -1). It finds
 *   - the mapped queues as the dead server left them: its notes (geo.note_off) and
 *     its marks (desc.mark), which the kernel never touches;
 *   - the memory file that the dead server gave the channel to keep, if it did;
 *   - each request that was fetched and not answered, once more: same tag, same
 *     `unique`, FERRY_DESC_AGAIN in its descriptor. Message and data in the slot are
 *     as the dead server left them, the reply half too. Reply data that was moved by
 *     FERRY_IOC_XFER counts as not moved. A request that 16 servers have died of
 *     fails with -EIO instead.
 * Where the kernel starts the next one (FERRY_DEATH_KERNEL), the channel is dead when 16 in a
 * row have died before they asked for a request.
 * A server that must not execute a request twice writes its `unique` to desc.mark
 * when it has executed it and the descriptor's reply half is complete, and looks at
 * the mark of each request that comes AGAIN: if it is the request's own, the reply
 * is there, to be given at once.
 *
 * Messages
 * ========
 *
 * A request is a struct fuse_in_header followed by the fixed structs and the
 * NUL-terminated names of its opcode, as <linux/fuse.h> lays them out. In the
 * fs class (FERRY_CLASS_FS) opcodes and structs *are* those of the FUSE
 * protocol, 7.38, negotiated by FUSE_INIT as ever; those of the block class
 * (FERRY_CLASS_BLOCK) are described in <linux/ferry_blk.h>. A request may have *data*
 * beside its message, in one direction: what a write carries, or the room that
 * a read has. in_header.len counts message and data that goes to the server.
 *
 * A reply is the fixed structs of its opcode, and data, and an error code:
 * 0, or a negative errno between -1 and -511 (the kernel's own codes beyond are
 * refused: the request fails with -EIO). With an error there is nothing else. Where a
 * reply is written to a file (style rw) it is led by a struct fuse_out_header, elsewhere
 * the slot's descriptor takes that place.
 *
 * Styles
 * ======
 *
 * rw: FERRY_CREATE_RW was given, or the file was mounted without any ioctl.
 *   read() takes one request, message and data in one piece; write() gives one
 *   reply. Byte for byte what /dev/fuse does, with its errors: read() returns
 *   -EINVAL when the buffer is below 8 KiB, -ENODEV when the client is gone, and
 *   fails a request that is larger than the buffer with -EIO, -ENOENT when the one
 *   that was being read has been taken back (read again); write() returns
 *   -ENOENT for an unknown `unique`, -EINVAL for a reply whose length does not
 *   fit. There is nothing to map. An opcode without reply (FORGET) is done with
 *   when it has been read.
 *
 * sync: the server maps its queues and then spends its life in
 *   ioctl(fd, FERRY_IOC_SYNC, arg), which answers one request and waits for the
 *   next in one call. Short messages and data travel in the slot. Long data is
 *   moved by FERRY_IOC_XFER between the request's pages and any memory of the
 *   server's, in one copy, or a file of the server's, whose bytes it then never sees.
 *   The slot of an opcode without reply (FORGET) is given back like any other, with
 *   error 0 and nothing else.
 *
 * poll: as sync, but both sides look before they sleep, and no system call is made
 *   while both are awake.
 *   - The server writes FERRY_BOX_SPINNING into its queue's box (if nobody else spins
 *     there: compare-and-swap from FERRY_BOX_NONE) and the CPU it runs on beside it.
 *     After a full barrier it looks at box.pending: if that is not 0 it takes the box
 *     back and asks by FERRY_SYNC_POLL. Then it reads the box until the kernel has
 *     put a tag there: that request is the server's. To stop, it swaps SPINNING for
 *     NONE; where that fails, a tag has come.
 *   - It answers by filling the descriptor's reply half, and then writing 1 to
 *     desc.done (release). After a full barrier it reads desc.wait: if that is not 0,
 *     the client sleeps, and FERRY_SYNC_KICK makes the kernel look at desc.done.
 *   - The client reads desc.done for a bounded time before it sets desc.wait and,
 *     after a full barrier and one more look, sleeps.
 *
 * uring: as sync, but FERRY_IOC_SYNC is a command of io_uring: IORING_OP_URING_CMD on the
 *   endpoint, sqe->cmd_op = FERRY_IOC_SYNC, in sqe->cmd the argument as a __u64, and 8 bytes
 *   of 0 behind it. What the ioctl would return is the completion's res.
 *   - Many commands may be under way. One that waits takes one request, from any queue of
 *     the channel, the endpoint's own first; so one io_uring_enter() answers as many
 *     requests as it submits commands for, and returns as many as there are.
 *   - -ECANCELED: a command that waited has been taken back: its ring or its task goes,
 *     or its process has closed a descriptor of the endpoint's file. A request that had
 *     been given to it and not been seen goes to another server. Closing a ring takes
 *     up to a second to come to that on kernels before 6.7, exec() too.
 *   - -EINVAL: a command that waits and has others linked behind it (IOSQE_IO_LINK). They
 *     could not know its tag, and some kernels' exit goes round until it is gone.
 *   - Some kernels refuse commands in a ring with IORING_SETUP_IOPOLL: -EOPNOTSUPP.
 *   What is sync's is uring's too: a server may use both on one channel.
 *
 * The queue mapping
 * =================
 *
 * mmap(NULL, geo.queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
 *      (off_t)queue * geo.queue_size) maps one queue. It holds a struct
 * ferry_box at geo.box_off, `depth` descriptors (struct ferry_desc) from geo.desc_off on,
 * and `depth` slots of geo.slot_size bytes from geo.slot_off on. In a slot:
 *
 *   [0, req_size)                    request message
 *   [rep_off, rep_off + rep_size)    reply structs
 *   [data_off, data_off + data_size) data that fits
 *
 * The kernel keeps nothing in that memory that it relies on. It writes request
 * and descriptor before it hands a slot over, and reads the descriptor's reply
 * half once when the slot comes back. A server that scribbles elsewhere in the
 * mapping harms the clients of its own channel and no one else.
 *
 * Change log
 * ==========
 *  ABI 1: first version.
 *  ABI 2: FERRY_OP_SAVE gives the state in a file, by FERRY_MOVE_SAVED; ferry_move.held_ns;
 *	FERRY_NOTE_SIZE was 1024; ferry_geometry.inline_max was 0; FERRY_DEATH_KERNEL;
 *	ferry_setup.flags with FERRY_IOC_ATTACH; FERRY_MOVE_LAST.
 */
#ifndef _UAPI_LINUX_FERRY_H
#define _UAPI_LINUX_FERRY_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * FERRY_ABI: version of this contract, and of <linux/ferry_blk.h>. It goes up when one side
 * could misunderstand the other's. A module refuses any other with -EPROTO.
 */
#define FERRY_ABI		2

#define FERRY_NAME_MAX		32	/* with the terminating NUL */

/* Limits of a channel's shape; what is asked for beyond them is -EINVAL. */
#define FERRY_QUEUES_MAX	256
#define FERRY_DEPTH_MAX		1024
#define FERRY_TAGS_MAX		65536		/* nr_queues * depth */
#define FERRY_DATA_MAX		(1U << 22)	/* bytes of data of a request, and of a slot's
						 * data area */

/**
 * enum ferry_class - what the messages of a channel mean
 * @FERRY_CLASS_FS: a mounted filesystem; messages are FUSE 7.38
 * @FERRY_CLASS_BLOCK: a disk; messages are those of enum ferry_blk_opcode
 */
enum ferry_class {
	FERRY_CLASS_FS		= 1,
	FERRY_CLASS_BLOCK	= 2,
};

/**
 * struct ferry_geometry - shape of a channel's queues
 * @nr_queues: queues
 * @depth: slots of a queue
 * @queue_size: bytes of one queue's mapping, a multiple of the page size
 * @desc_off: where the descriptors begin in the mapping
 * @slot_off: where slot 0 begins in the mapping, page aligned
 * @slot_size: bytes from one slot to the next, page aligned
 * @req_size: bytes of a slot's request area, which begins at offset 0
 * @rep_off: where a slot's reply area begins
 * @rep_size: bytes of the reply area
 * @data_off: where a slot's data area begins, page aligned
 * @data_size: bytes of the data area
 * @box_off: where the queue's struct ferry_box is in the mapping
 * @note_off: where FERRY_NOTE_SIZE bytes of the server's own are in the mapping: all
 *	zero in a new channel, never touched by the kernel
 * @inline_max: bytes of a request's data that go through the data area, at most
 *	@data_size; what is longer is left to FERRY_IOC_XFER, which copies it once and not
 *	twice. A reply's data may lie there if the room for it is @data_size at most. With
 *	FERRY_CREATE_RW 0.
 */
struct ferry_geometry {
	__u32	nr_queues;
	__u32	depth;
	__u32	queue_size;
	__u32	desc_off;
	__u32	slot_off;
	__u32	slot_size;
	__u32	req_size;
	__u32	rep_off;
	__u32	rep_size;
	__u32	data_off;
	__u32	data_size;
	__u32	box_off;
	__u32	note_off;
	__u32	inline_max;
};

#define FERRY_NOTE_SIZE		8192

/**
 * enum ferry_death - what becomes of a channel whose server died
 * @FERRY_DEATH_FAIL: it is dead too
 * @FERRY_DEATH_REISSUE: it waits for another server, who is given all requests that
 *	have not been answered; not with FERRY_CREATE_RW
 * @FERRY_DEATH_KERNEL: the same, and the module runs `ferry recover --to kernel`, of its
 *	parameter `rescue`, until somebody has attached; `--to user`, if the last move into
 *	the kernel failed and had to send the server home before. CAP_SYS_ADMIN is needed (-EPERM),
 *	all its servers had it, too (see FERRY_MOVE_KERNEL);
 *	-ENOENT: there is no such backend in the kernel, -EOPNOTSUPP: it cannot go on
 *	where another one stopped. Its module stays as long as the channel.
 */
enum ferry_death {
	FERRY_DEATH_FAIL	= 0,
	FERRY_DEATH_REISSUE	= 1,
	FERRY_DEATH_KERNEL	= 2,
};

#define FERRY_GRACE_MAX		86400	/* seconds */
#define FERRY_TIMEOUT_MAX	86400	/* seconds */

/* struct ferry_setup.flags for CREATE */
#define FERRY_CREATE_RW		(1U << 0)	/* served by read() and write() */
#define FERRY_CREATE_POLL	(1U << 1)	/* its servers spin before they sleep; for lists */
#define FERRY_CREATE_URING	(1U << 2)	/* its servers wait in io_uring; for lists */

/**
 * struct ferry_setup - argument of FERRY_IOC_CREATE and FERRY_IOC_ATTACH
 * @size: in: sizeof(struct ferry_setup)
 * @abi: in: FERRY_ABI; out: the module's
 * @class: CREATE in: enum ferry_class; ATTACH out
 * @flags: CREATE in: FERRY_CREATE_*; ATTACH out: those of the channel; in, with @fd -1:
 *	FERRY_CREATE_POLL or FERRY_CREATE_URING, if the new server waits so
 * @id: out, and in for ATTACH with @fd -1: the channel's number, unique while the
 *	module is loaded
 * @fd: ATTACH in: a file that is an endpoint of the channel; or -1 for the detached
 *	channel with the number @id
 * @queue: ATTACH in: the queue that this file looks at first; CREATE makes the
 *	file an endpoint of queue 0
 * @state_fd: CREATE in: a file in memory (memfd) that the channel keeps for the next
 *	server, or -1; ATTACH with @fd -1 out: a new descriptor of it, close-on-exec, or -1
 * @on_death: CREATE in: enum ferry_death; ATTACH out
 * @grace: CREATE in: seconds that requests wait for the next server, 1 to
 *	FERRY_GRACE_MAX, 0 with FERRY_DEATH_FAIL; ATTACH out
 * @timeout: CREATE in: seconds after which a request that was not answered fails with
 *	-ETIMEDOUT, whatever its server does; 0: it waits for ever; ATTACH out
 * @reserved: 0
 * @name: CREATE in: the backend's name, NUL-terminated, shown in lists; of
 *	letters, digits, '-', '_' and '.'; ATTACH out
 * @geo: out; CREATE in: @geo.nr_queues, @geo.depth, @geo.data_size and @geo.inline_max say
 *	what is wanted (0: the module's choice; one queue for each CPU that is online), the rest 0
 */
struct ferry_setup {
	__u32	size;
	__u32	abi;
	__u32	class;
	__u32	flags;
	__u32	id;
	__s32	fd;
	__u32	queue;
	__s32	state_fd;
	__u32	on_death;
	__u32	grace;
	__u32	timeout;
	__u32	reserved;
	char	name[FERRY_NAME_MAX];
	struct ferry_geometry geo;
};

/* struct ferry_desc.flags, written by the kernel */
#define FERRY_DESC_DATA_IN	(1U << 0)	/* data goes to the server */
#define FERRY_DESC_DATA_OUT	(1U << 1)	/* data is wanted from the server */
#define FERRY_DESC_IN_SLOT	(1U << 2)	/* DATA_IN: it lies in the data area;
						 * otherwise pull it by XFER */
#define FERRY_DESC_AGAIN	(1U << 3)	/* another server had it, and died */

/**
 * struct ferry_desc - what the two sides say about a slot's contents
 * @flags: kernel: FERRY_DESC_*
 * @req_len: kernel: bytes of the request message in the request area
 * @data_len: kernel: bytes of data that come with the request, or room for data
 *	in the reply
 * @wait: kernel: nobody looks at @done; tell by FERRY_SYNC_KICK
 * @error: server: 0 or -errno
 * @rep_len: server: bytes of reply structs in the reply area
 * @rep_data: server: bytes of reply data in the slot's data area, behind those
 *	that FERRY_IOC_XFER has moved already
 * @done: server, style poll: the reply is complete; the kernel clears it with each
 *	request
 * @mark: the server's own: `unique` of the last request here that it has executed. Zero
 *	in a new channel, never touched by the kernel.
 * @pad: fills the cache line
 */
struct ferry_desc {
	__u32	flags;
	__u32	req_len;
	__u32	data_len;
	__u32	wait;
	__s32	error;
	__u32	rep_len;
	__u32	rep_data;
	__u32	done;
	__u64	mark;
	__u32	pad[6];
};

/* Values of ferry_box.box that are no tag. */
#define FERRY_BOX_NONE		0xffffffffU
#define FERRY_BOX_SPINNING	0xfffffffeU

/**
 * struct ferry_box - where a server that spins at a queue is given a request
 * @box: FERRY_BOX_NONE: nobody looks here; FERRY_BOX_SPINNING, written by a server:
 *	it looks here; a tag, written by the kernel in place of SPINNING: its owner
 *	takes it and writes NONE or SPINNING again
 * @cpu: server: where it spins
 * @pending: kernel: requests that wait in this queue for FERRY_SYNC_POLL or _WAIT
 * @pad: fills the cache line
 */
struct ferry_box {
	__u32	box;
	__u32	cpu;
	__u32	pending;
	__u32	pad[13];
};

/*
 * FERRY_IOC_SYNC: answer and wait. The argument is a number, not a pointer: a
 * tag in the low 24 bits, and what to do with it. The return value is the tag
 * of the next request when FERRY_SYNC_WAIT or FERRY_SYNC_POLL is given, else 0.
 *
 * Errors:
 *  -EINVAL: no such tag, unknown bits, a descriptor or reply that does not fit
 *	its opcode (the request then has been failed with -EIO: answered)
 *  -ENOENT: the slot holds no request that waits for an answer (not with
 *	FERRY_SYNC_KICK: then the client has seen it already)
 *  -EAGAIN: FERRY_SYNC_POLL and no request is there
 *  -EINTR: a signal came while waiting; a reply given in the same call is done
 *  -ENODEV: the client is gone; nothing more will come
 *  -ENOTCONN: the file is no endpoint
 *  -EOPNOTSUPP: the channel is served by read() and write()
 */
#define FERRY_SYNC_TAG		0x00ffffffUL
#define FERRY_SYNC_REPLY	0x40000000UL	/* the tag's descriptor holds a reply */
#define FERRY_SYNC_WAIT		0x20000000UL	/* then wait for the next request */
#define FERRY_SYNC_POLL		0x10000000UL	/* then take the next if there is one */
#define FERRY_SYNC_KICK		0x08000000UL	/* the tag's descriptor may be `done` */

/* struct ferry_xfer.flags */
#define FERRY_XFER_PULL		(1U << 0)	/* request's data -> server's memory */
#define FERRY_XFER_PUSH		(1U << 1)	/* server's memory -> reply's data */
#define FERRY_XFER_FD		(1U << 2)	/* with one of them: a file takes the
						 * memory's place */

/**
 * struct ferry_xfer - argument of FERRY_IOC_XFER
 * @tag: a slot whose request this server has fetched and not answered
 * @flags: FERRY_XFER_PULL or FERRY_XFER_PUSH, maybe with FERRY_XFER_FD
 * @offset: first byte, counted from the begin of the request's data (PULL) or of
 *	the reply's (PUSH). PUSH goes on where the last one ended: anything else
 *	is -EINVAL, so that no byte of a reply is left unwritten.
 * @iov: address of an array of struct iovec; with FERRY_XFER_FD 0
 * @nr_iov: its length, at most 1024; with FERRY_XFER_FD 0
 * @fd: FERRY_XFER_FD: a regular file or block device of the server's, which PULL
 *	writes to and PUSH reads from, as pwrite() and pread() would; else 0
 * @pos: FERRY_XFER_FD: where in that file; else 0
 * @len: FERRY_XFER_FD: how many bytes; else 0
 *
 * Returns the number of bytes moved, which is less than asked for where the
 * data or the file ends, or an error of the file comes in between. While a file is
 * read or written the request can be neither answered nor moved by another call
 * (-ENOENT); its caller can be killed.
 *
 * -EINVAL, -ENOENT, -ENODEV as FERRY_IOC_SYNC; -EFAULT: the server's memory is not
 * there, or is no ordinary memory. With FERRY_XFER_FD what the file's read or write
 * fails with, and -EBADF: @fd is not open, or not for that; -EINVAL: it is neither
 * regular file nor block device; -ELOOP: it lies on the very mount that is served, or is
 * the very disk or a partition of it;
 * -EOPNOTSUPP: this request's data is not in pages that would outlive its caller
 * (it is short, or the kernel's own): use memory.
 */
struct ferry_xfer {
	__u32	tag;
	__u32	flags;
	__u64	offset;
	__u64	iov;
	__u32	nr_iov;
	__s32	fd;
	__u64	pos;
	__u64	len;
};

/*
 * Passthrough. A server may answer FUSE_OPEN and FUSE_CREATE with a backing file: a regular
 * file of its own, which the kernel reads, writes and maps for that open file from then
 * on, with the credentials of the thread that registered it and without asking the server.
 * All else (attributes, locks, truncation, FLUSH, RELEASE) is asked for as ever.
 *
 * Both sides agree on it by FUSE_INIT, as FUSE 7.40 does: FERRY_FUSE_PASSTHROUGH in flags2
 * (with FUSE_INIT_EXT in flags), and how many filesystems deep the mount counts from now
 * on, 1 or 2, in the word behind the reply's flags2: backing files must lie on
 * filesystems that count for less. With FUSE_WRITEBACK_CACHE there is none of it.
 *
 * A file is in one mode for all who have it open. While some have it without a backing
 * file, through the page cache, an open with one is served as if it had none; while
 * some have it with one, an open without goes past the page cache (FOPEN_DIRECT_IO), and
 * cannot map. So the server must be ready to be asked for data all the same.
 */
#define FERRY_FUSE_PASSTHROUGH	(1U << 5)	/* in flags2 */
#define FERRY_OPEN_PASSTHROUGH	(1U << 7)	/* in open_flags */

/**
 * struct ferry_open_out - struct fuse_open_out with a backing file
 * @fh: as ever
 * @open_flags: FOPEN_*; FERRY_OPEN_PASSTHROUGH: @backing_id is one
 * @backing_id: from FERRY_IOC_BACKING, spent by this answer; -EIO for the
 *	client if there is none of that number, or it is not open for what the client's is
 */
struct ferry_open_out {
	__u64	fh;
	__u32	open_flags;
	__s32	backing_id;
};

/**
 * struct ferry_backing - argument of FERRY_IOC_BACKING
 * @fd: in: a regular file that is to back the file of an open reply; -1: @id is not
 *	wanted any more
 * @id: out: its number, above 0; in, with @fd -1
 *
 * Registered files are given back with the channel, or when their server was moved; or, where it
 * has died and others follow, with the sixteenth of these, so that an answer that a dead server
 * left counts.
 * Errors: -EBADF: @fd is not open, or neither for reading nor for writing; -EINVAL: it is
 * no regular file, or there is nothing of number @id; -ELOOP: it lies on the mount that is
 * served, or too deep; -EMFILE: more than RLIMIT_NOFILE of them wait to be named;
 * -EOPNOTSUPP: not agreed on; -ENOTCONN: no endpoint, or no mount yet
 */
struct ferry_backing {
	__s32	fd;
	__s32	id;
};

#define FERRY_IOC_MAGIC		0xfe
#define FERRY_IOC_CREATE	_IOWR(FERRY_IOC_MAGIC, 0x01, struct ferry_setup)
#define FERRY_IOC_ATTACH	_IOWR(FERRY_IOC_MAGIC, 0x02, struct ferry_setup)
#define FERRY_IOC_SYNC		_IO(FERRY_IOC_MAGIC, 0x03)
#define FERRY_IOC_XFER		_IOW(FERRY_IOC_MAGIC, 0x04, struct ferry_xfer)
#define FERRY_IOC_BACKING	_IOWR(FERRY_IOC_MAGIC, 0x05, struct ferry_backing)

/**
 * enum ferry_move_to - what FERRY_IOC_MOVE does
 * @FERRY_MOVE_KERNEL: the backend of the channel's name inside the kernel goes on, which
 *	opens what its arguments name as the kernel does: -EPERM where one of the channel's
 *	servers so far had no CAP_SYS_ADMIN (in the initial user namespace)
 * @FERRY_MOVE_USER: a server goes on that attaches by the channel's number within the
 *	grace time (30 s, where the channel has none). -EPERM as above, but for who made
 *	the channel
 * @FERRY_MOVE_KEEP: nobody moves: @ferry_move.fd, or nothing if that is -1, takes the
 *	place of the file that the channel keeps for the next server
 * @FERRY_MOVE_SAVED: nobody moves yet: @ferry_move.fd has what FERRY_OP_SAVE asked for
 * @FERRY_MOVE_LAST: nobody moves: the channel keeps nothing any more, and where this server dies
 *	no other one could go on. A channel that was FERRY_DEATH_FAIL before FERRY_MOVE_USER
 *	made it wait for a server is so again; @ferry_move.fd is -1
 */
enum ferry_move_to {
	FERRY_MOVE_KERNEL	= 0,
	FERRY_MOVE_USER		= 1,
	FERRY_MOVE_KEEP		= 2,
	FERRY_MOVE_SAVED	= 3,
	FERRY_MOVE_LAST		= 4,
};

/**
 * struct ferry_move - argument of FERRY_IOC_MOVE
 * @size: sizeof(struct ferry_move)
 * @to: enum ferry_move_to
 * @id: the channel's number; 0 with FERRY_MOVE_KEEP, _SAVED and _LAST, which are for an endpoint
 * @fd: a file in memory (memfd); with FERRY_MOVE_KERNEL and _USER: empty, a server inside
 *	the kernel saves its state to it
 * @held_ns: out, with FERRY_MOVE_KERNEL and _USER: for how long new requests have waited;
 *	after _USER they go on to do so until the next server answers them
 *
 * New requests wait, those under way end, the server saves its state (FERRY_OP_SAVE)
 * and is sent home with -ENODEV; one that does not go within 2 s is killed. Clients see
 * a delay. CAP_SYS_ADMIN is needed but for FERRY_MOVE_KEEP, _SAVED and _LAST.
 *
 * Errors: -ENOENT: no such channel; -ENOTCONN: it has no server; -EALREADY: it is in the
 * kernel; -EOPNOTSUPP: a backend that cannot save or load, or style rw; -ETIMEDOUT:
 * requests under way did not end within 10 s, or saving within 60 s; -EAGAIN: it begins
 * only just; -EBUSY: threads of the daemon that was there before have still to go; -EINTR;
 * -EBADF (it is not open for both reading and writing), -EMEDIUMTYPE: of @fd; -ENOMEM: there
 * is no room for what the server knows once more; or what saving failed with, or, with
 * FERRY_MOVE_KERNEL, loading: nothing has changed then. FERRY_MOVE_SAVED: -EINVAL: nobody has
 * asked, or does not wait any more.
 * The backend in the kernel loads while the old server is there. Where that one has a block
 * device for itself, or memory that is needed, it is sent home before; if the state does not load
 * even then the channel is detached, and a server may attach.
 */
struct ferry_move {
	__u32	size;
	__u32	to;
	__u32	id;
	__s32	fd;
	__u64	held_ns;
};

#define FERRY_IOC_MOVE		_IOWR(FERRY_IOC_MAGIC, 0x06, struct ferry_move)

/*
 * Opcodes from here on are the core's own, in every class.
 *
 * FERRY_OP_SAVE: the server writes its state to a file in memory, gives that to the channel
 * by FERRY_MOVE_SAVED, and answers. Nothing beside the header goes either way. It is
 * sent when no other request is under way. The state's form is libferry's affair, but both
 * placements of a backend must agree on it.
 */
#define FERRY_OP_CORE		0x01000000U
#define FERRY_OP_SAVE		0x01000000U

#endif /* _UAPI_LINUX_FERRY_H */
