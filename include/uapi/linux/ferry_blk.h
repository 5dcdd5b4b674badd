/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * ferry's block class: the messages of a disk's channel, and how disks are made.
 *
 * A channel of FERRY_CLASS_BLOCK is a disk's. Its messages are a struct
 * fuse_in_header with an opcode of enum ferry_blk_opcode, nodeid 0 and ids 0, and
 * one struct; offsets and lengths are bytes. Requests are independent of each other
 * and may be answered in any order; the client orders by FLUSH and FUA.
 *
 * The first request is FERRY_BLK_INIT, and its answer says what the disk is like.
 * Only then does the disk come to be; nothing else is asked before it was answered.
 */
#ifndef _UAPI_LINUX_FERRY_BLK_H
#define _UAPI_LINUX_FERRY_BLK_H

#include <linux/ferry.h>

/**
 * enum ferry_blk_opcode - what is asked of a disk's server
 * @FERRY_BLK_INIT: in struct ferry_blk_init_in, out struct ferry_blk_init_out
 * @FERRY_BLK_READ: in struct ferry_blk_io; data of the reply: all of @length bytes,
 *	anything else is -EIO
 * @FERRY_BLK_WRITE: in struct ferry_blk_io and @length bytes of data; no reply struct
 * @FERRY_BLK_FLUSH: writes that were answered are safe now; nothing in, nothing out
 * @FERRY_BLK_DISCARD: in struct ferry_blk_io; the content does not matter any more
 * @FERRY_BLK_WRITE_ZEROES: in struct ferry_blk_io; reads give zeros from now on
 * @FERRY_BLK_RESIZE: in struct ferry_blk_resize, @size 0: as large as what lies
 *	under it by now; out the same struct with the size that the disk has
 */
enum ferry_blk_opcode {
	FERRY_BLK_INIT		= 1,
	FERRY_BLK_READ		= 2,
	FERRY_BLK_WRITE		= 3,
	FERRY_BLK_FLUSH		= 4,
	FERRY_BLK_DISCARD	= 5,
	FERRY_BLK_WRITE_ZEROES	= 6,
	FERRY_BLK_RESIZE	= 7,
};

/** FERRY_BLK_VERSION: of these messages, told by both sides in FERRY_BLK_INIT */
#define FERRY_BLK_VERSION	1

#define FERRY_BLK_TRANSFER_MAX	(1U << 20)	/* bytes of one READ or WRITE at most */

/**
 * struct ferry_blk_init_in
 * @version: FERRY_BLK_VERSION of the client
 * @max_transfer: bytes of data that it puts into one request at most
 */
struct ferry_blk_init_in {
	__u32	version;
	__u32	max_transfer;
};

/* struct ferry_blk_init_out.flags */
#define FERRY_BLK_READ_ONLY	(1U << 0)	/* no WRITE will be taken */
#define FERRY_BLK_ROTATIONAL	(1U << 1)
#define FERRY_BLK_HAS_FLUSH	(1U << 2)	/* there is a cache that FLUSH empties */
#define FERRY_BLK_HAS_FUA	(1U << 3)	/* FERRY_BLK_FUA is obeyed */
#define FERRY_BLK_HAS_DISCARD	(1U << 4)
#define FERRY_BLK_HAS_ZEROES	(1U << 5)	/* WRITE_ZEROES */
#define FERRY_BLK_DOES_IO	(1U << 6)	/* kernel placement: it waits for I/O of its
						 * own, so ask it from a thread of its own */

/**
 * struct ferry_blk_init_out - what a disk is like
 * @version: that of the client or a lower one
 * @flags: FERRY_BLK_READ_ONLY ... FERRY_BLK_DOES_IO; others are -EPROTO
 * @size: a multiple of @logical_block
 * @logical_block: a power of 2 from 512 to 4096
 * @physical_block: a power of 2, not below @logical_block
 * @io_min: preferred smallest transfer, a multiple of @physical_block
 * @io_opt: preferred transfer, a multiple of @io_min, or 0
 * @max_transfer: bytes of one READ or WRITE, a multiple of 4096, up to the client's
 * @depth: how many requests it likes to have at a time; 0: as the client likes
 * @reserved: 0
 */
struct ferry_blk_init_out {
	__u32	version;
	__u32	flags;
	__u64	size;
	__u32	logical_block;
	__u32	physical_block;
	__u32	io_min;
	__u32	io_opt;
	__u32	max_transfer;
	__u32	depth;
	__u32	reserved[4];
};

/* struct ferry_blk_io.flags, of WRITE and WRITE_ZEROES */
#define FERRY_BLK_FUA		(1U << 0)	/* answer when it is safe */
#define FERRY_BLK_KEEP		(1U << 1)	/* WRITE_ZEROES: keep the room allocated */

/**
 * struct ferry_blk_io - a piece of the disk
 * @offset: where it begins
 * @length: how long it is; both are multiples of the logical block size
 * @flags: FERRY_BLK_FUA, FERRY_BLK_KEEP
 * @reserved: 0
 */
struct ferry_blk_io {
	__u64	offset;
	__u64	length;
	__u32	flags;
	__u32	reserved;
};

