// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A server's state on its way to another server: saved into a file in memory, and loaded. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "saved.h"

/* A stream in a file, at its position. */
struct fd_stream {
	struct ferry_stream stream;
	int fd;
	char buf[65536];
};

static ssize_t write_fd(struct ferry_stream *stream, void *p, size_t len)
{
	struct fd_stream *s = container_of(stream, struct fd_stream, stream);
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(s->fd, (char *)p + done, len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? n : 0;
	}
	return done;
}

static ssize_t read_fd(struct ferry_stream *stream, void *p, size_t len)
{
	struct fd_stream *s = container_of(stream, struct fd_stream, stream);
	ssize_t n;

	do
		n = read(s->fd, p, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* A stream at the begin of @fd; NULL: no memory, or it has none. */
static struct fd_stream *open_stream(int fd, ssize_t (*move)(struct ferry_stream *, void *, size_t))
{
	struct fd_stream *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->stream = (struct ferry_stream){ .move = move, .buf = s->buf, .size = sizeof(s->buf) };
	s->fd = fd;
	if (!lseek(fd, 0, SEEK_SET))
		return s;
	free(s);
	return NULL;
}

/* All of @session's server, into a new file that the channel is given. */
static int save(struct ferry_session *session)
{
	struct ferry_move move = { .size = sizeof(move), .to = FERRY_MOVE_SAVED };
	struct fd_stream *s;
	int err = -ENOMEM;

	move.fd = memfd_create("ferry-saved", MFD_CLOEXEC);
	if (move.fd < 0)
		return -errno;
	s = open_stream(move.fd, write_fd);
	if (s)
		err = ferry_server_save(&session->server, session->class, &s->stream);
	free(s);
	if (!err && ioctl(session->workers[0].fd, FERRY_IOC_MOVE, &move))
		err = -errno;
	close(move.fd);
	return err;
}

/*
 * A backend saves when no other request is under way. Who asked may have given it up, and
 * then requests come: they wait, in ferry_saved_wait(). Where a state is kept, its gate keeps
 * them out.
 */
void ferry_saved_serve(struct ferry_session *session, struct ferry_req *req)
{
	int err;

	if (req->opcode != FERRY_OP_SAVE) {
		ferry_reply_err(req, -ENOSYS);
		return;
	}
	pthread_mutex_lock(&session->lock);
	__atomic_store_n(&session->saving, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&session->lock);
	err = save(session);
	pthread_mutex_lock(&session->lock);
	__atomic_store_n(&session->saving, false, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	ferry_reply_err(req, err);
}

void ferry_saved_wait(struct ferry_session *session)
{
	pthread_mutex_lock(&session->lock);
	while (session->saving)
		pthread_cond_wait(&session->changed, &session->lock);
	pthread_mutex_unlock(&session->lock);
}

bool ferry_saved_is(int fd)
{
	struct fd_stream *s = open_stream(fd, read_fd);
	bool is = s && ferry_stream_is_saved(&s->stream);

	free(s);
	return is;
}

static int load(struct ferry_session *session, const struct ferry_backend *backend, int fd)
{
	struct fd_stream *s = open_stream(fd, read_fd);
	int err = -ENOMEM;

	if (s)
		err = ferry_server_load(&session->server, backend, session->class, &s->stream);
	free(s);
	return err;
}

/* The last server has been sent home, but may still be letting go of what it had for itself. */
int ferry_saved_load(struct ferry_session *session, const struct ferry_backend *backend, int fd)
{
	unsigned int tries = 0;
	int err;

	do
		err = load(session, backend, fd);
	while (ferry_file_again(err, &tries));
	if (err)
		ferry_log(FERRY_LOG_ERR, "%s: did not load what the last server saved: %s%s",
			  backend->name, strerror(-err),
			  err == -EPROTO ? ": it was of another backend or version" : "");
	return err;
}
