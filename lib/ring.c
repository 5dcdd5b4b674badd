// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The mapped queues of a channel: where a request's message and data are, and where
 * its reply goes. Descriptors are read and written here alone.
 *
 * Reply data is put into the slot's data area as long as it fits. If the room for it
 * is no larger than that area it stays there, and the client copies it. If it is
 * larger all of it has to go by XFER: the area then collects small pieces, so that a
 * listing does not cost a call for each name. Long pieces that nobody but the client has
 * to see again go by XFER too: two copies take longer than one and a call.
 *
 * Data that goes to or comes from a file: what lies in the data area is written and read
 * there. Other data is moved by the kernel; where it cannot, by way of the data area.
 */
#include <linux/fuse.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "ring.h"
#include "saved.h"
#include "state.h"

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
		char *to = slot->data + slot->held;

		if (iov->base != to)	/* not so if it came by ferry_ring_data() */
			memcpy(to, iov->base, n);
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

/*
 * Is reply data of this length to go past the data area? Not if it has to outlive us with
 * the rest of the answer.
 */
static bool goes_past(const struct ferry_slot *slot, size_t len)
{
	const struct ferry_req *req = &slot->req;

	return len > slot->inline_max &&
	       (req->data_len > slot->size || ferry_req_change(req) == FERRY_CHANGE_NONE);
}

static ssize_t push(struct ferry_req *req, const struct ferry_iov *iov, unsigned int nr_iov)
{
	struct ferry_slot *slot = slot_of(req);
	size_t room = req->data_len - req->pushed;
	size_t len;
	bool past;
	int err;

	if (req->data_len <= slot->inline_max)
		return hold(slot, room, iov, nr_iov);

	len = iov_sum(iov, nr_iov);
	past = iov->base != slot->data + slot->held && goes_past(slot, len);
	if (past || (req->data_len > slot->size && len > slot->size - slot->held)) {
		err = flush(slot);
		if (err)
			return err;
		if (past)
			return xfer(slot, FERRY_XFER_PUSH, req->pushed, iov, nr_iov);
	}
	return hold(slot, room, iov, nr_iov);
}

/* One XFER between the request and a file. */
static ssize_t xfer_file(struct ferry_slot *slot, u32 way, u64 offset, int fd, u64 pos, size_t len)
{
	struct ferry_xfer arg = {
		.tag = slot->tag,
		.flags = way | FERRY_XFER_FD,
		.offset = offset,
		.fd = fd,
		.pos = pos,
		.len = len,
	};
	int n = ioctl(slot->fd, FERRY_IOC_XFER, &arg);

	return n < 0 ? -errno : n;
}

static ssize_t write_through(struct ferry_slot *slot, u64 offset, int fd, u64 pos, size_t len)
{
	const struct ferry_iov iov = { slot->data, min(len, (size_t)slot->size) };
	ssize_t n = xfer(slot, FERRY_XFER_PULL, offset, &iov, 1);

	return n > 0 ? ferry_fd_write(fd, slot->data, n, pos) : n;
}

static ssize_t read_through(struct ferry_slot *slot, u64 offset, int fd, u64 pos, size_t len)
{
	ssize_t n = ferry_fd_read(fd, slot->data, min(len, (size_t)slot->size), pos);
	const struct ferry_iov iov = { slot->data, n };

	return n > 0 ? xfer(slot, FERRY_XFER_PUSH, offset, &iov, 1) : n;
}

/* A piece of data that is not in the slot. */
static ssize_t transfer_piece(struct ferry_slot *slot, u64 offset, int fd, u64 pos, size_t len)
{
	bool in = slot->req.data_in;
	ssize_t n = xfer_file(slot, in ? FERRY_XFER_PULL : FERRY_XFER_PUSH, offset, fd, pos, len);

	if (n != -EOPNOTSUPP)
		return n;
	return in ? write_through(slot, offset, fd, pos, len) :
		    read_through(slot, offset, fd, pos, len);
}

