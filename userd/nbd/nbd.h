/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * nbd, from inside. A disk has one connection or a few, each with a thread. Whoever serves
 * a request sends it itself, by the connection whose turn it is; the connection's thread
 * takes the replies, and answers.
 *
 * A connection that is lost is made again, and what it had not answered is sent again.
 * That is safe as far as the protocol can make it: a command that the lost connection's
 * server still has in hand is done before, or it is the same bytes to the same place.
 *
 * What was answered and not flushed is not sent again: it may have been lost with the connection,
 * as the server may have been, with its cache. So a flush goes only by a connection to which all was
 * answered that is not safe yet, or, if the server promises that its connections see each other's
 * writes, by one that was up before any of it was. Where there is none the flush fails, and with
 * that it is told: the next one stands for what came later. When it is us who dies there is nothing
 * to tell, as the server goes on.
 *
 * The size is one of a connection's, from its begin to its end. Where a resize finds that the export
 * has grown those that are too old send nothing any more, and are made anew when they have got all
 * of their answers; so of that nothing is sent twice.
 *
 * Locks, in the order in which they may be taken:
 *	nbd_conn.lock		all but what follows
 *	libnbd's, of a handle	around the completion callback
 *	nbd_conn.done_lock	the list of completed jobs
 *	nbd_disk.safe_lock	what is safe
 * nbd_disk.lock is never held together with any of them.
 */
#ifndef FERRY_NBD_H
#define FERRY_NBD_H

#include <libnbd.h>

#include <ferry/block.h>

struct nbd_conn;

enum nbd_op {
	NBD_READ,
	NBD_WRITE,
	NBD_FLUSH,
	NBD_TRIM,
	NBD_ZERO,
};

/**
 * struct nbd_job - a request under way
 * @next, @prev: in the list of its connection that it is in: nbd_conn.waiting or .flight
 * @next_done: in nbd_conn.done, while it is in .flight
 * @req: NULL: a flush of our own, which does not wait for a connection
 * @flags: LIBNBD_CMD_FLAG_*
 * @told: of a flush: nbd_disk.told when it came
 * @covers: of one that was sent: nbd_disk.answered at that time
 * @came: bytes of a read that the server has sent
 * @since_ms: since when it has first had no connection; 0: it had one until now
 * @err: what the server said, above 0; set before it is in nbd_conn.done
 * @buf: the data of a read or write
 */
struct nbd_job {
	struct nbd_job *next;
	struct nbd_job *prev;
	struct nbd_job *next_done;
	struct nbd_conn *conn;
	struct ferry_req *req;
	enum nbd_op op;
	u32 flags;
	u64 off;
	u64 len;
	u64 told;
	u64 covers;
	u64 came;
	s64 since_ms;
	int err;
	char buf[];
};

/**
 * struct nbd_conn - a connection
 * @disk: whose
 * @wake: eventfd: there is something for the thread to look at
 * @handle: the thread's own, who makes and closes it; used by others under @lock while @up
 * @lock: guards what follows
 * @up: requests may be sent
 * @worn: not any more, as @size is too little: when all that were are answered another one is made
 * @size: that the export had for this one
 * @flushed: and that one was sent all the same a flush, the last thing
 * @stop: nobody waits for an answer any more
 * @since: nbd_disk.answered when it came up
 * @waiting: head of the jobs that are to be sent when it is up
 * @flight: head of those that were sent
 * @lost_ms: since when it is not up
 * @retry_ms: when to try the next time; the thread's own
 * @said: the log has been told what is wrong; the thread's own
 * @done_lock: guards @done
 * @done: jobs that libnbd is through with
 */
struct nbd_conn {
	struct nbd_disk *disk;
	pthread_t thread;
	int wake;
	struct nbd_handle *handle;

	pthread_mutex_t lock;
	bool up;
	bool worn;
	bool flushed;
	bool stop;
	u64 size;
	u64 since;
	struct nbd_job waiting;
	struct nbd_job flight;
	s64 lost_ms;
	s64 retry_ms;
	bool said;

	pthread_mutex_t done_lock;
	struct nbd_job *done;
};

#define NBD_CONNS_MAX	16

/**
 * struct nbd_geo - an export
 * @multi: a flush on one connection is one for all
 * @lost: not of the export: something may be lost, and no flush has told so yet
 */
