// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Wait style rw: read() a request, write() a reply, framed as on /dev/fuse. */
#include <limits.h>
#include <linux/ferry_blk.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

#define DATA_MAX	FERRY_DATA_MAX
#define MSG_MAX		(64U << 10)	/* headers, structs, names */
#define BUFFER		((size_t)DATA_MAX + MSG_MAX)

/* Reply data that is written from where it lies, if it is longer than MIN and in few pieces. */
#define IN_PLACE_MIN	(8U << 10)
#define IN_PLACE_IOV	512

/**
 * struct message - a request and its reply, each in one piece
 * @next: in struct messages
 * @in: what read() gave
 * @out: what write() gets: header, then structs or data
 * @data: data that came with the request, in @in
 * @session: whose
 * @fd: endpoint of the thread that read it
 * @answer: enum ferry_answer
 * @written: the reply has gone already
 */
struct message {
	struct ferry_req req;
	struct message *next;
	char *in;
	char *out;
	const char *data;
	struct ferry_session *session;
	int fd;
	int answer;
	bool written;
};

/**
 * struct messages - all of a session, to know at its end which are unanswered
 * @lock: guards @first and the list
 */
struct messages {
	pthread_mutex_t lock;
	struct message *first;
};

static struct message *message_of(struct ferry_req *req)
{
	return container_of(req, struct message, req);
}

static ssize_t pull(struct ferry_req *req, u64 offset,
		    const struct ferry_iov *iov, unsigned int nr_iov)
{
	const char *data = message_of(req)->data + offset;
	size_t left = req->data_len - offset;
	size_t done = 0;

	for (; nr_iov && left; nr_iov--, iov++) {
		size_t n = min(iov->len, left);

		memcpy(iov->base, data + done, n);
		done += n;
		left -= n;
	}
	return done;
}

static void fill_header(struct message *m, u32 data_len)
{
	struct fuse_out_header *h = (void *)m->out;

	h->len = sizeof(*h) + m->req.out_len + data_len;
	h->error = m->req.error;
	h->unique = m->req.unique;
}

/* -ENOENT: who asked was killed meanwhile. */
static void wrote(const struct message *m, ssize_t n)
{
	if (n < 0 && errno != ENOENT && errno != ENODEV)
		ferry_log(FERRY_LOG_DEBUG, "request %llu: the answer was not taken: %s",
			  m->req.unique, strerror(errno));
}

/*
 * The data in @iov fills what room there is for it, and so is the last: the reply goes now,
 * while the data is where it is. It changes nothing that would have to be told first.
 */
static bool write_in_place(struct message *m, size_t room, const struct ferry_iov *iov,
			   unsigned int nr_iov)
{
	struct iovec out[IN_PLACE_IOV + 1];
	unsigned int i;
	size_t sum = 0;

	if (room <= IN_PLACE_MIN || nr_iov > IN_PLACE_IOV ||
	    ferry_req_change(&m->req) != FERRY_CHANGE_NONE)
		return false;
	for (i = 0; i < nr_iov && sum < room; i++) {
		out[i + 1].iov_base = iov[i].base;
		out[i + 1].iov_len = min(iov[i].len, room - sum);
		sum += out[i + 1].iov_len;
	}
	if (sum < room)
		return false;
	fill_header(m, m->req.pushed + sum);
	out[0].iov_base = m->out;
	out[0].iov_len = sizeof(struct fuse_out_header) + m->req.pushed;
	wrote(m, writev(m->fd, out, i + 1));
	m->written = true;
	return true;
}

static ssize_t push(struct ferry_req *req, const struct ferry_iov *iov, unsigned int nr_iov)
{
	struct message *m = message_of(req);
	char *data = m->out + sizeof(struct fuse_out_header) + req->pushed;
	size_t room = req->data_len - req->pushed;
	size_t done = 0;

	if (write_in_place(m, room, iov, nr_iov))
		return room;
	for (; nr_iov && room; nr_iov--, iov++) {
		size_t n = min(iov->len, room);

		memcpy(data + done, iov->base, n);
		done += n;
		room -= n;
	}
	return done;
}