static ssize_t transfer(struct ferry_req *req, int fd, u64 pos, size_t len)
{
	struct ferry_slot *slot = slot_of(req);
	u64 offset = req->data_in ? 0 : req->pushed;
	size_t done = 0;
	ssize_t n;
	int err;

	if (req->data_in && slot->desc->flags & FERRY_DESC_IN_SLOT)
		return ferry_fd_write(fd, slot->data, len, pos);
	if (!req->data_in && !goes_past(slot, req->data_len)) {
		n = ferry_fd_read(fd, slot->data + slot->held, len, pos);
		slot->held += max(n, (ssize_t)0);
		return n;
	}
	err = flush(slot);
	if (err)
		return err;
	while (done < len) {
		n = transfer_piece(slot, offset + done, fd, pos + done, len - done);
		if (n < 0 && !done)
			return n;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

void *ferry_ring_data(struct ferry_req *req, u32 *len)
{
	struct ferry_slot *slot = slot_of(req);

	if (req->data_in ? !(slot->desc->flags & FERRY_DESC_IN_SLOT) : req->data_len > slot->size)
		return NULL;
	*len = req->data_len;
	return slot->data + slot->held;
}

static int backing(struct ferry_req *req, int fd)
{
	return ferry_fd_back(slot_of(req)->fd, fd);
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
	req->server = &ring->session->server;
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

/* Fill in the descriptor from what the request's reply says. */
static void put(struct ferry_slot *slot)
{
	const struct ferry_req *req = &slot->req;
	int err = req->error;

	if (!err && slot->held && req->data_len > slot->size)
		err = flush(slot);
	slot->desc->error = err;
	slot->desc->rep_len = err ? 0 : req->out_len;
	slot->desc->rep_data = err ? 0 : slot->held;
}

static struct ferry_ring *ring_of(const struct ferry_req *req)
{
	return container_of(req->host, struct ferry_ring, host);
}

static void done(struct ferry_req *req)
{
	struct ferry_ring *ring = ring_of(req);
	struct ferry_slot *slot = slot_of(req);

	put(slot);
	ferry_answer_done(ring->session, &slot->answer, ring->send, req);
}

void ferry_ring_not_taken(unsigned long arg, int err)
{
	ferry_log(FERRY_LOG_DEBUG, "slot %lu: an answer was not taken: %s", arg & FERRY_SYNC_TAG,
		  strerror(err));
}

/*
 * What the client and the servers of a channel have settled, in its notes, and what the
 * backend was told: whoever comes next need not be told again.
 */
struct notes {
	u32 minor;
	u32 max_write;
	u32 max_readahead;
	u32 time_gran;
	u32 writeback;
	char args[FERRY_ARGS_MAX];
};

_Static_assert(sizeof(struct notes) <= FERRY_NOTE_SIZE, "the notes have room for the arguments");

static struct notes *notes_of(const struct ferry_ring *ring)
{
	return (void *)((char *)ring->queues[0] + ring->session->geo.note_off);
}

/* FUSE_INIT is going to be answered; who comes after us is not asked it again. */
void ferry_ring_write_notes(const struct ferry_ring *ring)
{
	const struct ferry_server *server = &ring->session->server;
	struct notes *notes = notes_of(ring);

	notes->max_write = server->fs.max_write;
	notes->max_readahead = server->fs.max_readahead;
	notes->time_gran = server->fs.time_gran;
	notes->writeback = server->fs.writeback;
	__atomic_store_n(&notes->minor, server->fs.minor, __ATOMIC_RELEASE);
}

void ferry_ring_read_notes(const struct ferry_ring *ring)
{
	struct ferry_server *server = &ring->session->server;
	const struct notes *notes = notes_of(ring);

	if (!notes->minor)
		return;
	server->fs.max_write = notes->max_write;
	server->fs.max_readahead = notes->max_readahead;
	server->fs.time_gran = notes->time_gran;
	server->fs.writeback = notes->writeback;
	server->fs.minor = notes->minor;
}

void ferry_ring_write_args(const struct ferry_ring *ring, const char *args)
{
	struct notes *notes = notes_of(ring);

	if (args && strlen(args) >= sizeof(notes->args))
		ferry_log(FERRY_LOG_WARN, "arguments of more than %zu bytes are not remembered",
			  sizeof(notes->args) - 1);
	else
		strcpy(notes->args, args ? args : "");
}

char *ferry_ring_read_args(const struct ferry_ring *ring)
{
	const struct notes *notes = notes_of(ring);

	return *notes->args ? strndup(notes->args, sizeof(notes->args) - 1) : NULL;
}

u64 ferry_ring_mark(void *arg, u32 tag)
{
	const struct ferry_ring *ring = arg;

	return tag < ring->nr_slots ? ring->slots[tag].desc->mark : 0;
}

/* As one whose answer, and what it changed, outlive this process. */
static void serve_once(struct ferry_slot *slot)
{
	struct ferry_desc *desc = slot->desc;
	struct ferry_req *req = &slot->req;
	bool there;

	if (desc->flags & FERRY_DESC_AGAIN && desc->mark == req->unique) {
		__atomic_store_n(&slot->answer, FERRY_ANSWER_THERE, __ATOMIC_RELEASE);
		return;
	}
	ferry_tx_enter(ferry_req_change(req), slot->tag, req->unique);
	ferry_dispatch(req);
	there = __atomic_load_n(&slot->answer, __ATOMIC_ACQUIRE) == FERRY_ANSWER_THERE;
	ferry_tx_leave(there ? (u64 *)&desc->mark : NULL);
}

/*
 * A request that was left for later goes on, as a transaction of its own, whose end is before
 * its answer is seen: done() is let believe that it is in the dispatch, and called once more
 * behind it.
 */
static void go_on_once(struct ferry_req *req, void (*fn)(struct ferry_req *req))
{
	struct ferry_slot *slot = slot_of(req);
	bool there;

	while (__atomic_load_n(&slot->answer, __ATOMIC_ACQUIRE) != FERRY_ANSWER_LATER)
		sched_yield();	/* its thread is on the way out of the dispatch */
	__atomic_store_n(&slot->answer, FERRY_ANSWER_NONE, __ATOMIC_RELAXED);
	ferry_tx_enter(ferry_req_change(req), slot->tag, req->unique);
	fn(req);
	there = __atomic_load_n(&slot->answer, __ATOMIC_ACQUIRE) == FERRY_ANSWER_THERE;
	ferry_tx_leave(there ? (u64 *)&slot->desc->mark : NULL);
	if (!ferry_answer_is_there(&slot->answer))
		return;
	__atomic_store_n(&slot->answer, FERRY_ANSWER_LATER, __ATOMIC_RELAXED);
	done(req);
}

static void go_on(struct ferry_req *req, void (*fn)(struct ferry_req *req))
{
	struct ferry_session *session = ring_of(req)->session;

	ferry_session_hold(session);
	if (ferry_state_is_kept())
		go_on_once(req, fn);
	else
		fn(req);
	ferry_session_hold_end(session);
}

static void later(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req))
{
	ferry_later(req, us, fn, go_on);
}

static void control(struct ferry_req *req)
{
	ferry_saved_serve(ring_of(req)->session, req);
}

bool ferry_ring_serve(struct ferry_slot *slot)
{
	struct ferry_session *session = ring_of(&slot->req)->session;

	if (unlikely(ferry_state_is_kept())) {
		serve_once(slot);
	} else {
		/* What began before this request was sent is seen, by way of the kernel. */
		if (unlikely(__atomic_load_n(&session->saving, __ATOMIC_RELAXED)))
			ferry_saved_wait(session);
		ferry_dispatch(&slot->req);
	}
	if (unlikely(slot->req.opcode == FUSE_INIT))
		ferry_ring_write_notes(ring_of(&slot->req));
	return ferry_answer_is_there(&slot->answer);
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
	slot->inline_max = geo->inline_max;
	slot->answer = FERRY_ANSWER_THERE;
	slot->req.host = &ring->host;
	slot->req.class = session->class;
	slot->req.out[0].p = base + geo->rep_off;
	slot->req.out[0].len = geo->rep_size;
	slot->req.nr_out = 1;
}

struct ferry_box *ferry_ring_box(const struct ferry_ring *ring, u32 queue)
{
	return (void *)((char *)ring->queues[queue] + ring->session->geo.box_off);
}

int ferry_ring_open(struct ferry_session *session, void (*send)(struct ferry_req *req))
{
	const struct ferry_geometry *geo = &session->geo;
	const u32 nr_slots = geo->nr_queues * geo->depth;
	struct ferry_ring *ring = calloc(1, sizeof(*ring));
	size_t bytes = nr_slots * sizeof(*ring->slots);

	if (!ring)
		goto no_memory;
	session->loop_data = ring;
	ring->session = session;
	ring->send = send;
	ring->host.pull = pull;
	ring->host.push = push;
	ring->host.transfer = transfer;
	ring->host.backing = backing;
	ring->host.transfer_file = ferry_file_transfer;
	ring->host.later = later;
	ring->host.done = done;
	ring->host.control = control;
	/* What outlives us of the answer to a change is in its slot. */
	ring->host.data_max = geo->data_size;
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