struct nbd_geo {
	u64 size;
	u32 min_block;
	u32 preferred;
	u32 max_transfer;
	bool read_only;
	bool flush;
	bool fua;
	bool trim;
	bool zero;
	bool multi;
	bool lost;
};

/**
 * struct nbd_ask - a resize, while a thread asks what the export is like by now
 * @next: in nbd_disk.asks
 * @size: that is wanted
 * @err, @geo: what nbd_ask() said
 */
struct nbd_ask {
	struct nbd_ask *next;
	struct nbd_disk *disk;
	struct ferry_req *req;
	u64 size;
	int err;
	struct nbd_geo geo;
};

/**
 * struct nbd_disk
 * @uri: of the export
 * @reconnect_ms: how long requests wait for a lost connection
 * @read_only: it is not written to
 * @geo: what the export is like; a connection to one that is less is not used. In the
 *	state, where there is one.
 * @want_conns: connections that it is to have
 * @turn: of which connection it is
 * @lock: guards what follows
 * @asks: resizes under way
 * @nr_asking: their threads, and such as are through
 * @asked: it is less
 * @safe_lock: guards what follows
 * @answered: writes that were, and are not safe by themselves; 0 for an export that cannot flush
 * @safe: as many of them a flush has stood for, or it was told that they may be lost
 * @told: how often it was
 */
struct nbd_disk {
	char *uri;
	s64 reconnect_ms;
	bool read_only;
	struct nbd_geo *geo;
	u32 want_conns;
	u32 nr_conns;
	struct ferry_atomic turn;
	struct nbd_conn conns[NBD_CONNS_MAX];

	pthread_mutex_t lock;
	struct nbd_ask *asks;
	u32 nr_asking;
	pthread_cond_t asked;

	pthread_mutex_t safe_lock;
	u64 answered;
	u64 safe;
	u64 told;
};

/* conn.c */

/** nbd_ask() - connect, and see what the export is like: 0 or -errno, after a line in the log */
int nbd_ask(const char *uri, struct nbd_geo *geo);

int nbd_conn_start(struct nbd_conn *conn, struct nbd_disk *disk);
void nbd_conn_stop(struct nbd_conn *conn);	/* what it has not answered fails */
void nbd_conn_end(struct nbd_conn *conn);	/* it has nothing, and asks no other, any more */
void nbd_conn_destroy(struct nbd_conn *conn);	/* all have ended */

/** nbd_conn_grow() - nothing for disk->geo->size is sent by one that was made when it was less */
void nbd_conn_grow(struct nbd_conn *conn);

/** nbd_send() - have @job done, by the connection whose turn it is; it is answered and freed */
void nbd_send(struct nbd_disk *disk, struct nbd_job *job);

/** nbd_flush_ahead() - as far as that is possible, and for nobody; it is not waited for */
void nbd_flush_ahead(struct nbd_disk *disk);

/* safe.c. Each takes nbd_disk.safe_lock; with a connection it is called under its nbd_conn.lock. */

/** nbd_safe_begin() - what is answered from now on goes to @conn's server while it is up */
void nbd_safe_begin(struct nbd_conn *conn);

/** nbd_safe_came() - @job is new: a loss that has been told by then is none of its business */
void nbd_safe_came(struct nbd_disk *disk, struct nbd_job *job);

/** nbd_safe_answered() - @job is done, and its caller about to be told */
void nbd_safe_answered(struct nbd_disk *disk, const struct nbd_job *job);

/** nbd_safe_covers() - does the flush @job stand for all that is not safe, if it goes by @conn? */
bool nbd_safe_covers(struct nbd_conn *conn, struct nbd_job *job);

/**
 * nbd_safe_tell() - it does not, nor by another connection, and is to fail: so do all that came
 *	before that was said, and no other one
 */
void nbd_safe_tell(struct nbd_conn *conn, const struct nbd_job *job);

/** nbd_safe_mark() - how many of nbd_disk.answered are safe */
u64 nbd_safe_mark(struct nbd_disk *disk);

/** nbd_safe_lost() - no flush can stand for all: for who follows, should we die untold */
void nbd_safe_lost(struct nbd_disk *disk);

#endif
