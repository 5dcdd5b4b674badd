// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nbd: a disk that is an export of an NBD server, on this machine or another one. What the
 * server can do, the disk can: its size, blocks, and whether it flushes, trims and zeroes
 * are the export's. See nbd.h.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <ferry/filter.h>
#include <ferry/state.h>

#include "nbd.h"

#define RECONNECT_S	20	/* below a disk's io_timeout=, as that is unless set */
#define RECONNECT_MAX_S	86400

#define SAVE_WAIT_MS	2000	/* for a connection that is just being made */
#define SAVE_STEP_US	10000

static struct nbd_disk *disk_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

static struct nbd_job *job_new(struct ferry_req *req, enum nbd_op op, u64 off, u64 len, u32 room)
{
	struct nbd_job *job = malloc(sizeof(*job) + room);

	if (!job) {
		ferry_reply_err(req, -ENOMEM);
		return NULL;
	}
	*job = (struct nbd_job) { .req = req, .op = op, .off = off, .len = len };
	return job;
}

static void nbd_read(struct ferry_req *req, u64 off, u32 len)
{
	struct nbd_job *job = job_new(req, NBD_READ, off, len, len);

	if (job)
		nbd_send(disk_of(req), job);
}

static void nbd_write(struct ferry_req *req, u64 off, u32 len, u32 flags)
{
	struct nbd_job *job = job_new(req, NBD_WRITE, off, len, len);
	struct ferry_iov iov;
	ssize_t n;

	if (!job)
		return;
	iov = (struct ferry_iov) { job->buf, len };
	n = ferry_req_pull(req, 0, &iov, 1);
	if (n != len) {
		free(job);
		ferry_reply_err(req, n < 0 ? n : -EIO);
		return;
	}
	job->flags = flags & FERRY_BLOCK_FUA ? LIBNBD_CMD_FLAG_FUA : 0;
	nbd_send(disk_of(req), job);
}

static void nbd_flush_all(struct ferry_req *req)
{
	struct nbd_disk *disk = disk_of(req);
	struct nbd_job *job = job_new(req, NBD_FLUSH, 0, 0, 0);

	if (!job)
		return;
	nbd_safe_came(disk, job);
	nbd_send(disk, job);
}

static void nbd_discard(struct ferry_req *req, u64 off, u64 len)
{
	struct nbd_job *job = job_new(req, NBD_TRIM, off, len, 0);

	if (job)
		nbd_send(disk_of(req), job);
}

static void nbd_write_zeroes(struct ferry_req *req, u64 off, u64 len, u32 flags)
{
	struct nbd_job *job = job_new(req, NBD_ZERO, off, len, 0);

	if (!job)
		return;
	job->flags = (flags & FERRY_BLOCK_FUA ? LIBNBD_CMD_FLAG_FUA : 0) |
		     (flags & FERRY_BLOCK_KEEP ? LIBNBD_CMD_FLAG_NO_HOLE : 0);
	nbd_send(disk_of(req), job);
}

/* The export has the size that it has: what is asked for must be there. */
static void set_size(struct ferry_req *req, const struct nbd_ask *ask)
{
	struct ferry_server *server = ferry_req_server(req);
	struct nbd_disk *disk = server->priv;
	u64 has = ask->geo.size - ask->geo.size % server->block.logical_block;
	int err = ask->err;
	u32 i;

	if (!err && (ask->size > has || !has))
		err = -ENOSPC;
	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	ferry_tx_save(disk->geo->size);
	disk->geo->size = ask->size ? ask->size : has;
	for (i = 0; i < disk->nr_conns; i++)
		nbd_conn_grow(&disk->conns[i]);
	ferry_reply_resized(req, disk->geo->size);
}

/* The request goes on, as a transaction. */
static void asked(struct ferry_req *req)
{
	struct nbd_disk *disk = disk_of(req);
	struct nbd_ask **at, *ask;

	pthread_mutex_lock(&disk->lock);
	for (at = &disk->asks; (*at)->req != req; at = &(*at)->next)
		;
	ask = *at;
	*at = ask->next;
	pthread_mutex_unlock(&disk->lock);
	set_size(req, ask);
	free(ask);
}

static void *ask_main(void *arg)
{
	struct nbd_ask *ask = arg;
	struct nbd_disk *disk = ask->disk;

	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	/* Connections may have to be made anew; then there will be little to flush, see conn.c. */
	nbd_flush_ahead(disk);
	ask->err = nbd_ask(disk->uri, &ask->geo);
	ferry_req_later(ask->req, 0, asked);
	pthread_mutex_lock(&disk->lock);
	disk->nr_asking--;
	pthread_cond_signal(&disk->asked);
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

/* -errno: there is no thread, and @ask is the caller's. */
static int begin_ask(struct nbd_disk *disk, struct nbd_ask *ask)
{
	pthread_t thread;
	sigset_t all, old;
	int err;

	pthread_mutex_lock(&disk->lock);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = -pthread_create(&thread, NULL, ask_main, ask);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err) {
		pthread_detach(thread);
		ask->next = disk->asks;
		disk->asks = ask;
		disk->nr_asking++;
	}
	pthread_mutex_unlock(&disk->lock);
	return err;
}

