// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The rings: a thread, a ring and some requests under way for each CPU. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

#include <liburing.h>

#include "peer.h"

#define DEPTH	8

/**
 * struct entry - a request's memory
 * @iov: where @header and @payload are, as the kernel is told
 */
struct entry {
	struct iovec iov[2];
	struct fuse_uring_req_header *header;
	char *payload;
};

/** struct queue - of one CPU; @err: of its start, to be read after @started */
struct queue {
	const struct peer *peer;
	unsigned int cpu;
	int err;
	sem_t started;
	struct io_uring ring;
	struct entry entries[DEPTH];
};

static void command(struct queue *q, struct entry *e, uint32_t op, uint64_t commit_id)
{
	struct fuse_uring_cmd_req req = { .commit_id = commit_id, .qid = (uint16_t)q->cpu };
	/* There is one for each entry, and each entry has one command under way. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	assert(sqe);
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = q->peer->fd;
	sqe->cmd_op = op;
	if (op == FUSE_IO_URING_CMD_REGISTER) {
		sqe->addr = (uintptr_t)e->iov;
		sqe->len = 2;
	}
	memcpy(sqe->cmd, &req, sizeof(req));
	io_uring_sqe_set_data(sqe, e);
}

static void answer(struct queue *q, struct entry *e)
{
	struct fuse_uring_ent_in_out *ent = &e->header->ring_ent_in_out;
	struct fuse_in_header in;
	struct fuse_out_header out;
	int ret;

	memcpy(&in, e->header->in_out, sizeof(in));
	ret = null_answer(q->peer, &in, e->header->op_in, e->payload, MAX_DATA);
	ent->payload_sz = ret < 0 ? 0 : (uint32_t)ret;
	out = (struct fuse_out_header){
		.len = (uint32_t)sizeof(out) + ent->payload_sz,
		.error = ret < 0 ? ret : 0,
		.unique = in.unique,
	};
	memcpy(e->header->in_out, &out, sizeof(out));
	command(q, e, FUSE_IO_URING_CMD_COMMIT_AND_FETCH, ent->commit_id);
}

static int queue_start(struct queue *q)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN,
	};
	int err = io_uring_queue_init_params(2 * DEPTH, &q->ring, &params);

	if (err)
		return err;
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct entry *e = &q->entries[i];

		e->header = aligned_alloc(4096, 4096);
		e->payload = aligned_alloc(4096, MAX_DATA);
		if (!e->header || !e->payload)
			return -ENOMEM;
		e->iov[0] = (struct iovec){ e->header, sizeof(*e->header) };
		e->iov[1] = (struct iovec){ e->payload, MAX_DATA };
		command(q, e, FUSE_IO_URING_CMD_REGISTER, 0);
	}
	err = io_uring_submit(&q->ring);
	return err < 0 ? err : 0;
}

/* Until the mount goes: then the kernel completes all with an error. */
static void *queue_run(void *arg)
{
	struct queue *q = arg;
	struct io_uring_cqe *cqe;
	unsigned int gone = 0, head, nr;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(q->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	q->err = queue_start(q);
	sem_post(&q->started);
	while (!q->err && gone < DEPTH) {
		if (io_uring_submit_and_wait(&q->ring, 1) < 0)
			continue;
		nr = 0;
		io_uring_for_each_cqe(&q->ring, head, cqe) {
			nr++;
			if (cqe->res)
				gone++;
			else
				answer(q, io_uring_cqe_get_data(cqe));
		}
		io_uring_cq_advance(&q->ring, nr);
	}
	return NULL;
}

int rings_start(const struct peer *peer)
{
	unsigned int nr = (unsigned int)get_nprocs_conf();
	struct queue *queues = calloc(nr, sizeof(*queues));
	pthread_t thread;

	if (!queues)
		return -ENOMEM;
	for (unsigned int cpu = 0; cpu < nr; cpu++) {
		struct queue *q = &queues[cpu];

		q->peer = peer;
		q->cpu = cpu;
		sem_init(&q->started, 0, 0);
		if (pthread_create(&thread, NULL, queue_run, q))
			return -EAGAIN;
		pthread_detach(thread);
		sem_wait(&q->started);
		if (q->err)
			return q->err;
	}
	return 0;
}
