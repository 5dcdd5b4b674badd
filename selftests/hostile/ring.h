/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* One command of io_uring at a time, by the system calls: there is no 32-bit liburing. */
#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>
#include <stdint.h>

/**
 * struct ring - an io_uring, and where its parts are in this process
 * @fd: of io_uring_setup()
 * @params: what it was set up as
 * @sq, @cq: both queues' memory
 * @sqes: submission entries
 */
struct ring {
	int fd;
	struct io_uring_params params;
	char *sq;
	char *cq;
	struct io_uring_sqe *sqes;
};

/** ring_open() - the claim is skipped where io_uring is forbidden */
void ring_open(struct ring *ring);
/** ring_command() - FERRY_IOC_SYNC with @arg on @fd, and its result */
int ring_command(struct ring *ring, int fd, uint64_t arg);

#endif
