/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A server that talks to /dev/ferry itself, and lies where it is told to.
 *
 * Its filesystem: "file" (8192 bytes), "dir" (empty), "link" -> "target". What it
 * says is never to be cached, so that each call of the client reaches it. A directory
 * that is made has a node, and is not found afterwards.
 *
 * A lie is asked about each request, in the server's process; it answers the
 * request as badly as it likes and returns true, or returns false for the honest
 * answer. CHECKs work there: the server's exit status is looked at in the end.
 */
#ifndef ROGUE_H
#define ROGUE_H

#include <linux/ferry.h>
#include <linux/fuse.h>
#include <signal.h>

#include "../claim.h"
#include "ring.h"

enum style { RW, SYNC, POLL, URING };

enum { ROOT = 1, FILE_NODE = 2, DIR_NODE = 3, LINK_NODE = 4, NEW_NODE = 5, FILE_SIZE = 8192 };

/**
 * struct request - one request that was fetched
 * @head: its header
 * @arg: structs and names behind it
 * @arg_len: bytes of them
 * @room: of a request with data: its bytes, or the room for data in the reply
 * @tag: all but rw: its slot
 */
struct request {
	struct fuse_in_header head;
	const char *arg;
	size_t arg_len;
	size_t room;
	unsigned int tag;
};

/**
 * struct answer - a reply, right or wrong
 * @error: as it goes into the header or the descriptor
 * @structs: fixed structs, @structs_len bytes
 * @data: what a read or readdir carries, @data_len bytes
 * @claim_len: rw: out_header.len is this much greater than the truth
 */
struct answer {
	int error;
	const void *structs;
	size_t structs_len;
	const void *data;
	size_t data_len;
	int claim_len;
};

struct rogue;
typedef bool (*lie_fn)(struct rogue *r, const struct request *req);

/**
 * struct rogue - a server and its mount on "mnt"
 * @style: how it is served
 * @fd: /dev/ferry; in the server's process
 * @pid: the server; 0 in its own process
 * @lie: see above
 * @id: of the channel
 * @geo, @map: all but rw: the queues' memory, in the server's process
 * @ring: uring: one command at a time; in the server's process
 * @no_kick: poll: answer without telling a client that sleeps
 * @told: how many lies were told; seen on both sides
 * @page: ROGUE_PAGE bytes, zero at first, that all processes see: the claim's own
 */
struct rogue {
	enum style style;
	int fd;
	pid_t pid;
	lie_fn lie;
	unsigned int id;
	struct ferry_geometry geo;
	char *map;
	char *buf;
	struct ring ring;
	bool no_kick;
	volatile int *told;
	void *page;
};

/** rogue_data_size - bytes of data that a slot holds; more goes by XFER */
extern unsigned int rogue_data_size;
/** rogue_tells_cpu - poll: it says where it spins; else that no client runs there */
extern bool rogue_tells_cpu;

#define ROGUE_PAGE	8192

/** rogue_open() - /dev/ferry, or the claim is skipped */
int rogue_open(void);
/** rogue_setup() - an argument for CREATE that is in order */
struct ferry_setup rogue_setup(enum style style);
/** rogue_succession() - an argument for ATTACH by the number of a channel */
struct ferry_setup rogue_succession(unsigned int id);
/** rogue_mount_fd() - mount(2) of an endpoint on @dir; -1 and errno if it fails */
int rogue_mount_fd(int fd, const char *dir);

/** rogue_start() - a server that lies, and its mount on "mnt" */
struct rogue rogue_start(enum style style, lie_fn lie);
/** rogue_start_as() - the same with an argument for CREATE of one's own */
struct rogue rogue_start_as(struct ferry_setup setup, enum style style, lie_fn lie);
/** rogue_next() - a server in the place of the dead one; it serves when this returns */
void rogue_next(struct rogue *r, lie_fn lie);
/** rogue_end() - umount; the server sees -ENODEV, ends, and had nothing to complain of */
void rogue_end(struct rogue *r);
/** rogue_await() - until the server has told @nr lies; a client may have its answer sooner */
void rogue_await(const struct rogue *r, int nr);
/**
 * rogue_kill() - the server dies of SIGKILL and is gone when this returns
 *
 * One that has exited before had nothing to complain of.
 */
void rogue_kill(struct rogue *r);

/* In the server's process. */

