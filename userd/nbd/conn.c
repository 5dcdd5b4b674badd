// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A connection to an NBD server: sending, taking replies, losing it and making it again. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "nbd.h"

#define RETRY_MS	200	/* between two tries to connect */
#define CONNECT_MS	5000	/* that a try may take */

static s64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void wake(struct nbd_conn *conn)
{
	eventfd_write(conn->wake, 1);
}

/* --- lists of jobs: rings with a head ------------------------------------------------- */

static void list_init(struct nbd_job *head)
{
	head->next = head->prev = head;
}

static bool list_empty(const struct nbd_job *head)
{
	return head->next == head;
}

static void list_add(struct nbd_job *head, struct nbd_job *job)
{
	job->prev = head->prev;
	job->next = head;
	job->prev->next = job;
	head->prev = job;
}

static void list_del(struct nbd_job *job)
{
	job->prev->next = job->next;
	job->next->prev = job->prev;
}

/* --- what an export is like --------------------------------------------------------- */

static int nbd_errno(void)
{
	int err = nbd_get_errno();

	return err ? -err : -EIO;
}

static int look(struct nbd_handle *h, struct nbd_geo *geo)
{
	int64_t size = nbd_get_size(h);
	int64_t max = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

	if (size < 0)
		return nbd_errno();
	*geo = (struct nbd_geo) {
		.size = size,
		.min_block = max(nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), 1L),
		.preferred = max(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), 0L),
		.max_transfer = max > 0 ? min(max, (int64_t)FERRY_BLOCK_TRANSFER_MAX) :
					  FERRY_BLOCK_TRANSFER_MAX,
		.read_only = nbd_is_read_only(h) > 0,
		.flush = nbd_can_flush(h) > 0,
		.fua = nbd_can_fua(h) > 0,
		.trim = nbd_can_trim(h) > 0,
		.zero = nbd_can_zero(h) > 0,
		.multi = nbd_can_multi_conn(h) > 0,
	};
	return 0;
}

static bool is_over(struct nbd_handle *h)
{
	return nbd_aio_is_dead(h) || nbd_aio_is_closed(h);
}

/* As nbd_connect_uri(), but not for longer than any other try. */
static int connect_now(struct nbd_handle *h, const char *uri)
{
	const s64 end = now_ms() + CONNECT_MS;

	if (nbd_aio_connect_uri(h, uri))
		return nbd_errno();
	while (!nbd_aio_is_ready(h)) {
		s64 left = end - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (nbd_poll(h, (int)left) < 0 || is_over(h))
			return nbd_errno();
	}
	return 0;
}

int nbd_ask(const char *uri, struct nbd_geo *geo)
{
	struct nbd_handle *h = nbd_create();
	int err;

	if (!h)
		return -ENOMEM;
	err = connect_now(h, uri);
	if (!err)
		err = look(h, geo);
	if (err)
		ferry_log(FERRY_LOG_ERR, "nbd: %s: %s", uri, err == -ETIMEDOUT ?
			  "the server does not answer" : nbd_get_error());
	else
		nbd_shutdown(h, 0);
	nbd_close(h);
	return err;
}

/* Why the export that is there now is not the one that the disk was made of, or NULL. */
static const char *why_not(const struct nbd_disk *disk, const struct nbd_geo *now)
{
	const struct nbd_geo *was = disk->geo;

	if (now->size < was->size)
		return "it has shrunk";
	if (now->min_block > was->min_block)
		return "its blocks have grown";
	if (now->max_transfer < was->max_transfer)
		return "it takes less at a time";
	if (now->read_only && !was->read_only && !disk->read_only)
		return "it is read-only now";
	if (was->flush > now->flush || was->fua > now->fua || was->trim > now->trim ||
	    was->zero > now->zero)
		return "it can do less than it could";
	if (disk->want_conns > 1 && !now->multi)
		return "it does not promise any more that connections see each other's writes";
	return NULL;
}

/* --- jobs ----------------------------------------------------------------------------- */

static void answer(struct nbd_job *job, int err)
{
	struct ferry_iov iov = { job->buf, job->len };

	if (!err)
		nbd_safe_answered(job->conn->disk, job);
	if (job->req && !err && job->op == NBD_READ)
		ferry_reply_data(job->req, &iov, 1);
	else if (job->req)
		ferry_reply_err(job->req, err);
	free(job);
}

