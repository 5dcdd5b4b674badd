// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A server's state on its way to another server: saved into a file in memory, and loaded. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "saved.h"

#define BUF_SIZE	65536

/**
 * struct fd_stream - a stream in a file
 * @len: bytes in @buf
 * @used: of those, when reading: how many have been
 */
struct fd_stream {
	struct ferry_stream stream;
	int fd;
	size_t len;
	size_t used;
	char buf[BUF_SIZE];
};

static int flush(struct fd_stream *s)
{
	size_t done = 0;

	while (done < s->len) {
		ssize_t n = write(s->fd, s->buf + done, s->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? n : 0;
	}
	s->len = 0;
	return 0;
}

static int write_fd(struct ferry_stream *stream, void *p, size_t len)
{
	struct fd_stream *s = container_of(stream, struct fd_stream, stream);
	int err = 0;

	while (len && !err) {
		size_t n = min(len, BUF_SIZE - s->len);

		memcpy(s->buf + s->len, p, n);
		s->len += n;
		p = (char *)p + n;
		len -= n;
		if (s->len == BUF_SIZE)
			err = flush(s);
	}
	return err;
}

static int read_fd(struct ferry_stream *stream, void *p, size_t len)
{
	struct fd_stream *s = container_of(stream, struct fd_stream, stream);

	while (len) {
		size_t n = min(len, s->len - s->used);
		ssize_t got;

		memcpy(p, s->buf + s->used, n);
		s->used += n;
		p = (char *)p + n;
		len -= n;
		if (!len)
			break;
		got = read(s->fd, s->buf, BUF_SIZE);
		if (!got)
			return -EIO;
		if (got < 0 && errno != EINTR)
			return -errno;
		s->len = got > 0 ? got : 0;
		s->used = 0;
	}
	return 0;
}

/* All of @session's server, in a new file; its descriptor, or -errno. */
static int save(struct ferry_session *session)
{
	struct fd_stream *s = malloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->stream = (struct ferry_stream){ .move = write_fd };
	s->len = 0;
	s->fd = memfd_create("ferry-saved", MFD_CLOEXEC);
	err = s->fd < 0 ? -errno : 0;
	if (!err)
		err = ferry_server_save(&session->server, FERRY_CLASS_FS, &s->stream);
	if (!err)
		err = flush(s);
	if (err && s->fd >= 0)
		close(s->fd);
	if (!err)
		err = s->fd;
	free(s);
	return err;
}

/* Push the saved bytes from @offset on; the number of bytes, or -errno. */
static ssize_t push_from(struct ferry_req *req, int fd, u64 offset)
{
	size_t room = ferry_req_data_len(req);
	struct ferry_iov iov = { .base = malloc(room) };
	ssize_t n;

	if (!iov.base)
		return -ENOMEM;
	n = pread(fd, iov.base, room, offset);
	if (n < 0)
		n = -errno;
	iov.len = n > 0 ? n : 0;
	if (n > 0 && ferry_req_push(req, &iov, 1) != n)
		n = -EIO;
	free(iov.base);
	return n;
}

void ferry_saved_serve(struct ferry_session *session, struct ferry_req *req)
{
	const struct ferry_save_in *in = req->in[0].p;
	ssize_t n;

	if (req->opcode != FERRY_OP_SAVE || req->in[0].len < sizeof(*in)) {
		ferry_reply_err(req, -ENOSYS);
		return;
	}
	if (!in->offset) {
		if (session->saved_fd >= 0)
			close(session->saved_fd);
		session->saved_fd = save(session);
	}
	n = session->saved_fd < 0 ? session->saved_fd : push_from(req, session->saved_fd,
								  in->offset);
	ferry_reply_err(req, n < 0 ? n : 0);
}

bool ferry_saved_is(int fd)
{
	struct fd_stream *s = malloc(sizeof(*s));
	bool is = false;

	if (s) {
		s->stream = (struct ferry_stream){ .move = read_fd };
		s->fd = fd;
		s->len = s->used = 0;
		is = !lseek(fd, 0, SEEK_SET) && ferry_stream_is_saved(&s->stream);
		free(s);
	}
	return is;
}

int ferry_saved_load(struct ferry_session *session, const struct ferry_backend *backend, int fd)
{
	struct fd_stream *s = malloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->stream = (struct ferry_stream){ .move = read_fd };
	s->fd = fd;
	s->len = s->used = 0;
	err = lseek(fd, 0, SEEK_SET) ? -errno :
	      ferry_server_load(&session->server, backend, FERRY_CLASS_FS, &s->stream);
	if (err)
		ferry_log(FERRY_LOG_ERR, "%s: did not load what the last server saved: %s%s",
			  backend->name, strerror(-err),
			  err == -EPROTO ? ": it was of another backend or version" : "");
	free(s);
	return err;
}