/* Connecting may take long: not in the thread that is to serve others, nor in a transaction. */
static void nbd_resize(struct ferry_req *req, u64 size)
{
	struct nbd_ask *ask = calloc(1, sizeof(*ask));
	int err = -ENOMEM;

	if (ask) {
		*ask = (struct nbd_ask){ .disk = disk_of(req), .req = req, .size = size };
		err = begin_ask(ask->disk, ask);
	}
	if (!err)
		return;
	free(ask);
	ferry_reply_err(req, err);
}

static void set_disk(struct ferry_server *server, const struct nbd_disk *disk)
{
	const struct nbd_geo *geo = disk->geo;
	u32 logical = max(geo->min_block, FERRY_BLOCK_SIZE_MIN);

	server->block.logical_block = logical;
	server->block.physical_block = min(geo->preferred, FERRY_BLOCK_SIZE_MAX);
	server->block.size = geo->size - geo->size % logical;
	server->block.max_transfer = geo->max_transfer;
	server->block.read_only = geo->read_only || disk->read_only;
	server->block.flush = geo->flush;
	server->block.fua = geo->fua;
	server->block.discard = geo->trim && !server->block.read_only;
	server->block.write_zeroes = geo->zero && !server->block.read_only;
}

static int parse(const struct ferry_server *server, const char *args, struct nbd_disk *disk)
{
	static const char *const known[] = { "uri", "reconnect", "connections", "ro", NULL };
	u64 reconnect = RECONNECT_S, conns = 1;
	size_t len = 0;
	const char *uri = ferry_opt_find(args, "uri", &len);
	const char *socket;

	if (ferry_args_check(server, args, known))
		return -EINVAL;
	/* None at all would be over before the first connection is made, too. */
	if (!len || ferry_opt_size(args, "reconnect", &reconnect) || !reconnect ||
	    reconnect > RECONNECT_MAX_S || ferry_opt_size(args, "connections", &conns) || !conns ||
	    conns > NBD_CONNS_MAX) {
		ferry_log(FERRY_LOG_ERR, "nbd: uri= wants an NBD URI, reconnect= seconds from 1 on, connections= a number up to %d, as in uri=nbd://host/export,reconnect=60",
			  NBD_CONNS_MAX);
		return -EINVAL;
	}
	disk->reconnect_ms = reconnect * 1000;
	disk->want_conns = conns;
	disk->read_only = ferry_opt_has(args, "ro");
	disk->uri = strndup(uri, len);
	if (!disk->uri)
		return -ENOMEM;
	/* A daemon is in no directory of its caller's when it connects again. */
	socket = strstr(disk->uri, "socket=");
	if (!socket || strchr("/%", socket[7]))
		return 0;
	ferry_log(FERRY_LOG_ERR, "nbd: socket= wants an absolute path, as in uri=nbd+unix:///?socket=/run/x.sock");
	return -EINVAL;
}

/*
 * What the export is like. A server that goes on where another one was killed knows it
 * from there, and one that is loaded will: it is to serve although nobody answers yet.
 */
static int find_geo(struct nbd_disk *disk, bool loads)
{
	struct nbd_geo *geo = ferry_state_root();
	int err;

	disk->geo = geo;
	if (geo)
		return 0;
	geo = ferry_state_alloc(sizeof(*geo));
	if (!geo)
		return -ENOMEM;
	err = loads ? 0 : nbd_ask(disk->uri, geo);
	if (!err && !loads && geo->size < FERRY_BLOCK_SIZE_MIN) {
		ferry_log(FERRY_LOG_ERR, "nbd: %s: is empty", disk->uri);
		err = -EINVAL;
	}
	if (err) {
		ferry_state_free(geo);
		return err;
	}
	disk->geo = geo;
	ferry_state_set_root(geo);
	return 0;
}

static void nbd_destroy(struct ferry_server *server)
{
	struct nbd_disk *disk = server->priv;
	u32 i;

	for (i = 0; i < disk->nr_conns; i++)
		nbd_conn_stop(&disk->conns[i]);
	/* They have answered, but may be on their way out. */
	pthread_mutex_lock(&disk->lock);
	while (disk->nr_asking)
		pthread_cond_wait(&disk->asked, &disk->lock);
	pthread_mutex_unlock(&disk->lock);
	pthread_mutex_destroy(&disk->lock);
	pthread_cond_destroy(&disk->asked);
	for (i = 0; i < disk->nr_conns; i++)
		nbd_conn_end(&disk->conns[i]);
	for (i = 0; i < disk->nr_conns; i++)
		nbd_conn_destroy(&disk->conns[i]);
	pthread_mutex_destroy(&disk->safe_lock);
	if (!ferry_state_is_kept())
		ferry_state_free(disk->geo);
	free(disk->uri);
	free(disk);
}