/* Called with the handle's lock held, by its thread or by a sender, who has conn->lock too. */
static int completed(void *user, int *error)
{
	struct nbd_job *job = user;
	struct nbd_conn *conn = job->conn;

	job->err = *error;
	/* As libnbd would, if it had to remember it. */
	if (!job->err && job->op == NBD_READ && job->came != job->len)
		job->err = EIO;
	pthread_mutex_lock(&conn->done_lock);
	job->next_done = conn->done;
	conn->done = job;
	pthread_mutex_unlock(&conn->done_lock);
	return 1;	/* libnbd has to remember it no more */
}

/* As completed(), once or more often before it. */
static int chunk(void *user, const void *data, size_t len, uint64_t off, unsigned int status,
		 int *error)
{
	struct nbd_job *job = user;

	if (status != LIBNBD_READ_ERROR)
		job->came += len;
	return 0;
}

static s64 issue(struct nbd_handle *h, struct nbd_job *job)
{
	nbd_chunk_callback part = { .callback = chunk, .user_data = job };
	nbd_completion_callback cb = { .callback = completed, .user_data = job };

	switch (job->op) {
	case NBD_READ:
		job->came = 0;
		return nbd_aio_pread_structured(h, job->buf, job->len, job->off, part, cb,
						job->flags);
	case NBD_WRITE:
		return nbd_aio_pwrite(h, job->buf, job->len, job->off, cb, job->flags);
	case NBD_FLUSH:
		return nbd_aio_flush(h, cb, job->flags);
	case NBD_TRIM:
		return nbd_aio_trim(h, job->len, job->off, cb, job->flags);
	case NBD_ZERO:
		return nbd_aio_zero(h, job->len, job->off, cb, job->flags);
	}
	return -1;
}

/* @job is to be sent when there is a connection; under conn->lock. */
static void put_aside(struct nbd_conn *conn, struct nbd_job *job)
{
	if (!job->since_ms)
		job->since_ms = now_ms();
	list_add(&conn->waiting, job);
}

/*
 * Send @job by a connection that is up; under conn->lock. Once it is sent it may be gone.
 * Return: 0, or -errno: it was not sent, for a reason that is its own.
 */
static int send_now(struct nbd_conn *conn, struct nbd_job *job)
{
	int err = 0;

	list_add(&conn->flight, job);
	if (issue(conn->handle, job) < 0) {
		list_del(job);
		err = nbd_errno();
		if (is_over(conn->handle)) {
			put_aside(conn, job);
			err = 0;
		}
	}
	return err;
}

static bool has_done(struct nbd_conn *conn)
{
	bool has;

	pthread_mutex_lock(&conn->done_lock);
	has = conn->done;
	pthread_mutex_unlock(&conn->done_lock);
	return has;
}

/* Is there something that a thread which only waits for replies would not see? */
static bool needs_thread(struct nbd_conn *conn)
{
	return is_over(conn->handle) || has_done(conn) ||
	       nbd_aio_get_direction(conn->handle) & LIBNBD_AIO_DIRECTION_WRITE;
}

static void conn_send(struct nbd_conn *conn, struct nbd_job *job)
{
	const bool flush = job->op == NBD_FLUSH;
	bool look = false;
	int err = 0;

	job->conn = conn;
	pthread_mutex_lock(&conn->lock);
	if (conn->stop) {
		err = -EIO;
	} else if (conn->up || (conn->worn && flush)) {
		if (flush && !nbd_safe_covers(conn, job)) {
			nbd_safe_tell(conn, job);
			err = -EIO;
		} else {
			err = send_now(conn, job);
			look = needs_thread(conn);
		}
	} else {
		put_aside(conn, job);
		look = true;
	}
	pthread_mutex_unlock(&conn->lock);
	if (look)
		wake(conn);
	if (err)
		answer(job, err);
}

/*
 * How good is a connection for a job, the more the better? A flush would rather go by one that is
 * worn than by one that does not stand for all: the size is nothing to it.
 */
static int rank(struct nbd_conn *conn, const struct nbd_job *job, u64 safe)
{
	int rank = 0;

	pthread_mutex_lock(&conn->lock);
	if (job->op != NBD_FLUSH)
		rank = conn->up;
	else if (conn->up || conn->worn)
		rank = 1 + 2 * (conn->since <= safe) + conn->up;
	pthread_mutex_unlock(&conn->lock);
	return rank;
}

/* The best one, from the one on whose turn it is. */
static struct nbd_conn *conn_for(struct nbd_disk *disk, const struct nbd_job *job)
{
	const u64 turn = ferry_atomic_add(&disk->turn, 1), safe = nbd_safe_mark(disk);
	struct nbd_conn *best = NULL;
	int most = -1;
	u32 i;

