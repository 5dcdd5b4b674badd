// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The loops of libferry: requests of many clients, answered in the call or later by
 * another thread, with data that fits a slot and data that does not.
 */
#include <linux/fuse.h>
#include <stdlib.h>
#include <unistd.h>

#include <ferry/fs.h>

#include "../claim.h"
#include "../../lib/ring.h"
#include "loop_kernel.h"

#define CLIENTS		6
#define THREADS		2
#define SEED		9
#define DATA_SIZE	4096

/* A backend whose files hold a pattern; half of its answers come later. */
struct job {
	struct ferry_req *req;
	void (*run)(struct ferry_req *req, u64 off, u32 len);
	u64 off;
	u32 len;
	struct job *next;
};

static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t jobs_changed = PTHREAD_COND_INITIALIZER;
static struct job *jobs;
static bool jobs_end, jobs_held;
static unsigned int nr_later;

static void *late_thread(void *arg)
{
	struct job *job;

	pthread_mutex_lock(&jobs_lock);
	for (;;) {
		while ((!jobs || jobs_held) && !jobs_end)
			pthread_cond_wait(&jobs_changed, &jobs_lock);
		job = jobs;
		if (!job)
			break;
		jobs = job->next;
		pthread_mutex_unlock(&jobs_lock);
		job->run(job->req, job->off, job->len);
		free(job);
		pthread_mutex_lock(&jobs_lock);
	}
	pthread_mutex_unlock(&jobs_lock);
	return NULL;
}

static void hold_jobs(bool hold)
{
	pthread_mutex_lock(&jobs_lock);
	jobs_held = hold;
	pthread_cond_signal(&jobs_changed);
	pthread_mutex_unlock(&jobs_lock);
}

static void now_or_later(struct ferry_req *req, u64 node,
			 void (*run)(struct ferry_req *, u64, u32), u64 off, u32 len)
{
	struct job *job;

	if (node % 2) {
		run(req, off, len);
		return;
	}
	job = malloc(sizeof(*job));
	*job = (struct job){ req, run, off, len, NULL };
	pthread_mutex_lock(&jobs_lock);
	job->next = jobs;
	jobs = job;
	nr_later++;
	pthread_cond_signal(&jobs_changed);
	pthread_mutex_unlock(&jobs_lock);
}

static void run_getattr(struct ferry_req *req, u64 off, u32 len)
{
	const struct ferry_attr attr = { .size = off };

	ferry_reply_attr(req, &attr, 0);
}

/* Some of it pushed, the rest given with the reply, in uneven pieces. */
static void run_read(struct ferry_req *req, u64 off, u32 len)
{
	char *p = malloc(len + 1);
	u32 a = len / 5, b = len / 3;
	struct ferry_iov iov[] = { { p, a }, { p + a, b }, { p + a + b, len - a - b } };

	fill_pattern(p, len, off, SEED);
	CHECK_EQ(ferry_req_push(req, iov, 1), a);
	ferry_reply_data(req, iov + 1, 2);
	free(p);
}

/* Takes it in two calls, the second first. */
static void run_write(struct ferry_req *req, u64 off, u32 len)
{
	char *p = malloc(len + 1);
	u32 a = len / 3;
	struct ferry_iov first[] = { { p, a / 2 }, { p + a / 2, a - a / 2 } };
	struct ferry_iov second = { p + a, len - a + 1 };

	CHECK_EQ(ferry_req_pull(req, a, &second, 1), len - a);
	CHECK_EQ(ferry_req_pull(req, 0, first, 2), a);
	if (find_difference(p, len, off, SEED) >= 0)
		ferry_reply_err(req, -EILSEQ);
	else
		ferry_reply_written(req, len);
	free(p);
}

static void run_readdir(struct ferry_req *req, u64 off, u32 len)
{
	const struct ferry_entry entry = { .node = 2, .attr.mode = S_IFREG };
	char name[32];

	do {
		snprintf(name, sizeof(name), "name-%llu", off++);
	} while (ferry_dirent_add(req, name, strlen(name), &entry, off));
	ferry_reply_dir(req);
}

