// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A disk's server whose calls of FERRY_IOC_SYNC are commands in a ring. Some of them wait for
 * requests at any time, also while an answer is on its way.
 */
#include <sys/ioctl.h>

#include "disk.h"

/* Where there is liburing for 32 bits is not asked. */
#if __SIZEOF_POINTER__ == 8
#include <liburing.h>

#define COMMANDS	4

/* Of the one server that this process is; its serving thread's. */
static struct io_uring ring;
static bool is_open;
static unsigned int waiting;
static int early[COMMANDS];
static unsigned int nr_early;

static void command(struct server *s, unsigned long arg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	const uint64_t data[2] = { arg, 0 };

	CHECK(sqe);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, s->fd, NULL, 0, 0);
	sqe->cmd_op = FERRY_IOC_SYNC;
	memcpy(sqe->cmd, data, sizeof(data));
	sqe->user_data = arg;
}

/* What ended next, and with what. */
static unsigned long completion(int *res)
{
	struct io_uring_cqe *cqe;
	unsigned long arg;
	int err;

	do
		err = io_uring_submit_and_wait(&ring, 1);
	while (err == -EINTR);
	CHECK(err >= 0);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	arg = cqe->user_data;
	*res = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	if (arg == FERRY_SYNC_WAIT)
		waiting--;
	return arg;
}

int uring_fetch(struct server *s)
{
	int res;

	if (!is_open)
		CHECK_EQ(io_uring_queue_init(2 * COMMANDS, &ring, 0), 0);
	is_open = true;
	if (nr_early)
		return early[--nr_early];
	for (; waiting < COMMANDS; waiting++)
		command(s, FERRY_SYNC_WAIT);
	completion(&res);
	if (res >= 0)
		return res;
	errno = -res;
	return -1;
}

int uring_answer(struct server *s, unsigned long arg)
{
	int res;

	command(s, arg);
	while (completion(&res) == FERRY_SYNC_WAIT) {
		/* An error comes again, when it is waited for the next time. */
		if (res >= 0)
			early[nr_early++] = res;
	}
	return res < 0 ? -res : 0;
}
#else
int uring_fetch(struct server *s)
{
	errno = EOPNOTSUPP;
	return -1;
}

int uring_answer(struct server *s, unsigned long arg)
{
	return EOPNOTSUPP;
}
#endif
