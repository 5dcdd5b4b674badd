/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks, from inside.
 *
 * Life of a disk. A work item adds it to the system and another one takes it away, for
 * both may wait for requests (partitions are looked for, pages are written back), and
 * the task that asks for it may be the server's own: killed while it waited in the
 * block layer it would keep the server's files open, and the requests would never be
 * failed. So it only waits for the work item, and can be killed.
 *
 * Removal begins once: by DEL, by the death of the server, or by whoever wanted to add
 * the disk and could not. The work of removal owns the disk and drops the channel and
 * the gendisk, which stays until the last close and keeps struct and name that long.
 * Calls that have looked a disk up hold all three.
 *
 * Locks, in the order in which they may be taken:
 *	ferry_resize.ask_lock	mutex	asking the server for a size
 *	gendisk.open_mutex	mutex	openers, against DISK_REMOVING
 *	disks_lock		mutex	the table of disks
 *	ferry_resize.size_lock	mutex	setting a size; taken by server's threads
 */
#ifndef FERRY_KMOD_BLOCK_H
#define FERRY_KMOD_BLOCK_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <uapi/linux/ferry_blk.h>

#include "core/chan.h"

/**
 * struct ferry_resize - a disk's RESIZE, one at a time
 * @ask_lock: guards the beginning of one, @in and, while @over, what is below it
 * @over: none is under way
 * @args, @out: the core's while one is
 * @err: of the last one
 * @size_lock: guards the disk's size and @unheard
 * @unheard: of the last one that was asked for there was no answer
 */
struct ferry_resize {
	struct mutex		ask_lock;
	struct completion	over;
	struct ferry_args	args;
	struct ferry_blk_resize	in;
	struct ferry_blk_resize	out;
	int			err;
	struct mutex		size_lock;
	bool			unheard;
};

/**
 * struct ferry_disk - a disk and the channel to its server
 * @chan: with a reference until @gone, as @gd
 * @gd: allocated before the disk is in the table; in the system from @added on, if
 *	@err is 0, until removal
 * @wq: where requests are submitted while the server is in the kernel and waits for I/O of
 *	its own, for whoever submits may hold what that needs; NULL: it does not
 * @read_only: its server or its maker says so
 * @state: DISK_*
 * @added: @add_work is through
 * @gone: @remove_work is through: no request, no server, no way to open it
 * @err: of @add_work, valid from @added on
 * @resize: resize.c's own
 * @names: of the backends that serve it, filters first
 */
struct ferry_disk {
	struct ferry_chan	*chan;
	struct gendisk		*gd;
	struct workqueue_struct	*wq;
	u32			index;
	u32			logical_block;
	bool			read_only;
	unsigned long		state;
	struct kref		ref;
	struct blk_mq_tag_set	tags;

	struct work_struct	add_work;
	struct work_struct	remove_work;
	struct completion	added;
	struct completion	gone;
	int			err;
	struct ferry_resize	resize;
	char			serial[FERRY_BLK_SERIAL_MAX];
	char			names[FERRY_BLK_NAMES_MAX];
};

/* Bits of ferry_disk.state */
enum {
	DISK_PUBLISHED,		/* in the table: removal may begin */
	DISK_REMOVING,		/* it has begun; who opens gets -ENXIO */
};

/* disk.c */
int ferry_disk_add(struct ferry_chan *chan, const struct ferry_blk_add *how, const char *names,
		   u32 *index);
int ferry_disk_del(u32 index, bool force);
int ferry_disk_resize(u32 index, u64 *bytes);
int ferry_disk_init(void);
void ferry_disk_exit(void);

/* geometry.c */
int ferry_geometry_ask(struct ferry_chan *chan, struct ferry_blk_init_out *geo);
int ferry_geometry_apply(struct ferry_blk_init_out *geo, const struct ferry_blk_add *how);
struct gendisk *ferry_geometry_alloc(const struct ferry_blk_init_out *geo,
				     struct blk_mq_tag_set *tags, void *data);

/* resize.c */
void ferry_resize_init(struct ferry_disk *disk);
int ferry_resize_ask(struct ferry_disk *disk, u64 *bytes);
void ferry_resize_late(void *client, const struct ferry_late *late);

/* queue.c */
int ferry_tags_alloc(struct ferry_disk *disk, u32 depth, u32 timeout, bool rotational);

/* control.c */
int ferry_control_init(void);
void ferry_control_exit(void);

#endif