static ssize_t transfer(struct ferry_req *req, int fd, u64 pos, size_t len)
{
	struct message *m = message_of(req);

	if (req->data_in)
		return ferry_fd_write(fd, m->data, len, pos);
	return ferry_fd_read(fd, m->out + sizeof(struct fuse_out_header) + req->pushed, len, pos);
}

static int backing(struct ferry_req *req, int fd)
{
	return ferry_fd_back(message_of(req)->fd, fd);
}

/* Then the message may be used again. */
static void send_reply(struct ferry_req *req)
{
	struct message *m = message_of(req);

	if (!req->no_reply && !m->written) {
		fill_header(m, req->pushed);
		wrote(m, write(m->fd, m->out, ((struct fuse_out_header *)m->out)->len));
	}
	__atomic_store_n(&m->answer, FERRY_ANSWER_SENT, __ATOMIC_RELEASE);
}

static void done(struct ferry_req *req)
{
	struct message *m = message_of(req);

	ferry_answer_done(m->session, &m->answer, send_reply, req);
}

static void go_on(struct ferry_req *req, void (*fn)(struct ferry_req *req))
{
	fn(req);
}

static void later(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req))
{
	ferry_later(req, us, fn, go_on);
}

static const struct ferry_req_host host = {
	.pull = pull,
	.push = push,
	.transfer = transfer,
	.backing = backing,
	.later = later,
	.done = done,
};

static struct message *new_message(struct ferry_session *session, int fd)
{
	struct messages *all = session->loop_data;
	struct message *m = calloc(1, sizeof(*m));
	char *p;

	if (!m)
		return NULL;
	p = mmap(NULL, 2 * BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		free(m);
		return NULL;
	}
	m->in = p;
	m->out = p + BUFFER;
	m->session = session;
	m->fd = fd;
	m->answer = FERRY_ANSWER_SENT;
	m->req.host = &host;
	m->req.class = session->class;
	m->req.out[0].p = m->out + sizeof(struct fuse_out_header);
	m->req.out[0].len = MSG_MAX - sizeof(struct fuse_out_header);
	m->req.nr_out = 1;

	pthread_mutex_lock(&all->lock);
	m->next = all->first;
	all->first = m;
	pthread_mutex_unlock(&all->lock);
	return m;
}

/* One that is through, of those that the thread of @fd made, or a new one. */
static struct message *get_message(struct ferry_session *session, int fd)
{
	struct messages *all = session->loop_data;
	struct message *m;

	pthread_mutex_lock(&all->lock);
	for (m = all->first; m; m = m->next)
		if (m->fd == fd &&
		    __atomic_load_n(&m->answer, __ATOMIC_ACQUIRE) == FERRY_ANSWER_SENT)
			break;
	pthread_mutex_unlock(&all->lock);
	return m ? m : new_message(session, fd);
}

/*
 * Where the message ends and its data begins, or how much data is wanted: the one
 * thing that a frame does not say and its opcode has to.
 */
static u32 divide_block(struct message *m, u32 len)
{
	struct ferry_req *req = &m->req;
	const struct ferry_blk_io *io = req->in[0].p;

	if (req->opcode == FERRY_BLK_READ && len >= sizeof(*io))
		req->data_len = min(io->length, (u64)DATA_MAX);
	return req->opcode == FERRY_BLK_WRITE ? sizeof(*io) : 0;
}

