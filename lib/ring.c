// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The mapped queues of a channel: where a request's message and data are, and where
 * its reply goes. Descriptors are read and written here alone.
 *
 * Reply data is put into the slot's data area as long as it fits. If the room for it
 * is no larger than that area it stays there, and the client copies it. If it is
 * larger all of it has to go by XFER: the area then collects small pieces, so that a
 * listing does not cost a call for each name.
 */
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "ring.h"

#define XFER_IOV_MAX	1024

_Static_assert(sizeof(struct ferry_iov) == sizeof(struct iovec) &&
	       offsetof(struct ferry_iov, base) == offsetof(struct iovec, iov_base) &&
	       offsetof(struct ferry_iov, len) == offsetof(struct iovec, iov_len),
	       "struct ferry_iov is handed over as struct iovec");

static struct ferry_slot *slot_of(struct ferry_req *req)
{
	return container_of(req, struct ferry_slot, req);
}

static size_t iov_sum(const struct ferry_iov *iov, unsigned int nr_iov)
{
	size_t sum = 0;

	for (; nr_iov; nr_iov--, iov++)
		sum += iov->len;
	return sum;
}

/* Move bytes between the request and @iov; less than asked for where the data ends. */
static ssize_t xfer(struct ferry_slot *slot, u32 flags, u64 offset,
		    const struct ferry_iov *iov, unsigned int nr_iov)
{
	ssize_t done = 0;

	while (nr_iov) {
		unsigned int nr = min(nr_iov, (unsigned int)XFER_IOV_MAX);
		struct ferry_xfer arg = {
			.tag = slot->tag,
			.flags = flags,
			.offset = offset + done,
			.iov = (uintptr_t)iov,
			.nr_iov = nr,
		};
		int n = ioctl(slot->fd, FERRY_IOC_XFER, &arg);

		if (n < 0)
			return done ? done : -errno;
		done += n;
		if ((size_t)n < iov_sum(iov, nr))
			break;
		iov += nr;
		nr_iov -= nr;
	}
	return done;
}

static ssize_t pull(struct ferry_req *req, u64 offset,
		    const struct ferry_iov *iov, unsigned int nr_iov)
{
	struct ferry_slot *slot = slot_of(req);
	size_t left = req->data_len - offset;
	size_t done = 0;

	if (!(slot->desc->flags & FERRY_DESC_IN_SLOT))
		return xfer(slot, FERRY_XFER_PULL, offset, iov, nr_iov);
	for (; nr_iov && left; nr_iov--, iov++) {
		size_t n = min(iov->len, left);

		memcpy(iov->base, slot->data + offset + done, n);
		done += n;
		left -= n;
	}
	return done;
}

/* Put what fits into the data area, behind what is there. */
static size_t hold(struct ferry_slot *slot, size_t room, const struct ferry_iov *iov,
		   unsigned int nr_iov)
{
	size_t done = 0;

	for (; nr_iov && room; nr_iov--, iov++) {
		size_t n = min(iov->len, room);

		memcpy(slot->data + slot->held, iov->base, n);
		slot->held += n;
		done += n;
		room -= n;
	}
	return done;
}

/* Move what lies in the data area. */
static int flush(struct ferry_slot *slot)
{
	const struct ferry_iov iov = { slot->data, slot->held };
	ssize_t n;

	if (!slot->held)
		return 0;
	n = xfer(slot, FERRY_XFER_PUSH, slot->req.pushed - slot->held, &iov, 1);
	if (n != slot->held)
		return n < 0 ? n : -EIO;
	slot->held = 0;
	return 0;
}

static ssize_t push(struct ferry_req *req, const struct ferry_iov *iov, unsigned int nr_iov)
{
	struct ferry_slot *slot = slot_of(req);
	size_t room = req->data_len - req->pushed;
	size_t len;
	int err;

	if (req->data_len <= slot->size)
		return hold(slot, room, iov, nr_iov);

	len = iov_sum(iov, nr_iov);
	if (len > slot->size - slot->held) {
		err = flush(slot);
		if (err)
			return err;
		if (len > slot->size)
			return xfer(slot, FERRY_XFER_PUSH, req->pushed, iov, nr_iov);
	}
	return hold(slot, room, iov, nr_iov);
}

/* Data in the slot can be written from there, and is aligned for any file. */
static ssize_t pull_file(struct ferry_req *req, struct ferry_file *file, u64 off, bool sync)
{
	struct ferry_slot *slot = slot_of(req);
	const struct ferry_iov iov = { slot->data, req->data_len };

	if (!(slot->desc->flags & FERRY_DESC_IN_SLOT))
		return -EOPNOTSUPP;
	return ferry_file_write(file, off, &iov, 1, sync);
}

static ssize_t push_file(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len)
{
	struct ferry_slot *slot = slot_of(req);
	const struct ferry_iov iov = { slot->data + slot->held, len };
	ssize_t n;

	if (req->data_len > slot->size)
		return -EOPNOTSUPP;
	n = ferry_file_read(file, off, &iov, 1);
	if (n > 0)
		slot->held += n;
	return n;
}

