// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Saved servers. A stream begins with a head that says what it is of and the arguments of
 * the server; its class's settings and the backend's own follow, and the same of those that
 * it stands before.
 */
#include <linux/ferry.h>
#include "dispatch.h"

#define STREAM_MAGIC	0x6665727279737401ULL	/* and the form's version */

struct stream_head {
	u64 magic;
	u32 class;
	u32 args_len;
	u32 settings_len;
	u32 pad;
	char name[FERRY_NAME_MAX];
};

static int write_out(struct ferry_stream *stream, const void *p, size_t len)
{
	ssize_t n = len ? stream->move(stream, (void *)p, len) : 0;

	if (n != (ssize_t)len)
		stream->err = n < 0 ? n : -EIO;
	return stream->err;
}

/* What was written leaves the buffer. */
static int flush(struct ferry_stream *stream)
{
	if (!stream->err && !write_out(stream, stream->buf, stream->len))
		stream->len = 0;
	return stream->err;
}

int ferry_stream_write(struct ferry_stream *stream, const void *p, size_t len)
{
	if (unlikely(len > stream->size - stream->len)) {
		if (flush(stream))
			return stream->err;
		if (len > stream->size)
			return write_out(stream, p, len);
	}
	if (unlikely(!len || stream->err))
		return stream->err;
	memcpy(stream->buf + stream->len, p, len);
	stream->len += len;
	return 0;
}
FERRY_EXPORT(ferry_stream_write);

void *ferry_stream_room(struct ferry_stream *stream, size_t len)
{
	void *p;

	if (unlikely(len > stream->size - stream->len)) {
		if (flush(stream))
			return NULL;
		if (len > stream->size)
			stream->err = -EINVAL;
	}
	if (unlikely(stream->err))
		return NULL;
	p = stream->buf + stream->len;
	stream->len += len;
	return p;
}
FERRY_EXPORT(ferry_stream_room);

/* Some of the bytes that come next: into the buffer, or past it. */
static int read_in(struct ferry_stream *stream, char **p, size_t *len)
{
	const bool past = *len >= stream->size;
	ssize_t n = past ? stream->move(stream, *p, *len) :
			   stream->move(stream, stream->buf, stream->size);

	if (n <= 0) {
		stream->err = n ? n : -EIO;
		return stream->err;
	}
	stream->used = 0;
	stream->len = past ? 0 : n;
	if (past) {
		*p += n;
		*len -= n;
	}
	return 0;
}

int ferry_stream_read(struct ferry_stream *stream, void *to, size_t len)
{
	char *p = to;

	if (unlikely(stream->err))
		return stream->err;
	for (;;) {
		size_t n = min(len, stream->len - stream->used);

		if (likely(n)) {
			memcpy(p, stream->buf + stream->used, n);
			stream->used += n;
			p += n;
			len -= n;
		}
		if (likely(!len))
			return 0;
		if (read_in(stream, &p, &len))
			return stream->err;
	}
}
FERRY_EXPORT(ferry_stream_read);

/* What is left in the buffer goes to its begin, and more behind it, until it is @len. */
static int fill(struct ferry_stream *stream, size_t len)
{
	stream->len -= stream->used;
	memmove(stream->buf, stream->buf + stream->used, stream->len);
	stream->used = 0;
	while (!stream->err && stream->len < len) {
		ssize_t n = stream->move(stream, stream->buf + stream->len,
					 stream->size - stream->len);

		if (n > 0)
			stream->len += n;
		else
			stream->err = n ? n : -EIO;
	}
	return stream->err;
}

const void *ferry_stream_next(struct ferry_stream *stream, size_t len)
{
	const char *p;

	if (unlikely(len > stream->size))
		stream->err = -EINVAL;
	if (unlikely(stream->err || (len > stream->len - stream->used && fill(stream, len))))
		return NULL;
	p = stream->buf + stream->used;
	stream->used += len;
	return p;
}
FERRY_EXPORT(ferry_stream_next);

