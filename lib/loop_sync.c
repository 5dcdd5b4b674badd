// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Wait style sync: one ioctl answers a request and waits for the next. */
#include <sys/ioctl.h>

#include "ring.h"

static void send_late(struct ferry_req *req)
{
	const struct ferry_slot *slot = container_of(req, struct ferry_slot, req);
	const unsigned long arg = slot->tag | FERRY_SYNC_REPLY;

	if (ioctl(slot->fd, FERRY_IOC_SYNC, arg) < 0)
		ferry_ring_not_taken(arg, errno);
}

/* What to go on with after an error; 0: not at all. */
static unsigned long recover(int err, unsigned long arg)
{
	switch (err) {
	case EINTR:
		return FERRY_SYNC_WAIT;
	case EINVAL:
	case ENOENT:
		if (!(arg & FERRY_SYNC_REPLY))
			return 0;
		ferry_ring_not_taken(arg, err);
		return FERRY_SYNC_WAIT;
	}
	return 0;
}

static int run(struct ferry_worker *worker)
{
	struct ferry_session *session = worker->session;
	struct ferry_ring *ring = session->loop_data;
	unsigned long arg = FERRY_SYNC_WAIT;

	while (!ferry_session_stops(session)) {
		int tag = ioctl(worker->fd, FERRY_IOC_SYNC, arg);
		struct ferry_slot *slot;

		if (unlikely(tag < 0)) {
			int err = errno;

			if (err == ENODEV)
				return 0;
			arg = recover(err, arg);
			if (!arg)
				return -err;
			continue;
		}
		if (unlikely(!(arg & FERRY_SYNC_WAIT))) {
			ferry_session_answered(session);
			arg = FERRY_SYNC_WAIT;
			continue;
		}
		slot = ferry_ring_take(ring, tag, worker->fd);
		if (unlikely(!slot))
			return -EPROTO;
		arg = FERRY_SYNC_WAIT;
		if (likely(ferry_ring_serve(slot)))
			arg = tag | FERRY_SYNC_REPLY |
			      (likely(ferry_session_is_up(session)) ? FERRY_SYNC_WAIT : 0);
	}
	/* What was answered before we were told to stop is not to be lost. */
	if (arg & FERRY_SYNC_REPLY)
		ioctl(worker->fd, FERRY_IOC_SYNC, arg & ~FERRY_SYNC_WAIT);
	return 0;
}

static int open_ring(struct ferry_session *session)
{
	return ferry_ring_open(session, send_late);
}

const struct ferry_loop_ops ferry_loop_sync = {
	.name = "sync",
	.open = open_ring,
	.run = run,
	.pending = ferry_ring_pending,
	.close = ferry_ring_close,
};