struct ferry_slot *ferry_ring_take(struct ferry_ring *ring, u32 tag, int fd)
{
	struct ferry_slot *slot = &ring->slots[tag];
	const struct fuse_in_header *msg;
	struct ferry_req *req;

	if (unlikely(tag >= ring->nr_slots))
		return NULL;
	msg = slot->msg;
	req = &slot->req;
	req->opcode = msg->opcode;
	req->unique = msg->unique;
	req->node = msg->nodeid;
	req->cred.uid = msg->uid;
	req->cred.gid = msg->gid;
	req->cred.pid = msg->pid;
	req->in[0].p = msg + 1;
	req->in[0].len = slot->desc->req_len - sizeof(*msg);
	req->nr_in = req->in[0].len ? 1 : 0;
	req->data_len = slot->desc->data_len;
	req->data_in = slot->desc->flags & FERRY_DESC_DATA_IN;
	slot->held = 0;
	slot->fd = fd;
	__atomic_store_n(&slot->answer, FERRY_ANSWER_NONE, __ATOMIC_RELAXED);
	return slot;
}

void ferry_ring_put(struct ferry_slot *slot)
{
	const struct ferry_req *req = &slot->req;
	int err = req->error;

	if (!err && slot->held && req->data_len > slot->size)
		err = flush(slot);
	slot->desc->error = err;
	slot->desc->rep_len = err ? 0 : req->out_len;
	slot->desc->rep_data = err ? 0 : slot->held;
}

unsigned int ferry_ring_pending(struct ferry_session *session)
{
	const struct ferry_ring *ring = session->loop_data;
	unsigned int pending = 0;
	u32 tag;

	for (tag = 0; tag < ring->nr_slots; tag++)
		pending += __atomic_load_n(&ring->slots[tag].answer, __ATOMIC_ACQUIRE) !=
			   FERRY_ANSWER_THERE;
	return pending;
}

static void init_slot(struct ferry_ring *ring, u32 tag)
{
	struct ferry_session *session = ring->session;
	const struct ferry_geometry *geo = &session->geo;
	struct ferry_slot *slot = &ring->slots[tag];
	u32 index = tag % geo->depth;
	char *queue = ring->queues[tag / geo->depth];
	char *base = queue + geo->slot_off + (size_t)index * geo->slot_size;

	slot->tag = tag;
	slot->msg = base;
	slot->desc = (struct ferry_desc *)(queue + geo->desc_off) + index;
	slot->data = base + geo->data_off;
	slot->size = geo->data_size;
	slot->answer = FERRY_ANSWER_THERE;
	slot->req.host = &ring->host;
	slot->req.server = &session->server;
	slot->req.class = session->class;
	slot->req.out[0].p = base + geo->rep_off;
	slot->req.out[0].len = geo->rep_size;
	slot->req.nr_out = 1;
}

struct ferry_box *ferry_ring_box(const struct ferry_ring *ring, u32 queue)
{
	return (void *)((char *)ring->queues[queue] + ring->session->geo.box_off);
}

int ferry_ring_open(struct ferry_session *session, void (*done)(struct ferry_req *req))
{
	const struct ferry_geometry *geo = &session->geo;
	const u32 nr_slots = geo->nr_queues * geo->depth;
	struct ferry_ring *ring = calloc(1, sizeof(*ring));
	size_t bytes = nr_slots * sizeof(*ring->slots);

	if (!ring)
		goto no_memory;
	session->loop_data = ring;
	ring->session = session;
	ring->host.pull = pull;
	ring->host.push = push;
	ring->host.pull_file = pull_file;
	ring->host.push_file = push_file;
	ring->host.done = done;
	ring->slots = aligned_alloc(64, bytes);
	ring->queues = calloc(geo->nr_queues, sizeof(*ring->queues));
	if (!ring->slots || !ring->queues)
		goto no_memory;
	memset(ring->slots, 0, bytes);

	for (; ring->nr_queues < geo->nr_queues; ring->nr_queues++) {
		void *p = mmap(NULL, geo->queue_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       session->workers[0].fd, (off_t)ring->nr_queues * geo->queue_size);

		if (p == MAP_FAILED) {
			int err = -errno;

			ferry_log(FERRY_LOG_ERR, "cannot map queue %u: %s", ring->nr_queues,
				  strerror(-err));
			ferry_ring_close(session);
			return err;
		}
		ring->queues[ring->nr_queues] = p;
	}
	for (; ring->nr_slots < nr_slots; ring->nr_slots++)
		init_slot(ring, ring->nr_slots);
	return 0;

no_memory:
	ferry_log(FERRY_LOG_ERR, "no memory for %u slots", nr_slots);
	ferry_ring_close(session);
	return -ENOMEM;
}

void ferry_ring_close(struct ferry_session *session)
{
	struct ferry_ring *ring = session->loop_data;

	session->loop_data = NULL;
	if (!ring)
		return;
	while (ring->nr_queues)
		munmap(ring->queues[--ring->nr_queues], ring->session->geo.queue_size);
	free(ring->queues);
	free(ring->slots);
	free(ring);
}
