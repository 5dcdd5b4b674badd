// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A backend as somebody else may write it: a disk in plain memory, which moves, and does not
 * recover. A read ends its process, once for each time that its file `exit=` is made.
 */
#include <stdlib.h>
#include <unistd.h>

#include <ferry/block.h>

#define SIZE	(1 << 20)

struct fragile {
	char *file;
	char data[SIZE];
};

static struct fragile *of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

static void fragile_read(struct ferry_req *req, u64 off, u32 len)
{
	struct fragile *f = of(req);
	struct ferry_iov iov = { f->data + off, len };

	if (f->file && !unlink(f->file))
		_exit(3);
	ferry_reply_data(req, &iov, 1);
}

static void fragile_write(struct ferry_req *req, u64 off, u32 len, u32 flags)
{
	struct ferry_iov iov = { of(req)->data + off, len };
	ssize_t n = ferry_req_pull(req, 0, &iov, 1);

	ferry_reply_err(req, n == len ? 0 : n < 0 ? (int)n : -EIO);
}

static int fragile_init(struct ferry_server *server, const char *args)
{
	struct fragile *f = calloc(1, sizeof(*f));
	const char *file;
	size_t len = 0;

	if (!f)
		return -ENOMEM;
	file = ferry_opt_find(args, "exit", &len);
	f->file = file ? strndup(file, len) : NULL;
	server->priv = f;
	server->block.size = SIZE;
	return 0;
}

static void fragile_destroy(struct ferry_server *server)
{
	struct fragile *f = server->priv;

	free(f->file);
	free(f);
}

static int fragile_save(struct ferry_server *server, struct ferry_stream *stream)
{
	struct fragile *f = server->priv;

	return ferry_stream_write(stream, f->data, SIZE);
}

static int fragile_load(struct ferry_server *server, struct ferry_stream *stream)
{
	struct fragile *f = server->priv;

	return ferry_stream_read(stream, f->data, SIZE);
}

static const struct ferry_block_ops fragile_ops = {
	.size = sizeof(fragile_ops),
	.init = fragile_init,
	.destroy = fragile_destroy,
	.read = fragile_read,
	.write = fragile_write,
};

FERRY_BACKEND(fragile, .help = "[exit=FILE]  a disk for tests", .block = &fragile_ops,
	      .save = fragile_save, .load = fragile_load);