/* The export is known: -errno is after some have begun, too. */
static int begin_conns(struct nbd_disk *disk)
{
	int err = 0;

	disk->answered = disk->geo->lost;	/* of a server that died, before all connections */
	if (!disk->geo->multi && disk->want_conns > 1) {
		ferry_log(FERRY_LOG_WARN, "nbd: %s: connections=%u: its server does not promise that they see each other's writes: one it is",
			  disk->uri, disk->want_conns);
		disk->want_conns = 1;
	}
	while (!err && disk->nr_conns < disk->want_conns) {
		err = nbd_conn_start(&disk->conns[disk->nr_conns], disk);
		disk->nr_conns += !err;
	}
	return err;
}

static int nbd_init(struct ferry_server *server, const char *args)
{
	struct nbd_disk *disk = calloc(1, sizeof(*disk));
	const bool loads = ferry_server_loads(server);
	int err;

	if (!disk)
		return -ENOMEM;
	err = parse(server, args, disk);
	if (!err)
		err = find_geo(disk, loads);
	if (err)
		goto free_disk;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->asked, NULL);
	pthread_mutex_init(&disk->safe_lock, NULL);
	server->priv = disk;
	if (loads) {
		server->block.size = FERRY_BLOCK_SIZE_MIN;	/* until load() */
		return 0;
	}
	set_disk(server, disk);
	err = begin_conns(disk);
	if (err)
		nbd_destroy(server);
	return err;
free_disk:
	free(disk->uri);
	free(disk);
	return err;
}

/* What a stream has of a struct nbd_geo */
struct saved_geo {
	u64 size;
	u32 min_block;
	u32 preferred;
	u32 max_transfer;
	u8 read_only;
	u8 flush;
	u8 fua;
	u8 trim;
	u8 zero;
	u8 multi;
	u8 lost;
	u8 pad[5];
};

static bool is_connected(struct nbd_disk *disk)
{
	bool up = false;
	u32 i;

	for (i = 0; i < disk->nr_conns && !up; i++) {
		pthread_mutex_lock(&disk->conns[i].lock);
		up = disk->conns[i].up;
		pthread_mutex_unlock(&disk->conns[i].lock);
	}
	return up;
}

/*
 * A connection that is up leads to the export that is this disk's. Without one nobody knows what is
 * there, and it may be the URI that is wrong by now: then what serves goes on.
 */
static int nbd_save(struct ferry_server *server, struct ferry_stream *stream)
{
	struct nbd_disk *disk = server->priv;
	const struct nbd_geo *geo = disk->geo;
	const struct saved_geo saved = {
		.size = geo->size, .min_block = geo->min_block, .preferred = geo->preferred,
		.max_transfer = geo->max_transfer, .read_only = geo->read_only,
		.flush = geo->flush, .fua = geo->fua, .trim = geo->trim, .zero = geo->zero,
		.multi = geo->multi, .lost = geo->lost,
	};
	u32 us;

	for (us = 0; !is_connected(disk); us += SAVE_STEP_US) {
		if (us >= SAVE_WAIT_MS * 1000) {
			ferry_log(FERRY_LOG_ERR, "nbd: %s: no server to go on with: its export is away, or another one",
				  disk->uri);
			return -ESTALE;
		}
		ferry_sleep(SAVE_STEP_US);
	}
	return ferry_stream_write(stream, &saved, sizeof(saved));
}

/* Its server is not asked: it may be away by now. Connections are compared with what was. */
static int nbd_load(struct ferry_server *server, struct ferry_stream *stream)
{
	struct nbd_disk *disk = server->priv;
	struct saved_geo saved;
	int err = ferry_stream_read(stream, &saved, sizeof(saved));

	if (err)
		return err;
	if (saved.size < server->block.size)
		return -EPROTO;
	*disk->geo = (struct nbd_geo) {
		.size = saved.size, .min_block = saved.min_block, .preferred = saved.preferred,
		.max_transfer = saved.max_transfer, .read_only = saved.read_only,
		.flush = saved.flush, .fua = saved.fua, .trim = saved.trim, .zero = saved.zero,
		.multi = saved.multi, .lost = saved.lost,
	};
	return begin_conns(disk);
}

static void nbd_stop(struct ferry_server *server)
{
	struct nbd_disk *disk = server->priv;
	u32 i;

	for (i = 0; i < disk->nr_conns; i++)
		nbd_conn_stop(&disk->conns[i]);
}

static const struct ferry_block_ops nbd_ops = {
	.size = sizeof(nbd_ops),
	.init = nbd_init,
	.destroy = nbd_destroy,
	.read = nbd_read,
	.write = nbd_write,
	.flush = nbd_flush_all,
	.discard = nbd_discard,
	.write_zeroes = nbd_write_zeroes,
	.resize = nbd_resize,
	.stop = nbd_stop,
};

FERRY_BACKEND(nbd, .help = "uri=URI[,reconnect=SECONDS][,connections=N][,ro]"
			   "  a disk that an NBD server has",
	      .flags = FERRY_RECOVERS, .block = &nbd_ops, .save = nbd_save, .load = nbd_load);