static void op_getattr(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	now_or_later(req, node, run_getattr, node, 0);
}

static void op_read(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 len)
{
	now_or_later(req, node, run_read, off, len);
}

static void op_write(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 len,
		     u32 flags)
{
	now_or_later(req, node, run_write, off, len);
}

static void op_readdir(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off,
		       bool plus)
{
	now_or_later(req, node, run_readdir, off, 0);
}

static const struct ferry_fs_ops ops = {
	.size = sizeof(ops), .getattr = op_getattr, .read = op_read, .write = op_write,
	.readdir = op_readdir,
};

static const struct ferry_backend backend = {
	.abi = FERRY_BACKEND_ABI, .name = "late", .fs = &ops,
};

/* What session.c does. */
static unsigned int nr_answered;

void ferry_session_answered(struct ferry_session *session)
{
	__atomic_add_fetch(&nr_answered, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&session->up, true, __ATOMIC_RELAXED);
}

static const struct kernel *kernel;

static void call_getattr(u64 node)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	struct call call = { FUSE_GETATTR, node, &in, sizeof(in), .out = &out,
			     .out_len = sizeof(out) };

	kernel->call(&call);
	CHECK_EQ(call.error, 0);
	CHECK_EQ(call.out_len, sizeof(out));
	CHECK_EQ(out.attr.size, node);
}

static void call_read(u64 node, u64 off, u32 len)
{
	const struct fuse_read_in in = { .offset = off, .size = len };
	char *p = malloc(len);
	struct call call = { FUSE_READ, node, &in, sizeof(in), p, len };

	kernel->call(&call);
	CHECK_EQ(call.error, 0);
	CHECK_EQ(call.pushed, len);
	CHECK_EQ(find_difference(p, len, off, SEED), -1);
	free(p);
}

static void call_write(u64 node, u64 off, u32 len)
{
	const struct fuse_write_in in = { .offset = off, .size = len };
	struct fuse_write_out out;
	char *p = malloc(len);
	struct call call = { FUSE_WRITE, node, &in, sizeof(in), p, len, true, &out, sizeof(out) };

	fill_pattern(p, len, off, SEED);
	kernel->call(&call);
	CHECK_EQ(call.error, 0);
	CHECK_EQ(out.size, len);
	free(p);
}

static void call_readdir(u64 node, u64 off, u32 len)
{
	const struct fuse_read_in in = { .offset = off, .size = len };
	char *p = malloc(len), name[32];
	struct call call = { FUSE_READDIR, node, &in, sizeof(in), p, len };
	u32 at = 0;

	kernel->call(&call);
	CHECK_EQ(call.error, 0);
	CHECK(call.pushed + 64 > len);
	while (at < call.pushed) {
		const struct fuse_dirent *d = (void *)(p + at);

		snprintf(name, sizeof(name), "name-%llu", off++);
		CHECK_EQ(d->namelen, strlen(name));
		CHECK(!memcmp(d->name, name, d->namelen));
		CHECK_EQ(d->off, off);
		at += FUSE_DIRENT_SIZE(d);
	}
	CHECK_EQ(at, call.pushed);
	free(p);
}

static void call_unknown(u64 node)
{
	struct call call = { FUSE_IOCTL, node };

	kernel->call(&call);
	CHECK_EQ(call.error, -ENOSYS);
}

static void *client(void *arg)
{
	uint64_t state = test_seed() + (uintptr_t)arg;
	unsigned int n = test_scale(2000);

	while (n--) {
		u64 node = 1 + next_random(&state) % 100;
		u64 off = next_random(&state);
		u32 len = 1 + next_random(&state) % (next_random(&state) % 4 ? 5000 : 60000);

		switch (next_random(&state) % 5) {
		case 0:
			call_getattr(node);
			break;
		case 1:
			call_read(node, off, len);
			break;
		case 2:
			call_write(node, off, len);
			break;
		case 3:
			call_readdir(node, off, len + 64);
			break;
		default:
			call_unknown(node);
		}
	}
	return NULL;
}

static void *server(void *arg)
{
	struct ferry_worker *worker = arg;

	return (void *)(intptr_t)worker->session->loop->run(worker);
}

