/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the files of libferry ask of each other. */
#ifndef FERRY_INTERNAL_H
#define FERRY_INTERNAL_H

#include <time.h>

#include <linux/ferry.h>
#include <ferry/req.h>
#include <ferry/session.h>

struct ferry_worker;

/**
 * struct ferry_loop_ops - a wait style: how requests come and answers go
 * @name: wait=
 * @create_flags: FERRY_CREATE_*
 * @open: the channel was made; set session->loop_data. 0 or -errno after a line in
 *	the log
 * @run: serve, in a thread of its own, until the client is gone or session->stop;
 *	0 or -errno
 * @pending: how many requests the backend has not answered; no thread runs any more
 * @close: give back what @open took
 */
struct ferry_loop_ops {
	const char *name;
	u32 create_flags;
	int (*open)(struct ferry_session *session);
	int (*run)(struct ferry_worker *worker);
	unsigned int (*pending)(struct ferry_session *session);
	void (*close)(struct ferry_session *session);
};

extern const struct ferry_loop_ops ferry_loop_sync;
extern const struct ferry_loop_ops ferry_loop_poll;
extern const struct ferry_loop_ops ferry_loop_uring;
extern const struct ferry_loop_ops ferry_loop_rw;

/**
 * struct ferry_worker - a thread and its endpoint
 * @fd: an open /dev/ferry, endpoint of @queue
 * @loop_data: the wait style's own
 */
struct ferry_worker {
	struct ferry_session *session;
	pthread_t thread;
	int fd;
	u32 queue;
	void *loop_data;
};

/**
 * struct ferry_session
 * @class: enum ferry_class
 * @loop_data: the wait style's own
 * @channel: its number
 * @state_fd: the state, to be kept by the channel or found there; -1: there is none
 * @geo: what the channel really has
 * @nr_workers: how many of @workers have an endpoint; one per queue
 * @spin_us: how long style poll looks before it sleeps; 0: its own choice
 * @dir: absolute path of the mount, NULL before it is there
 * @mounted: the device of what was mounted there; 0 if that is not known
 * @disk: number of the disk, -1 before it is there
 * @held_since: when clients began to wait for this server, CLOCK_MONOTONIC in ns
 * @held_ns: for how long they did
 * @cools: the state has had memory made ready for it
 * @mover: thread that has the channel moved into the kernel, if @moves
 * @ended_fd: eventfd, readable from the end of the last thread on
 * @up: FUSE_INIT was answered, or there is none; written under @lock, read without
 * @stop: threads shall end; read after -EINTR
 * @saving: FERRY_OP_SAVE is being answered; written under @lock, read without
 * @sending: answers that others than the loop's threads are sending
 * @lock: guards what follows
 * @changed: one of them did
 * @started: threads there are
 * @running: of those, how many have not ended
 * @error: what ended the first thread that failed
 */
struct ferry_session {
	struct ferry_server server;
	u32 class;
	const struct ferry_loop_ops *loop;
	void *loop_data;
	u32 channel;
	u32 on_death;
	u32 grace;
	int state_fd;
	struct ferry_geometry geo;
	struct ferry_worker *workers;
	u32 nr_workers;
	u32 spin_us;
	char *dir;
	dev_t mounted;
	int disk;
	u64 held_since;
	u64 held_ns;
	bool cools;
	pthread_t mover;
	bool moves;
	int ended_fd;
	bool up;
	bool stop;
	bool saving;
	u32 sending;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	u32 started;
	u32 running;
	int error;
};

/* session.c: let the threads serve. 0 or -errno after a line in the log. */
int ferry_session_start(struct ferry_session *session);

/* A request was answered while the session was not up. */
void ferry_session_answered(struct ferry_session *session);

static inline u64 ferry_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline bool ferry_session_is_up(const struct ferry_session *session)
{
	return __atomic_load_n(&session->up, __ATOMIC_RELAXED);
}

static inline bool ferry_session_stops(const struct ferry_session *session)
{
	return __atomic_load_n(&session->stop, __ATOMIC_RELAXED);
}

/* fd.c: @len bytes of memory from or to a file: how many, or -errno if that is none. */
ssize_t ferry_fd_read(int fd, void *p, size_t len, u64 pos);
ssize_t ferry_fd_write(int fd, const void *p, size_t len, u64 pos);