/* What a class has come to terms about with its client. */
static void *settings(struct ferry_server *server, u32 class, u32 *len)
{
	switch (class) {
	case FERRY_CLASS_FS:
		*len = sizeof(server->fs);
		return &server->fs;
	case FERRY_CLASS_BLOCK:
		*len = sizeof(server->block);
		return &server->block;
	default:
		*len = 0;
		return server;
	}
}

static bool can_save(const struct ferry_server *server)
{
	for (; server; server = server->below)
		if (!server->backend->save && !(server->backend->flags & FERRY_STATELESS))
			return false;
	return true;
}

static int save_own(struct ferry_server *server, u32 class, struct ferry_stream *stream)
{
	u32 len;
	void *set = settings(server, class, &len);

	ferry_stream_write(stream, set, len);
	return stream->err || !server->backend->save ? stream->err :
						       server->backend->save(server, stream);
}

static int load_own(struct ferry_server *server, u32 class, struct ferry_stream *stream)
{
	u32 len;
	void *set = settings(server, class, &len);
	int err = ferry_stream_read(stream, set, len);

	if (!err && class == FERRY_CLASS_BLOCK)
		err = ferry_block_settle(server);
	return err || !server->backend->load ? err : server->backend->load(server, stream);
}

int ferry_server_save(struct ferry_server *server, u32 class, struct ferry_stream *stream)
{
	const struct ferry_backend *backend = server->backend;
	struct stream_head head = {
		.magic = STREAM_MAGIC,
		.class = class,
		.args_len = server->args ? strlen(server->args) + 1 : 0,
	};

	if (!can_save(server))
		return -EOPNOTSUPP;
	settings(server, class, &head.settings_len);
	memcpy(head.name, backend->name, strlen(backend->name));
	ferry_stream_write(stream, &head, sizeof(head));
	if (head.args_len)
		ferry_stream_write(stream, server->args, head.args_len);
	for (; server && !stream->err; server = server->below)
		stream->err = save_own(server, class, stream);
	return flush(stream);
}
FERRY_EXPORT(ferry_server_save);

bool ferry_stream_is_saved(struct ferry_stream *stream)
{
	u64 magic;

	return !ferry_stream_read(stream, &magic, sizeof(magic)) && magic == STREAM_MAGIC;
}

static int check_head(const struct stream_head *head, const struct ferry_backend *backend,
		      u32 class)
{
	if (head->magic != STREAM_MAGIC || head->class != class ||
	    head->name[FERRY_NAME_MAX - 1] || strcmp(head->name, backend->name) ||
	    head->args_len > FERRY_ARGS_MAX)
		return -EPROTO;
	return backend->load || backend->flags & FERRY_STATELESS ? 0 : -EOPNOTSUPP;
}

int ferry_server_load(struct ferry_server *server, const struct ferry_backend *backend,
		      u32 class, struct ferry_stream *stream)
{
	struct ferry_server *level = server;
	struct stream_head head;
	char *args = NULL;
	u32 len;
	int err;

	err = ferry_stream_read(stream, &head, sizeof(head));
	if (!err)
		err = check_head(&head, backend, class);
	if (err)
		return err;
	if (head.args_len) {
		args = ferry_alloc(head.args_len);
		if (!args)
			return -ENOMEM;
		err = ferry_stream_read(stream, args, head.args_len);
		args[head.args_len - 1] = 0;
	}
	server->loads = true;
	if (!err)
		err = ferry_server_init(server, backend, class, args);
	ferry_free(args);
	if (err)
		return err;
	settings(server, class, &len);
	err = len == head.settings_len ? 0 : -EPROTO;
	for (; level && !err; level = level->below)
		err = load_own(level, class, stream);
	if (err)
		ferry_server_destroy(server, class);
	return err;
}
FERRY_EXPORT(ferry_server_load);