static struct ferry_worker workers[THREADS];
static struct ferry_session session = {
	.class = FERRY_CLASS_FS,
	.workers = workers,
	.nr_workers = THREADS,
	.geo = {
		.nr_queues = THREADS, .depth = 3, .desc_off = 64, .slot_off = 4096,
		.req_size = 4096, .rep_off = 4096, .rep_size = 4096, .data_off = 8192,
		.data_size = DATA_SIZE, .inline_max = DATA_SIZE / 2,
		.slot_size = 8192 + DATA_SIZE,
		.queue_size = 4096 + 3 * (8192 + DATA_SIZE),
	},
};
static pthread_t late;

static void begin(const struct ferry_loop_ops *loop, const struct kernel *k)
{
	size_t i;

	kernel = k;
	session.loop = loop;
	CHECK_EQ(ferry_server_init(&session.server, &backend, FERRY_CLASS_FS, NULL), 0);
	for (i = 0; i < THREADS; i++)
		workers[i].session = &session;
	kernel->open(&session);
	CHECK_EQ(loop->open(&session), 0);
	CHECK_EQ(ferry_session_pending(&session), 0);
	CHECK_EQ(pthread_create(&late, NULL, late_thread, NULL), 0);
	for (i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&workers[i].thread, NULL, server, &workers[i]), 0);
}

/* @end: what the threads of the loop return */
static void stop(int end)
{
	size_t i;

	kernel->unbind();
	for (i = 0; i < THREADS; i++) {
		void *ret;

		pthread_join(workers[i].thread, &ret);
		CHECK_EQ((intptr_t)ret, end);
	}
}

static void finish(void)
{
	while (ferry_session_pending(&session))
		usleep(1000);
	pthread_mutex_lock(&jobs_lock);
	jobs_end = true;
	pthread_cond_signal(&jobs_changed);
	pthread_mutex_unlock(&jobs_lock);
	pthread_join(late, NULL);
	session.loop->close(&session);
}

static void try_loop(const struct ferry_loop_ops *loop, const struct kernel *k, int end)
{
	pthread_t clients[CLIENTS];
	size_t i;

	begin(loop, k);
	for (i = 0; i < CLIENTS; i++)
		CHECK_EQ(pthread_create(&clients[i], NULL, client, (void *)i), 0);
	for (i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	stop(end);
	finish();
	CHECK(nr_answered > 0);
	claim_note("%u answers came later", nr_later);
}

static bool one_is_late(void)
{
	const struct ferry_ring *ring = session.loop_data;
	bool found = false;
	u32 tag;

	for (tag = 0; tag < ring->nr_slots; tag++)
		found |= __atomic_load_n(&ring->slots[tag].answer, __ATOMIC_RELAXED) ==
			FERRY_ANSWER_LATER;
	return found;
}

static void *one_call(void *arg)
{
	call_getattr(2);
	return NULL;
}

/* Its client has it already, but it still uses the session's memory. */
static void session_waits_for_senders(void)
{
	pthread_t client;

	begin(&ferry_loop_sync, &kernel_sync);
	hold_jobs(true);
	kernel_sync_hold(true);
	CHECK_EQ(pthread_create(&client, NULL, one_call, NULL), 0);
	while (!one_is_late())
		usleep(1000);
	hold_jobs(false);
	pthread_join(client, NULL);
	stop(0);
	CHECK_EQ(ferry_session_pending(&session), 1);
	kernel_sync_hold(false);
	finish();
}

static void sync_answers_all(void)
{
	try_loop(&ferry_loop_sync, &kernel_sync, 0);
}

static void rw_answers_all(void)
{
	/* The sockets that stand in for the device end by an empty message. */
	try_loop(&ferry_loop_rw, &kernel_rw, -EPROTO);
}

static const struct claim claims[] = {
	{ "style sync answers all, now or later", sync_answers_all, 120 },
	{ "a session waits for who sends a late answer", session_waits_for_senders, 120 },
	{ "style rw answers all, now or later", rw_answers_all, 120 },
};
CLAIMS_MAIN(claims)