/** rogue_fetch() - next request; false when the client is gone */
bool rogue_fetch(struct rogue *r, struct request *req);
/** rogue_answer() - 0, or the errno that the kernel refused the answer with */
int rogue_answer(struct rogue *r, const struct request *req, const struct answer *a);
/** rogue_reply() - the same for an answer that is structs alone, @len bytes at @p */
int rogue_reply(struct rogue *r, const struct request *req, const void *p, size_t len);
/** rogue_be_honest() - the right answer */
void rogue_be_honest(struct rogue *r, const struct request *req);
/** rogue_answer_init() - the right answer to INIT; @passthrough: it backs files */
void rogue_answer_init(struct rogue *r, const struct request *req, bool passthrough);
/** rogue_xfer() - FERRY_IOC_XFER: bytes moved, or -1 and errno */
int rogue_xfer(struct rogue *r, const struct request *req, unsigned int flags, uint64_t offset,
	       void *buf, size_t len);
/** rogue_call() - FERRY_IOC_SYNC, in uring by its ring: what it returns, or -errno */
int rogue_call(struct rogue *r, unsigned long arg);
/** rogue_desc(), rogue_slot(), rogue_box() - all but rw: what is shared */
struct ferry_desc *rogue_desc(struct rogue *r, unsigned int tag);
char *rogue_slot(struct rogue *r, unsigned int tag);
struct ferry_box *rogue_box(struct rogue *r);
/** rogue_init() - what INIT may be answered with: 4 KiB are read ahead, 64 KiB written */
struct fuse_init_out rogue_init(uint32_t flags);
struct fuse_attr rogue_attr(uint64_t node);
struct fuse_entry_out rogue_entry(uint64_t node);

/* In the client's process. */

/**
 * rogue_try() - @op in a process of its own, that is to end within @seconds
 * Return: the errno that @op left, 0 if it returned 0
 */
int rogue_try(int (*op)(void), unsigned int seconds);
/** rogue_client() - starts @op in a process of its own; what fails without errno is EPROTO */
pid_t rogue_client(int (*op)(void));
/** rogue_state() - what a process is at: the letter in its stat file */
char rogue_state(pid_t pid);
/** rogue_dies() - @pid is there, and soon dies of a SIGKILL */
void rogue_dies(pid_t pid);
/** rogue_ends() - the same, but it may have ended before; returns how it did */
int rogue_ends(pid_t pid);

/** rogue_await_sleep() - until @pid sleeps, which it does for its server */
void rogue_await_sleep(pid_t pid);
/**
 * rogue_await_waiting() - until @pid waits, and not for the server: that has answered all the rest
 * @ready: @pid sets it before it does what it will wait for; false afterwards
 */
void rogue_await_waiting(pid_t pid, volatile bool *ready);

/** rogue_gone() - @pid has ended within patience(@seconds), with *@status */
bool rogue_gone(pid_t pid, int *status, double seconds);
/** rogue_status() - how @pid ended, which it must within @seconds; @what: for the complaint */
int rogue_status(pid_t pid, unsigned int seconds, const char *what);
/** rogue_unharmed() - @pid, a client, ends within ten seconds, and noticed nothing */
void rogue_unharmed(pid_t pid);

int op_stat_file(void);
int op_read_file(void);
int op_read_direct(void);
int op_write_direct(void);
int op_open_file(void);
int op_list(void);
int op_list_dir(void);
int op_readlink(void);
int op_statfs(void);
int op_write_file(void);
int op_map_file(void);
int op_unlink(void);
int op_mkdir(void);
int op_truncate(void);

/**
 * struct wait - a request that a client waits for
 * @opcode: of the request
 * @op: what the client does
 * @what: its name
 */
struct wait {
	uint32_t opcode;
	int (*op)(void);
	const char *what;
};

/** rogue_waits - all of them; the last has no @op */
extern const struct wait rogue_waits[];

/** rogue_waiting() - starts a client, and sees that it waits for what the first lie keeps */
pid_t rogue_waiting(const struct rogue *r, const struct wait *w);

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* NAME(style) tried for both; for use in a table of claims by BOTH("what", NAME). */
#define IN_BOTH_STYLES(fn)						\
	static void fn##_rw(void) { fn(RW); }				\
	static void fn##_sync(void) { fn(SYNC); }
#define BOTH(text, fn)							\
	{ "rw: " text, fn##_rw }, { "sync: " text, fn##_sync }

/* In all four, by EACH(); in those whose queues are memory, by EACH_MAPPED(). */
#define IN_EACH_STYLE(fn)						\
	static void fn##_rw(void) { fn(RW); }				\
	IN_EACH_MAPPED(fn)
#define IN_EACH_MAPPED(fn)						\
	static void fn##_sync(void) { fn(SYNC); }			\
	static void fn##_poll(void) { fn(POLL); }			\
	static void fn##_uring(void) { fn(URING); }
#define EACH(text, fn)							\
	{ "rw: " text, fn##_rw }, EACH_MAPPED(text, fn)
#define EACH_MAPPED(text, fn)						\
	{ "sync: " text, fn##_sync }, { "poll: " text, fn##_poll },	\
	{ "uring: " text, fn##_uring }

#endif
