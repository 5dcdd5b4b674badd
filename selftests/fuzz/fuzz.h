/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A server at random: each thing it does is a mutation of what a server does. Nothing is
 * claimed of what its clients get; the kernel stays whole, and whatever is killed dies.
 *
 * A run consists of rounds. A round is a channel, served by one or two processes of a few
 * threads, used by a few clients, and ended in one of several ways. All that it does
 * follows from its number and FERRY_TEST_SEED; what the scheduler makes of that does not.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <linux/ferry_blk.h>
#include <linux/fuse.h>

#include "../claim.h"

enum style { SYNC, POLL, URING, RW };

/**
 * struct round - one channel; in memory that all its processes share
 * @number: seeds all that happens
 * @class: enum ferry_class
 * @style: how most of its servers work; all but RW do each other's work too
 * @setup: what CREATE was given, and gave
 * @fd: an endpoint of the server that serves now, in its process; -1: it is none yet
 * @done: mutations, of all servers
 * @target: of them; then the round ends
 * @seconds: the longest that it lasts before it is ended
 * @go: there is a client: requests may come
 * @stop: servers are to go home
 * @calm: answers are honest
 * @disk: block: its number, once ADD has given it; -1
 */
struct round {
	uint64_t number;
	uint32_t class;
	enum style style;
	struct ferry_setup setup;
	volatile int fd;
	unsigned long done;
	unsigned long target;
	double seconds;
	volatile int go;
	volatile int stop;
	volatile int calm;
	volatile int disk;
};

/**
 * struct request - one that a server has fetched
 * @head: its header
 * @arg: structs and names behind it; at least 4096 bytes, whatever it has
 * @room: bytes of data that may be in the answer
 * @in: bytes of data that came with it
 */
struct request {
	struct fuse_in_header head;
	const char *arg;
	size_t room;
	size_t in;
};

/**
 * struct reply - what a server means to say
 * @structs: REPLY_STRUCTS bytes, of which @structs_len count; @data alike, DATA_SIZE bytes
 */
struct reply {
	int error;
	char *structs;
	size_t structs_len;
	char *data;
	size_t data_len;
};

#define REPLY_STRUCTS	1024
#define DATA_SIZE	(1 << 20)
#define NODES		64
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Random numbers; each thread has a state of its own. */

uint32_t below(uint64_t *rng, uint32_t n);
bool one_in(uint64_t *rng, uint32_t n);
/** odd32(), odd64() - numbers that code gets wrong, more often than others */
uint32_t odd32(uint64_t *rng);
uint64_t odd64(uint64_t *rng);
/** mangle() - change up to @times words of @len bytes at @p */
void mangle(uint64_t *rng, void *p, size_t len, unsigned int times);

/** reply_make() - an answer that makes sense; @backing: a number for passthrough, or 0 */
void reply_make(uint64_t *rng, const struct round *r, const struct request *req, int backing,
		struct reply *reply);
/** reply_mutate() - the same, wrong */
void reply_mutate(uint64_t *rng, struct reply *reply);

/** serve() - a server's process; the first one makes the channel */
void serve(struct round *r, unsigned int process) __attribute__((noreturn));
/** use_fs(), use_disk() - a client's process */
void use_fs(struct round *r, unsigned int process) __attribute__((noreturn));
void use_disk(struct round *r, unsigned int process) __attribute__((noreturn));

#endif