	for (i = 0; i < disk->nr_conns; i++) {
		struct nbd_conn *conn = &disk->conns[(turn + i) % disk->nr_conns];
		int n = rank(conn, job, safe);

		if (n > most) {
			best = conn;
			most = n;
		}
		if (n && job->op != NBD_FLUSH)
			break;
	}
	return best;
}

void nbd_send(struct nbd_disk *disk, struct nbd_job *job)
{
	conn_send(disk->nr_conns > 1 ? conn_for(disk, job) : &disk->conns[0], job);
}

static struct nbd_job *flush_new(void)
{
	struct nbd_job *job = malloc(sizeof(*job));

	if (job)
		*job = (struct nbd_job) { .op = NBD_FLUSH };
	return job;
}

void nbd_flush_ahead(struct nbd_disk *disk)
{
	struct nbd_job *job = disk->geo->flush ? flush_new() : NULL;

	if (job)
		nbd_send(disk, job);
}

/* --- the thread ------------------------------------------------------------------------ */

/*
 * Answer what is done; what its server did not do is to be sent again. Return: the
 * connection is no good any more. What libnbd says of one that is lost is ENOTCONN, which
 * is no error of the protocol.
 */
static bool answer_done(struct nbd_conn *conn, bool lost)
{
	struct nbd_job *job, *next;

	pthread_mutex_lock(&conn->done_lock);
	job = conn->done;
	conn->done = NULL;
	pthread_mutex_unlock(&conn->done_lock);
	for (; job; job = next) {
		bool again = job->err && (lost || job->err == ESHUTDOWN || job->err == ENOTCONN);

		next = job->next_done;
		pthread_mutex_lock(&conn->lock);
		list_del(job);
		if (again)
			put_aside(conn, job);
		pthread_mutex_unlock(&conn->lock);
		if (!again)
			answer(job, -job->err);
		lost |= again;
	}
	return lost;
}

/* Is there one that a flush could go by, and stand for all that is not safe? */
static bool can_flush(struct nbd_disk *disk)
{
	const struct nbd_job flush = { .op = NBD_FLUSH };
	const u64 safe = nbd_safe_mark(disk);
	u32 i;

	for (i = 0; i < disk->nr_conns; i++)
		if (rank(&disk->conns[i], &flush, safe) > 2)
			return true;
	return false;
}

/* Close the handle; what was sent by it waits for the next one. */
static void lose(struct nbd_conn *conn)
{
	struct nbd_job *job;
	bool was;

	pthread_mutex_lock(&conn->lock);
	was = (conn->up || conn->worn) && !conn->stop;
	if (conn->up)
		conn->lost_ms = now_ms();
	conn->up = false;
	conn->worn = false;
	conn->flushed = false;
	pthread_mutex_unlock(&conn->lock);
	if (conn->handle)
		nbd_close(conn->handle);	/* no callback is called from here on */
	conn->handle = NULL;
	conn->retry_ms = now_ms() + RETRY_MS;
	answer_done(conn, true);
	pthread_mutex_lock(&conn->lock);
	while (!list_empty(&conn->flight)) {
		job = conn->flight.next;
		list_del(job);
		put_aside(conn, job);
	}
	pthread_mutex_unlock(&conn->lock);
	if (was && !can_flush(conn->disk))
		nbd_safe_lost(conn->disk);
}

static bool other_is_up(struct nbd_disk *disk)
{
	const struct nbd_job any = { .op = NBD_READ };
	u32 i;

	for (i = 0; i < disk->nr_conns; i++)
		if (rank(&disk->conns[i], &any, 0))
			return true;
	return false;
}

static struct nbd_job *take_waiting(struct nbd_conn *conn)
{
	struct nbd_job *job = NULL;

	pthread_mutex_lock(&conn->lock);
	if (!list_empty(&conn->waiting)) {
		job = conn->waiting.next;
		list_del(job);
	}
	pthread_mutex_unlock(&conn->lock);
	return job;
}

/* What waits for a connection that does not come up at once goes by the others. */
static void hand_over(struct nbd_conn *conn)
{
	struct nbd_job *job;

	while (other_is_up(conn->disk) && (job = take_waiting(conn)))
		nbd_send(conn->disk, job);
}

static void complain(struct nbd_conn *conn, const char *what)
{
	if (!conn->said)
		ferry_log(FERRY_LOG_WARN, "nbd: %s: %s: trying again; requests wait %lld s",
			  conn->disk->uri, what ? what : "connection lost",
			  conn->disk->reconnect_ms / 1000);
	conn->said = true;
}

