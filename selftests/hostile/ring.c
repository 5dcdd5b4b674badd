// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/ferry.h>

#include "../claim.h"
#include "ring.h"

static char *map(const struct ring *ring, size_t size, off_t what)
{
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, what);

	CHECK(mem != MAP_FAILED);
	return mem;
}

void ring_open(struct ring *ring)
{
	struct io_uring_params *p = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(SYS_io_uring_setup, 1, p);
	if (ring->fd < 0 && (errno == EPERM || errno == ENOSYS))
		claim_skip("io_uring: %s", strerror(errno));
	CHECK(ring->fd >= 0);
	ring->sq = map(ring, p->sq_off.array + p->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	ring->cq = map(ring, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
		       IORING_OFF_CQ_RING);
	ring->sqes = (void *)map(ring, p->sq_entries * sizeof(*ring->sqes), IORING_OFF_SQES);
}

static uint32_t *word(char *queue, uint32_t off)
{
	return (uint32_t *)(queue + off);
}

static void submit(struct ring *ring, int fd, uint64_t arg)
{
	const struct io_sqring_offsets *off = &ring->params.sq_off;
	uint32_t *tail = word(ring->sq, off->tail), at = *tail & *word(ring->sq, off->ring_mask);
	struct io_uring_sqe *sqe = &ring->sqes[at];
	const uint64_t data[2] = { arg, 0 };

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = FERRY_IOC_SYNC;
	/* Behind the entry's last named field, which not every header names alike. */
	memcpy((char *)sqe + 48, data, sizeof(data));
	word(ring->sq, off->array)[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

int ring_command(struct ring *ring, int fd, uint64_t arg)
{
	const struct io_cqring_offsets *off = &ring->params.cq_off;
	uint32_t *head = word(ring->cq, off->head), *tail = word(ring->cq, off->tail);
	struct io_uring_cqe *cqes = (void *)(ring->cq + off->cqes);
	uint32_t submitting = 1;
	int res;

	submit(ring, fd, arg);
	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head) {
		int nr = (int)syscall(SYS_io_uring_enter, ring->fd, submitting, 1,
				      IORING_ENTER_GETEVENTS, NULL, 0);

		CHECK(nr >= 0 || errno == EINTR);
		if (nr > 0)
			submitting = 0;
	}
	res = cqes[*head & *word(ring->cq, off->ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}
