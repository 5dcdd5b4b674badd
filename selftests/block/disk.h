/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A disk's server that talks to /dev/ferry itself, and lies where it is told to.
 *
 * It is a process of two threads, as a daemon is: one serves, one asks for the disk. The
 * disk has DISK_SIZE bytes of memory and one partition. A lie is asked about each
 * request, in the serving thread; it answers as badly as it likes, or not at all, and
 * returns true, or returns false for the honest answer.
 */
#ifndef DISK_H
#define DISK_H

#include <linux/ferry_blk.h>
#include <linux/fuse.h>

#include "../claim.h"

#define DISK_SIZE	(4 << 20)
#define PART_START	2048		/* sectors */

struct server;

/*
 * RW is read() and write(); the others answer in slots: POLL without a system call if it may,
 * URING by commands in a ring.
 */
enum style { RW, SYNC, POLL, URING };

/**
 * struct request - one that was fetched
 * @io: its struct, where it has one of this kind
 * @tag: its slot; not of RW
 */
struct request {
	struct fuse_in_header head;
	struct ferry_blk_io io;
	const char *data;
	unsigned int tag;
};

typedef bool (*lie_fn)(struct server *s, const struct request *req);

/**
 * struct shared - what both sides see
 * @told: lies that were told; @index, @err: what ADD gave, valid with @added
 * @second: the errno of another ADD with the same channel
 * @honest: from now on
 * @id: of the channel
 * @writes, @fua, @flushes: WRITEs, those with FERRY_BLK_FUA, and FLUSHes; counted by lies
 */
struct shared {
	volatile int told;
	volatile int added;
	volatile int err;
	volatile int index;
	volatile int second;
	volatile int honest;
	volatile unsigned int id;
	volatile int writes;
	volatile int fua;
	volatile int flushes;
};

/**
 * struct server
 * @style: server_style when it was made
 * @grace: seconds that its disk waits for server_next(), 0: it goes with the server; not of RW
 * @pid: of the process; 0 in it
 * @fd: /dev/ferry; in the process
 * @geo, @map: not of RW: the queue's memory; in the process
 * @buf: room for a request with its data; in the process
 * @init: its answer to INIT, for lies to change before
 * @how: what ADD is given
 */
struct server {
	enum style style;
	unsigned int grace;
	pid_t pid;
	int fd;
	struct ferry_geometry geo;
	char *map;
	char *buf;
	lie_fn lie;
	struct shared *shared;
	struct ferry_blk_init_out init;
	struct ferry_blk_add how;
	char *disk;
};

/** server_style - of those that are made from now on */
extern enum style server_style;

/** server_new() - one that is in order, not started */
struct server server_new(lie_fn lie);
/** server_new_later() - the same, of one that does not lie before its disk is there */
struct server server_new_later(lie_fn lie);
/** server_start_then() - one of those, and its disk is there: @index */
struct server server_start_then(lie_fn lie, int *index);
/** server_start() - let it run; it asks for its disk */
void server_start(struct server *s);
/** server_wait_added() - the disk's number, or -errno that ADD gave */
int server_wait_added(struct server *s);
/** server_wait_told() - until @nr lies were told */
void server_wait_told(struct server *s, int nr);
/** server_kill() - SIGKILL; it is gone within 2 s */
void server_kill(struct server *s);
/** server_next() - another one, which tells @s->lie, in the place of the one that was killed */
void server_next(struct server *s);
/** server_end() - its disk was removed: it ends by itself */
void server_end(struct server *s);
/** server_end_disk() - remove its disk, and it ends */
void server_end_disk(struct server *s, int index);
/** server_answer() - reply with @len bytes at @p; 0 or the errno of the refusal */
int server_answer(struct server *s, const struct request *req, int error, const void *p,
		  size_t len);

/** uring_fetch() - the next request's slot, or -1 and errno */
int uring_fetch(struct server *s);
/** uring_answer() - FERRY_IOC_SYNC with @arg, which does not wait; 0 or its errno */
int uring_answer(struct server *s, unsigned long arg);

/** control() - an ioctl of /dev/ferryblk; 0 or -1 and errno */
int control(unsigned long request, void *arg);
int disk_del(int index, bool force);
/** disk_open() - /dev/ferryb@index, with O_DIRECT */
int disk_open(int index);
/** disk_resize() - 0 or -1 and errno */
int disk_resize(int index, unsigned long long bytes);
/** disk_sectors() - how many /sys/block has it have */
long long disk_sectors(int index);
/** disk_wait_gone() - /sys/block has it no more within 5 s */
void disk_wait_gone(int index);

#endif