struct ferry_blk_resize {
	__u64	size;
};

/*
 * Disks are made and taken away through /dev/ferryblk, which is root's and wants
 * CAP_SYS_ADMIN. A disk is /dev/ferryb<index>. It goes when it is deleted or its
 * server is dead, whichever comes first; who still has it open gets -EIO from then
 * on, as from a disk that was pulled out. Its name is free again after the last close.
 *
 * All of these can be killed; what a call that was killed has begun is undone or
 * brought to its end by the kernel.
 *
 * FERRY_BLK_IOC_ADD: a disk of the channel that @fd serves, or of a backend in the
 *	kernel. Returns when it can be opened and its partitions have been looked for.
 *	-EBUSY: that channel has a disk; -EINVAL: @fd is no block server's, or a
 *	parameter is out of range; -EPROTO: the server's answer to INIT makes no
 *	sense; -ENOENT: no such backend; -EOPNOTSUPP: it is none of disks;
 *	-ENOTCONN: the server died; or what the backend said to its arguments.
 *	The caller may be the server's process but not its only thread: requests have
 *	to be answered meanwhile.
 * FERRY_BLK_IOC_DEL: -ENODEV: no such disk; -EBUSY: it is open, unless
 *	FERRY_BLK_DEL_FORCE is given. Returns when it is gone.
 * FERRY_BLK_IOC_RESIZE: ask the server. -EOPNOTSUPP: it cannot; -EINVAL: the size is
 *	0 blocks or no whole number of them; or what it says.
 */
#define FERRY_BLK_DISK_MAX	(1U << 16)	/* disks */
#define FERRY_BLK_DEPTH_MAX	4096
#define FERRY_BLK_TIMEOUT_MAX	86400
#define FERRY_BLK_SERIAL_MAX	64		/* with the terminating NUL */
#define FERRY_BLK_ARGS_MAX	4096		/* with the terminating NUL */
#define FERRY_BLK_NAMES_MAX	256		/* of names; with the terminating NUL */

/**
 * struct ferry_blk_add - argument of FERRY_BLK_IOC_ADD
 * @size: in: sizeof(struct ferry_blk_add); another one is -EPROTO
 * @abi: in: FERRY_ABI
 * @fd: in: a file that is an endpoint of the channel; -1: use @backend
 * @index: out: the disk's number
 * @backend: in: name of a backend in the kernel, NUL-terminated
 * @args: in: address of its arguments, NUL-terminated, or 0. With @fd: of the names of what
 *	serves the disk, as "delay+ramdisk", for sysfs; 0: that of the channel
 * @flags: in: FERRY_BLK_READ_ONLY and FERRY_BLK_ROTATIONAL are added to the server's
 * @logical_block, @physical_block, @io_min, @io_opt: in: in place of the server's, whose
 *	logical block they may not be below; 0: as it says
 * @depth: in: requests of a hardware queue at a time, at most FERRY_BLK_DEPTH_MAX;
 *	0: what the server likes, or its queues hold
 * @timeout: in: seconds until a request fails with -ETIMEDOUT, at most
 *	FERRY_BLK_TIMEOUT_MAX; 0: 30
 * @serial: in: NUL-terminated, shown by sysfs and used for a name in
 *	/dev/disk/by-id; of letters, digits, '-', '_' and '.'; may be empty
 */
struct ferry_blk_add {
	__u32	size;
	__u32	abi;
	__s32	fd;
	__u32	index;
	char	backend[FERRY_NAME_MAX];
	__u64	args;
	__u32	flags;
	__u32	logical_block;
	__u32	physical_block;
	__u32	io_min;
	__u32	io_opt;
	__u32	depth;
	__u32	timeout;
	__u32	reserved;
	char	serial[FERRY_BLK_SERIAL_MAX];
};

/* struct ferry_blk_del.flags */
#define FERRY_BLK_DEL_FORCE	(1U << 0)	/* although it is open: requests fail */

/** struct ferry_blk_del - argument of FERRY_BLK_IOC_DEL */
struct ferry_blk_del {
	__u32	index;
	__u32	flags;
};

/**
 * struct ferry_blk_set_size - argument of FERRY_BLK_IOC_RESIZE
 * @index: in: the disk
 * @reserved: 0
 * @bytes: in: what it is to have, 0: all of what lies under it; out: what it has
 *
 * The server is asked for one size at a time: who asks waits for the one before. -EINTR: the
 * caller was killed; the disk will have the size all the same, when the server has answered.
 */
struct ferry_blk_set_size {
	__u32	index;
	__u32	reserved;
	__u64	bytes;
};

#define FERRY_BLK_IOC_ADD	_IOWR(FERRY_IOC_MAGIC, 0x21, struct ferry_blk_add)
#define FERRY_BLK_IOC_DEL	_IOW(FERRY_IOC_MAGIC, 0x22, struct ferry_blk_del)
#define FERRY_BLK_IOC_RESIZE	_IOWR(FERRY_IOC_MAGIC, 0x23, struct ferry_blk_set_size)

#endif /* _UAPI_LINUX_FERRY_BLK_H */