/* file.c: a host's transfer_file(), where it has a transfer(). */
ssize_t ferry_file_transfer(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len,
			    bool sync);

/*
 * later.c: @call(@req, @fn) after @us microseconds, in a thread of its own. hurry: what is
 * there, and what comes, goes on at once.
 */
void ferry_later(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req),
		 void (*call)(struct ferry_req *req, void (*fn)(struct ferry_req *req)));
void ferry_later_hurry(bool now);

/*
 * options.c: the next of the options at @rest, which are cut up; commas in quotes are its own.
 * NULL: that was all.
 */
char *ferry_option_cut(char **rest);

/*
 * mount.c: the device of the ferry mount that @dir lies on; 0: it is none, or there is no /proc to
 * ask. No server is asked, for it may never answer.
 */
dev_t ferry_mounted_at(const char *dir);

/* ferry_mount(); @mounted: out: the mount's device, 0 if nobody knows, before it is on @dir */
int ferry_mount_known(const char *source, const char *dir, const char *options, u64 *mounted);

/* disk.c: the number of the disk that is a channel's client, or -ENODEV */
int ferry_disk_of_channel(u32 channel);

/* Register @fd at @endpoint as the file of an open reply: its number, or -errno. */
int ferry_fd_back(int endpoint, int fd);

/* channel.c: /dev/ferry. 0 or -errno after a line in the log. */
int ferry_channel_open(struct ferry_session *session, const struct ferry_session_options *want);
void ferry_channel_close(struct ferry_session *session);
/* ->state_fd, or nothing if it is -1; @last: nothing, and no server can follow this one */
int ferry_channel_keep(struct ferry_session *session, bool last);

/*
 * When a request is answered: in ferry_dispatch(), then the loop sends the answer;
 * or later, then whoever answers sends it. Both sides exchange the state, and the
 * second to come sends.
 */
enum ferry_answer {
	FERRY_ANSWER_NONE,	/* dispatch has begun */
	FERRY_ANSWER_THERE,	/* done() was called */
	FERRY_ANSWER_LATER,	/* dispatch is over, done() was not called */
	FERRY_ANSWER_SENT,	/* loop_rw.c: and the message may be used again */
};

/* The loop's side, after ferry_dispatch(). Return: the loop is to send the answer. */
static inline bool ferry_answer_is_there(int *state)
{
	return __atomic_load_n(state, __ATOMIC_ACQUIRE) == FERRY_ANSWER_THERE ||
	       __atomic_exchange_n(state, FERRY_ANSWER_LATER, __ATOMIC_ACQ_REL) ==
	       FERRY_ANSWER_THERE;
}

/*
 * What is of @session stays until ferry_session_hold_end(), though no request seems to be
 * under way: a state cannot say so, for once its answer is sent a slot may be another request's.
 */
static inline void ferry_session_hold(struct ferry_session *session)
{
	__atomic_add_fetch(&session->sending, 1, __ATOMIC_RELAXED);
}

static inline void ferry_session_hold_end(struct ferry_session *session)
{
	__atomic_sub_fetch(&session->sending, 1, __ATOMIC_RELEASE);
}

/* done()'s side. After it the request may be another one, and the session gone. */
static inline void ferry_answer_done(struct ferry_session *session, int *state,
				     void (*send)(struct ferry_req *req), struct ferry_req *req)
{
	int none = FERRY_ANSWER_NONE;

	if (__atomic_compare_exchange_n(state, &none, FERRY_ANSWER_THERE, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	ferry_session_hold(session);
	__atomic_store_n(state, FERRY_ANSWER_THERE, __ATOMIC_RELEASE);
	send(req);
	ferry_session_hold_end(session);
}

/* Requests without an answer, and answers that are on their way; no thread of the loop runs. */
static inline unsigned int ferry_session_pending(struct ferry_session *session)
{
	/* In this order: who answers holds the session before he says that the answer is there. */
	unsigned int pending = session->loop->pending(session);

	return pending + __atomic_load_n(&session->sending, __ATOMIC_ACQUIRE);
}

#endif
