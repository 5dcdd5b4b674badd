// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The queues: a thread, a ring and QUEUE_DEPTH requests under way for each. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <liburing.h>

#include "peer.h"

/**
 * struct queue - one of the device's
 * @requests: what is asked for, by tag; written by the kernel before it completes a command
 * @data: MAX_DATA bytes for each tag, which the kernel copies from and to
 * @err: of its start, to be read after @started
 */
struct queue {
	const struct peer *peer;
	pthread_t thread;
	uint16_t id;
	int err;
	sem_t started;
	struct io_uring ring;
	const struct ublksrv_io_desc *requests;
	char *data;
};

static struct queue *queues;
static unsigned int nr_queues;

static char *data_of(const struct queue *q, unsigned int tag)
{
	return q->data + (size_t)tag * MAX_DATA;
}

/* The ring has room for one of each tag, and there is never more than one. */
static void fetch(struct queue *q, uint32_t op, unsigned int tag, int result)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
	struct ublksrv_io_cmd cmd = {
		.q_id = q->id,
		.tag = (uint16_t)tag,
		.result = result,
		.addr = (uintptr_t)data_of(q, tag),
	};

	assert(sqe);
	memset((void *)sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = q->peer->char_fd;
	sqe->cmd_op = op;
	memcpy((void *)sqe->cmd, &cmd, sizeof(cmd));
	sqe->user_data = tag;
}

/* Return: bytes, or -errno */
static int answer(const struct queue *q, unsigned int tag)
{
	const struct ublksrv_io_desc *request = &q->requests[tag];
	uint64_t pos = request->start_sector << 9;
	size_t len = (size_t)request->nr_sectors << 9;
	char *data = data_of(q, tag);

	switch (ublksrv_get_op(request)) {
	case UBLK_IO_OP_READ:
		if (q->peer->memory)
			memcpy(data, q->peer->memory + pos, len);
		return (int)len;
	case UBLK_IO_OP_WRITE:
		if (q->peer->memory)
			memcpy(q->peer->memory + pos, data, len);
		return (int)len;
	case UBLK_IO_OP_FLUSH:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int queue_start(struct queue *q)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	size_t step = UBLK_MAX_QUEUE_DEPTH * sizeof(struct ublksrv_io_desc);
	int err = io_uring_queue_init_params(QUEUE_DEPTH, &q->ring, &params);

	if (err)
		return err;
	q->requests = mmap(NULL, QUEUE_DEPTH * sizeof(struct ublksrv_io_desc), PROT_READ,
			   MAP_SHARED | MAP_POPULATE, q->peer->char_fd,
			   (off_t)(UBLKSRV_CMD_BUF_OFFSET + q->id * step));
	if (q->requests == MAP_FAILED)
		return -errno;
	q->data = mmap(NULL, (size_t)QUEUE_DEPTH * MAX_DATA, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (q->data == MAP_FAILED)
		return -ENOMEM;
	for (unsigned int tag = 0; tag < QUEUE_DEPTH; tag++)
		fetch(q, UBLK_U_IO_FETCH_REQ, tag, -1);
	err = io_uring_submit(&q->ring);
	return err < 0 ? err : 0;
}

/* Until the device is stopped: then the kernel completes all with an error. */
static void *queue_run(void *arg)
{
	struct queue *q = arg;
	struct io_uring_cqe *cqe;
	unsigned int gone = 0, head, nr;

	q->err = queue_start(q);
	sem_post(&q->started);
	while (!q->err && gone < QUEUE_DEPTH) {
		if (io_uring_submit_and_wait(&q->ring, 1) < 0)
			continue;
		nr = 0;
		io_uring_for_each_cqe(&q->ring, head, cqe) {
			unsigned int tag = (unsigned int)cqe->user_data;

			nr++;
			if (cqe->res == UBLK_IO_RES_OK)
				fetch(q, UBLK_U_IO_COMMIT_AND_FETCH_REQ, tag, answer(q, tag));
			else
				gone++;
		}
		io_uring_cq_advance(&q->ring, nr);
	}
	return NULL;
}

int queues_start(const struct peer *peer)
{
	queues = calloc(peer->nr_queues, sizeof(*queues));
	if (!queues)
		return -ENOMEM;
	for (unsigned int i = 0; i < peer->nr_queues; i++) {
		struct queue *q = &queues[i];

		q->peer = peer;
		q->id = (uint16_t)i;
		sem_init(&q->started, 0, 0);
		if (pthread_create(&q->thread, NULL, queue_run, q))
			return -EAGAIN;
		nr_queues++;
		sem_wait(&q->started);
		if (q->err)
			return q->err;
	}
	return 0;
}

/* The device is not gone while it is mapped. */
void queues_end(void)
{
	for (unsigned int i = 0; i < nr_queues; i++) {
		struct queue *q = &queues[i];

		pthread_join(q->thread, NULL);
		if (q->err)
			continue;
		io_uring_queue_exit(&q->ring);
		munmap((void *)q->requests, QUEUE_DEPTH * sizeof(struct ublksrv_io_desc));
	}
}