static void begin_connect(struct nbd_conn *conn)
{
	struct nbd_handle *h = nbd_create();

	conn->retry_ms = now_ms() + CONNECT_MS;
	conn->handle = h;
	if (!h)
		return;
	if (nbd_aio_connect_uri(h, conn->disk->uri)) {
		complain(conn, nbd_get_error());
		lose(conn);
	}
}

/* A server that is there no more is to be noticed as long as somebody waits for it. */
static void set_socket(struct nbd_conn *conn)
{
	const unsigned int ms = conn->disk->reconnect_ms;
	const int on = 1, fd = nbd_aio_get_fd(conn->handle);

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/*
 * Requests may go by a connection that has just been made; under conn->lock. Flushes that would not
 * stand for all are put in the list @others.
 */
static void begin_to_send(struct nbd_conn *conn, u64 size, struct nbd_job *others)
{
	struct nbd_job *job;
	int err;

	conn->up = true;
	conn->size = size;
	nbd_safe_begin(conn);
	while (!list_empty(&conn->waiting) && !is_over(conn->handle)) {
		job = conn->waiting.next;
		list_del(job);
		if (job->op == NBD_FLUSH && !nbd_safe_covers(conn, job)) {
			list_add(others, job);
			continue;
		}
		err = send_now(conn, job);
		if (err)
			answer(job, err);
	}
}

static void come_up(struct nbd_conn *conn)
{
	struct nbd_geo geo;
	struct nbd_job others, *job;
	const char *why;

	list_init(&others);
	set_socket(conn);
	why = look(conn->handle, &geo) ? nbd_get_error() : NULL;
	pthread_mutex_lock(&conn->lock);
	/* Either it is seen here that the disk has grown, or nbd_conn_grow() finds it up. */
	if (!why)
		why = why_not(conn->disk, &geo);
	if (!why)
		begin_to_send(conn, geo.size, &others);
	pthread_mutex_unlock(&conn->lock);
	while (!list_empty(&others)) {
		job = others.next;
		list_del(job);
		nbd_send(conn->disk, job);
	}
	if (why) {
		complain(conn, why);
		nbd_aio_disconnect(conn->handle, 0);
		lose(conn);
		return;
	}
	if (conn->said)
		ferry_log(FERRY_LOG_INFO, "nbd: %s: connected again", conn->disk->uri);
	conn->said = false;
}

void nbd_conn_grow(struct nbd_conn *conn)
{
	pthread_mutex_lock(&conn->lock);
	if (conn->up && conn->size < conn->disk->geo->size) {
		conn->up = false;
		conn->worn = true;
		conn->lost_ms = now_ms();
	}
	pthread_mutex_unlock(&conn->lock);
	wake(conn);
}

/* The first that has waited long enough, as one of ours has at once, or NULL; under conn->lock. */
static struct nbd_job *find_expired(struct nbd_conn *conn)
{
	const s64 begun = now_ms() - conn->disk->reconnect_ms;
	struct nbd_job *job;

	for (job = conn->waiting.next; !conn->up && job != &conn->waiting; job = job->next)
		if (conn->stop || !job->req || conn->lost_ms <= begun || job->since_ms <= begun)
			return job;
	return NULL;
}

static void expire(struct nbd_conn *conn)
{
	struct nbd_job *job;

	do {
		pthread_mutex_lock(&conn->lock);
		job = find_expired(conn);
		if (job)
			list_del(job);
		pthread_mutex_unlock(&conn->lock);
		if (job)
			answer(job, -EIO);
	} while (job);
}

/*
 * Is it worn, and all that was sent is answered? Then nothing is sent twice by making it anew, as
 * it is where one was lost.
 */
static bool may_be_renewed(struct nbd_conn *conn)
{
	bool may;

	pthread_mutex_lock(&conn->lock);
	may = conn->worn && list_empty(&conn->flight);
	pthread_mutex_unlock(&conn->lock);
	return may;
}

/*
 * By one that is worn nothing else is sent: what it has answered is flushed as long as it is there.
 * True: the answer is to be awaited.
 */
static bool flush_last(struct nbd_conn *conn)
{
	struct nbd_job *job = NULL;
	bool sent = false;

	pthread_mutex_lock(&conn->lock);
	if (conn->disk->geo->flush && !conn->flushed)
		job = flush_new();
	if (job) {
		conn->flushed = true;
		job->conn = conn;
		sent = nbd_safe_covers(conn, job) && !send_now(conn, job);
		if (!sent)
			free(job);
	}
	pthread_mutex_unlock(&conn->lock);
	return sent;
}

/* How long there may be nothing to do, in ms; -1: until something happens. */
static int patience(struct nbd_conn *conn)
{
	s64 now = now_ms(), until = conn->retry_ms;

	if (conn->handle && (is_over(conn->handle) || may_be_renewed(conn)))
		return 0;
	if (conn->up)
		return -1;
	if (conn->worn)
		until = now + CONNECT_MS;	/* unless a reply comes before */
	if (!list_empty(&conn->waiting))
		until = min(until, conn->lost_ms + conn->disk->reconnect_ms);
	return max(until - now, 1LL);
}

static void step(struct nbd_conn *conn)
{
	struct nbd_handle *h = conn->handle;
	unsigned int way = h ? nbd_aio_get_direction(h) : 0;
	struct pollfd fds[2] = {
		{ .fd = conn->wake, .events = POLLIN },
		{
			.fd = h ? nbd_aio_get_fd(h) : -1,
			.events = (way & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
				  (way & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0),
		},
	};
	eventfd_t count;

	if (poll(fds, 2, patience(conn)) < 0)
		return;
	if (fds[0].revents)
		eventfd_read(conn->wake, &count);
	if (!h || !fds[1].revents)
		return;
	/* It may have gone on meanwhile, by whoever sends: then there is nothing to notify. */
	way = nbd_aio_get_direction(h);
	if (fds[1].revents & (POLLIN | POLLHUP | POLLERR) && way & LIBNBD_AIO_DIRECTION_READ)
		nbd_aio_notify_read(h);
	else if (fds[1].revents & (POLLOUT | POLLHUP | POLLERR) &&
		 way & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(h);
}

static bool is_stopped(struct nbd_conn *conn)
{
	bool stop;

	pthread_mutex_lock(&conn->lock);
	stop = conn->stop;
	pthread_mutex_unlock(&conn->lock);
	return stop;
}

static bool was_up(struct nbd_conn *conn)
{
	bool was;

	pthread_mutex_lock(&conn->lock);
	was = conn->up || conn->worn;
	pthread_mutex_unlock(&conn->lock);
	return was;
}

static void look_at_handle(struct nbd_conn *conn)
{
	if (is_over(conn->handle)) {
		complain(conn, was_up(conn) ? NULL : nbd_get_error());
		lose(conn);
	} else if (may_be_renewed(conn)) {
		if (flush_last(conn))
			return;
		nbd_aio_disconnect(conn->handle, 0);
		lose(conn);
		conn->retry_ms = now_ms();
	} else if (was_up(conn)) {
		return;
	} else if (nbd_aio_is_ready(conn->handle)) {
		come_up(conn);
	} else if (now_ms() >= conn->retry_ms) {
		complain(conn, "the server does not answer");
		lose(conn);
	}
}

static void *run(void *arg)
{
	struct nbd_conn *conn = arg;

	/* What reclaim waits for must not wait for reclaim. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	while (!is_stopped(conn)) {
		if (!conn->handle && now_ms() >= conn->retry_ms) {
			hand_over(conn);
			begin_connect(conn);
		}
		step(conn);
		if (conn->handle)
			look_at_handle(conn);
		if (answer_done(conn, false))
			lose(conn);
		expire(conn);
	}
	if (conn->handle) {
		nbd_aio_disconnect(conn->handle, 0);
		lose(conn);
	}
	expire(conn);
	return NULL;
}

int nbd_conn_start(struct nbd_conn *conn, struct nbd_disk *disk)
{
	sigset_t all, old;
	int err;

	conn->disk = disk;
	list_init(&conn->waiting);
	list_init(&conn->flight);
	conn->lost_ms = now_ms();
	conn->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (conn->wake < 0)
		return -errno;
	pthread_mutex_init(&conn->lock, NULL);
	pthread_mutex_init(&conn->done_lock, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = -pthread_create(&conn->thread, NULL, run, conn);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		close(conn->wake);
	return err;
}

void nbd_conn_stop(struct nbd_conn *conn)
{
	pthread_mutex_lock(&conn->lock);
	conn->stop = true;
	pthread_mutex_unlock(&conn->lock);
	wake(conn);
}

void nbd_conn_end(struct nbd_conn *conn)
{
	nbd_conn_stop(conn);
	pthread_join(conn->thread, NULL);
}

void nbd_conn_destroy(struct nbd_conn *conn)
{
	close(conn->wake);
	pthread_mutex_destroy(&conn->lock);
	pthread_mutex_destroy(&conn->done_lock);
}