/* Return: bytes of the message, if it has data with it; else 0. */
static u32 divide_fs(struct message *m, u32 len)
{
	struct ferry_req *req = &m->req;
	const char *in = req->in[0].p;
	u32 fixed = 0;

	switch (req->opcode) {
	case FUSE_WRITE:
		fixed = sizeof(struct fuse_write_in);
		break;
	case FUSE_SETXATTR:
		fixed = FUSE_COMPAT_SETXATTR_IN_SIZE;
		if (len > fixed)
			fixed += strnlen(in + fixed, len - fixed) + 1;
		break;
	case FUSE_READLINK:
		req->data_len = PATH_MAX - 1;
		break;
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		if (len >= sizeof(struct fuse_read_in))
			req->data_len = ((const struct fuse_read_in *)in)->size;
		break;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		if (len >= sizeof(struct fuse_getxattr_in))
			req->data_len = ((const struct fuse_getxattr_in *)in)->size;
		break;
	}
	return fixed;
}

static void divide(struct message *m, u32 len)
{
	struct ferry_req *req = &m->req;
	u32 fixed;

	req->data_in = false;
	req->data_len = 0;
	fixed = req->class == FERRY_CLASS_BLOCK ? divide_block(m, len) : divide_fs(m, len);
	if (fixed && len > fixed) {
		req->data_in = true;
		req->data_len = len - fixed;
		m->data = (const char *)req->in[0].p + fixed;
		len = fixed;
	}
	req->data_len = min(req->data_len, DATA_MAX);
	req->in[0].len = len;
	req->nr_in = len ? 1 : 0;
}

static int take(struct message *m, size_t len)
{
	const struct fuse_in_header *h = (const void *)m->in;
	struct ferry_req *req = &m->req;

	if (len < sizeof(*h) || h->len != len)
		return -EPROTO;
	req->opcode = h->opcode;
	req->unique = h->unique;
	req->node = h->nodeid;
	req->cred.uid = h->uid;
	req->cred.gid = h->gid;
	req->cred.pid = h->pid;
	req->in[0].p = h + 1;
	divide(m, len - sizeof(*h));
	m->written = false;
	__atomic_store_n(&m->answer, FERRY_ANSWER_NONE, __ATOMIC_RELAXED);
	return 0;
}

static int run(struct ferry_worker *worker)
{
	struct ferry_session *session = worker->session;
	struct message *m = get_message(session, worker->fd);

	while (!ferry_session_stops(session)) {
		ssize_t n;

		if (!m)
			return -ENOMEM;
		n = read(worker->fd, m->in, BUFFER);
		if (n < 0) {
			if (errno == EINTR || errno == EAGAIN || errno == ENOENT)
				continue;
			return errno == ENODEV ? 0 : -errno;
		}
		if (take(m, n))
			return -EPROTO;
		m->req.server = &session->server;
		ferry_dispatch(&m->req);
		if (unlikely(!ferry_answer_is_there(&m->answer))) {
			m = get_message(session, worker->fd);
			continue;
		}
		send_reply(&m->req);
		if (unlikely(!ferry_session_is_up(session)))
			ferry_session_answered(session);
	}
	return 0;
}

static int open_messages(struct ferry_session *session)
{
	struct messages *all = calloc(1, sizeof(*all));

	if (!all) {
		ferry_log(FERRY_LOG_ERR, "no memory for messages");
		return -ENOMEM;
	}
	pthread_mutex_init(&all->lock, NULL);
	session->loop_data = all;
	return 0;
}

static unsigned int pending(struct ferry_session *session)
{
	struct messages *all = session->loop_data;
	unsigned int nr = 0;
	struct message *m;

	for (m = all->first; m; m = m->next)
		nr += __atomic_load_n(&m->answer, __ATOMIC_ACQUIRE) != FERRY_ANSWER_SENT;
	return nr;
}

static void close_messages(struct ferry_session *session)
{
	struct messages *all = session->loop_data;
	struct message *m;

	while ((m = all->first)) {
		all->first = m->next;
		munmap(m->in, 2 * BUFFER);
		free(m);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
}

const struct ferry_loop_ops ferry_loop_rw = {
	.name = "rw",
	.create_flags = FERRY_CREATE_RW,
	.open = open_messages,
	.run = run,
	.pending = pending,
	.close = close_messages,
};
