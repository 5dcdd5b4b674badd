// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What a server's process does: fetch, answer, and anything else that it may, or may not. */
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define THREADS		3
#define HELD		8
#define RING		16

/**
 * struct server - a process
 * @fds: what XFER, BACKING and KEEP are given: files of all kinds, and numbers that are none
 * @map: the queues, one after the other; not with RW
 */
struct server {
	struct round *r;
	const struct ferry_geometry *geo;
	int fds[10];
	char *map;
};

/**
 * struct thread - one of its threads
 * @fd: an endpoint
 * @held: tags that were fetched, to be answered later; not with RW
 * @commands: of the ring, under way
 */
struct thread {
	struct server *s;
	struct round *r;
	unsigned int number;
	uint64_t rng;
	int fd;
	uint32_t held[HELD];
	unsigned int nr_held;
	struct reply reply;
	char *buf;
	struct io_uring ring;
	unsigned int commands;
	int backing;
};

static char *queue_of(const struct server *s, uint32_t tag)
{
	return s->map + (size_t)(tag / s->geo->depth) * s->geo->queue_size;
}

static struct ferry_desc *desc_of(const struct server *s, uint32_t tag)
{
	return (struct ferry_desc *)(queue_of(s, tag) + s->geo->desc_off) + tag % s->geo->depth;
}

static char *slot_of(const struct server *s, uint32_t tag)
{
	return queue_of(s, tag) + s->geo->slot_off +
	       (size_t)(tag % s->geo->depth) * s->geo->slot_size;
}

static struct ferry_box *some_box(struct thread *t)
{
	return (struct ferry_box *)(t->s->map + t->s->geo->box_off +
				    (size_t)below(&t->rng, t->s->geo->nr_queues) *
				    t->s->geo->queue_size);
}

static uint32_t some_tag(struct thread *t)
{
	if (t->nr_held && !one_in(&t->rng, 4))
		return t->held[below(&t->rng, t->nr_held)];
	if (one_in(&t->rng, 16))
		return odd32(&t->rng) & FERRY_SYNC_TAG;
	return below(&t->rng, t->s->geo->nr_queues * t->s->geo->depth);
}

static bool is_tag(const struct thread *t, uint32_t tag)
{
	return tag < t->s->geo->nr_queues * t->s->geo->depth;
}

static int some_fd(struct thread *t)
{
	return t->s->fds[below(&t->rng, COUNT(t->s->fds))];
}

static bool wants_wrong(struct thread *t)
{
	return !t->r->calm && one_in(&t->rng, 2);
}

static void count(struct thread *t)
{
	__atomic_add_fetch(&t->r->done, 1, __ATOMIC_RELAXED);
}

/* --- answers ------------------------------------------------------------------ */

static void prepare(struct thread *t, const struct request *req)
{
	int backing = t->backing && one_in(&t->rng, 2) ? t->backing : 0;

	reply_make(&t->rng, t->r, req, backing, &t->reply);
	if (req->head.opcode == FUSE_OPEN || req->head.opcode == FUSE_CREATE)
		t->backing = 0;
	/* The first answer is what all else rests on. */
	if (req->head.opcode == FUSE_INIT && !one_in(&t->rng, 8))
		return;
	if (wants_wrong(t)) {
		reply_mutate(&t->rng, &t->reply);
		count(t);
	}
}

static void see_slot(struct thread *t, uint32_t tag, struct request *req)
{
	struct ferry_desc *d = desc_of(t->s, tag);
	size_t data = d->data_len;

	/* What others scribble meanwhile does not matter. */
	memcpy(t->buf, slot_of(t->s, tag), t->s->geo->req_size);
	memcpy(&req->head, t->buf, sizeof(req->head));
	req->arg = t->buf + sizeof(req->head);
	req->in = d->flags & FERRY_DESC_DATA_IN ? data : 0;
	req->room = d->flags & FERRY_DESC_DATA_OUT ? data : 0;
}

static void fill_slot(struct thread *t, uint32_t tag, size_t pushed)
{
	const struct ferry_geometry *geo = t->s->geo;
	struct ferry_desc *d = desc_of(t->s, tag);
	struct reply *reply = &t->reply;
	size_t structs = reply->structs_len < geo->rep_size ? reply->structs_len : geo->rep_size;
	size_t data = reply->data_len < geo->data_size ? reply->data_len : geo->data_size;

	memcpy(slot_of(t->s, tag) + geo->rep_off, reply->structs, structs);
	memcpy(slot_of(t->s, tag) + geo->data_off, reply->data, data);
	d->error = reply->error;
	d->rep_len = reply->structs_len;
	d->rep_data = reply->data_len - (pushed < reply->data_len ? pushed : reply->data_len);
}

static long xfer(struct thread *t, uint32_t tag, uint32_t flags, uint64_t offset, void *buf,
		 size_t len)
{
	struct iovec iov = { buf, len };
	struct ferry_xfer x = {
		.tag = tag, .flags = flags, .offset = offset, .iov = (uintptr_t)&iov, .nr_iov = 1,
	};

	return ioctl(t->fd, FERRY_IOC_XFER, &x);
}

static void submit(struct thread *t, uint64_t arg);

static void answer_slot(struct thread *t, uint32_t tag)
{
	struct ferry_desc *d = desc_of(t->s, tag);
	struct request req = { 0 };
	long pushed = 0;

	see_slot(t, tag, &req);
	prepare(t, &req);
	if (req.in && !(d->flags & FERRY_DESC_IN_SLOT) && !one_in(&t->rng, 3))
		xfer(t, tag, FERRY_XFER_PULL, 0, t->buf, req.in < DATA_SIZE ? req.in : DATA_SIZE);
	if (t->reply.data_len > t->s->geo->data_size || (t->reply.data_len && one_in(&t->rng, 8)))
		pushed = xfer(t, tag, FERRY_XFER_PUSH, 0, t->reply.data, t->reply.data_len);
	fill_slot(t, tag, pushed > 0 ? pushed : 0);
	if (t->r->style == POLL && !one_in(&t->rng, 4)) {
		__atomic_store_n(&d->done, 1, __ATOMIC_SEQ_CST);
		if (d->wait || one_in(&t->rng, 4))
			ioctl(t->fd, FERRY_IOC_SYNC, FERRY_SYNC_KICK | tag);
	} else if (t->r->style == URING && one_in(&t->rng, 2)) {
		submit(t, FERRY_SYNC_REPLY | tag);
	} else {
		ioctl(t->fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | tag);
	}
}

/* A request has come: it is answered, or kept for a while. */
static void have(struct thread *t, uint32_t tag)
{
	if (!is_tag(t, tag))
		return;
	if (!t->r->calm && t->nr_held < HELD && one_in(&t->rng, 6))
		t->held[t->nr_held++] = tag;
	else
		answer_slot(t, tag);
}

static void let_go(struct thread *t)
{
	if (t->nr_held)
		answer_slot(t, t->held[--t->nr_held]);
}

/* --- styles ------------------------------------------------------------------- */

/* Thread 0 never sleeps in the kernel: what others keep or lose it may find. */
static void fetch_sync(struct thread *t)
{
	bool wait = t->number && !t->nr_held && one_in(&t->rng, 4);
	int tag = ioctl(t->fd, FERRY_IOC_SYNC, wait ? FERRY_SYNC_WAIT : FERRY_SYNC_POLL);

	if (tag >= 0)
		have(t, tag);
	else if (errno == EAGAIN)
		sched_yield();
}

static void fetch_poll(struct thread *t)
{
	struct ferry_box *box = some_box(t);
	uint32_t is = FERRY_BOX_NONE;
	int i;

	box->cpu = one_in(&t->rng, 2) ? ~0U : below(&t->rng, 4);
	if (!__atomic_compare_exchange_n(&box->box, &is, FERRY_BOX_SPINNING, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	for (i = below(&t->rng, 2000); i; i--)
		if (__atomic_load_n(&box->box, __ATOMIC_RELAXED) != FERRY_BOX_SPINNING)
			break;
	is = __atomic_exchange_n(&box->box, FERRY_BOX_NONE, __ATOMIC_SEQ_CST);
	if (is != FERRY_BOX_SPINNING && is != FERRY_BOX_NONE)
		have(t, is);
	else
		fetch_sync(t);
}

static void submit(struct thread *t, uint64_t arg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);
	uint64_t data[2] = { arg, 0 };

	if (!sqe)
		return;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, t->fd, NULL, 0, 0);
	sqe->cmd_op = FERRY_IOC_SYNC;
	if (!t->r->calm && one_in(&t->rng, 16)) {
		switch (below(&t->rng, 6)) {
		case 0:
			sqe->cmd_op = one_in(&t->rng, 2) ? FERRY_IOC_XFER : odd32(&t->rng);
			break;
		case 1:
			data[below(&t->rng, 2)] = odd64(&t->rng);
			break;
		case 2:
			sqe->flags |= 1 << below(&t->rng, 7);
			break;
		case 3:
			sqe->fd = some_fd(t);
			break;
		case 4:
			sqe->uring_cmd_flags = odd32(&t->rng);
			break;
		default:
			sqe->ioprio = odd32(&t->rng);
		}
	}
	memcpy(sqe->cmd, data, sizeof(data));
	t->commands++;
	io_uring_submit(&t->ring);
}

static bool ring_init(struct thread *t)
{
	static const unsigned int flags[] = {
		0, 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN, IORING_SETUP_IOPOLL,
	};
	unsigned int how = flags[below(&t->rng, COUNT(flags))];

	t->commands = 0;
	return !io_uring_queue_init(RING, &t->ring, how) ||
	       !io_uring_queue_init(RING, &t->ring, 0);
}

static void fetch_uring(struct thread *t)
{
	struct io_uring_cqe *cqe;
	int res, i;

	if (one_in(&t->rng, 4000)) {
		io_uring_queue_exit(&t->ring);
		if (!ring_init(t))
			_exit(0);
	}
	if (t->commands < 4)
		submit(t, one_in(&t->rng, 4) ? FERRY_SYNC_POLL : FERRY_SYNC_WAIT);
	io_uring_get_events(&t->ring);
	for (i = 0; i < 4 && !io_uring_peek_cqe(&t->ring, &cqe); i++) {
		res = cqe->res;
		io_uring_cqe_seen(&t->ring, cqe);
		t->commands -= t->commands > 0;
		if (res >= 0)
			have(t, res);
	}
	/* Tag 0 cannot be told from a REPLY that went well: answering it again is a mutation. */
	if (!i)
		fetch_sync(t);
}

static void read_write(struct thread *t)
{
	size_t size = t->r->calm || !one_in(&t->rng, 8) ? DATA_SIZE + 65536 : below(&t->rng, 70000);
	struct fuse_out_header head = { 0 };
	struct iovec iov[3];
	struct request req;
	ssize_t n;

	n = read(t->fd, t->buf, size);
	if (n < (ssize_t)sizeof(req.head)) {
		if (n < 0 && errno == EAGAIN)
			sched_yield();
		return;
	}
	memcpy(&req.head, t->buf, sizeof(req.head));
	req.arg = t->buf + sizeof(req.head);
	req.in = 0;
	req.room = 0;
	if (t->r->class == FERRY_CLASS_BLOCK) {
		const struct ferry_blk_io *io = (const void *)req.arg;

		if (req.head.opcode == FERRY_BLK_READ)
			req.room = io->length;
	} else if (req.head.opcode == FUSE_READ || req.head.opcode == FUSE_READDIR ||
		   req.head.opcode == FUSE_READDIRPLUS) {
		req.room = ((const struct fuse_read_in *)req.arg)->size;
	} else if (req.head.opcode == FUSE_WRITE) {
		req.in = ((const struct fuse_write_in *)req.arg)->size;
	} else if (req.head.opcode == FUSE_GETXATTR || req.head.opcode == FUSE_LISTXATTR) {
		req.room = ((const struct fuse_getxattr_in *)req.arg)->size;
	}
	prepare(t, &req);
	head.error = t->reply.error;
	head.unique = req.head.unique;
	head.len = sizeof(head) + t->reply.structs_len + t->reply.data_len;
	if (wants_wrong(t) && one_in(&t->rng, 8))
		mangle(&t->rng, &head, sizeof(head), 2);
	iov[0] = (struct iovec){ &head, sizeof(head) };
	iov[1] = (struct iovec){ t->reply.structs, t->reply.structs_len };
	iov[2] = (struct iovec){ t->reply.data, t->reply.data_len };
	if (wants_wrong(t) && one_in(&t->rng, 16))
		iov[below(&t->rng, 3)].iov_base = (void *)(uintptr_t)odd64(&t->rng);
	/* One that was refused is answered after all, or its client would wait for ever. */
	if (writev(t->fd, iov, 3) < 0 && !one_in(&t->rng, 4)) {
		head = (struct fuse_out_header){ sizeof(head), -EIO, req.head.unique };
		n = write(t->fd, &head, sizeof(head));
	}
	if (wants_wrong(t))
		n = write(t->fd, &head, below(&t->rng, sizeof(head) + 1));
}

/* --- anything else ------------------------------------------------------------ */

static void scribble(struct thread *t)
{
	struct ferry_desc *d = desc_of(t->s, below(&t->rng, t->s->geo->nr_queues *
						   t->s->geo->depth));
	struct ferry_box *box = some_box(t);

	switch (below(&t->rng, 8)) {
	case 0:
		box->box = one_in(&t->rng, 2) ? FERRY_BOX_SPINNING : odd32(&t->rng);
		break;
	case 1:
		mangle(&t->rng, box, sizeof(*box), 2);
		break;
	case 2:
		d->done = odd32(&t->rng);
		break;
	case 3:
		d->wait = odd32(&t->rng);
		break;
	case 4:
		d->mark = odd64(&t->rng);
		break;
	case 5:
		mangle(&t->rng, t->s->map, t->s->geo->queue_size, 50);
		break;
	default:
		mangle(&t->rng, d, sizeof(*d), 4);
	}
}

static void strange_xfer(struct thread *t)
{
	struct iovec iov[4];
	struct ferry_xfer x = {
		.tag = some_tag(t),
		.flags = 1 << below(&t->rng, 2),
		.offset = one_in(&t->rng, 2) ? 0 : odd64(&t->rng),
	};
	size_t i;

	if (one_in(&t->rng, 2)) {
		x.flags |= FERRY_XFER_FD;
		x.fd = some_fd(t);
		x.pos = one_in(&t->rng, 2) ? below(&t->rng, 1 << 20) : odd64(&t->rng);
		x.len = odd64(&t->rng);
	} else {
		for (i = 0; i < COUNT(iov); i++) {
			char *const bases[] = {
				t->buf, t->s->map + below(&t->rng, 65536), NULL,
				t->reply.data, (char *)(uintptr_t)odd64(&t->rng),
			};

			iov[i].iov_base = bases[below(&t->rng, COUNT(bases))];
			iov[i].iov_len = one_in(&t->rng, 4) ? odd64(&t->rng) :
					 below(&t->rng, 65536);
		}
		x.iov = one_in(&t->rng, 16) ? odd64(&t->rng) : (uintptr_t)iov;
		x.nr_iov = one_in(&t->rng, 16) ? odd32(&t->rng) : below(&t->rng, COUNT(iov) + 1);
	}
	if (one_in(&t->rng, 8))
		mangle(&t->rng, &x, sizeof(x), 2);
	ioctl(t->fd, FERRY_IOC_XFER, &x);
}

static void strange_backing(struct thread *t)
{
	struct ferry_backing b = { .fd = some_fd(t), .id = odd32(&t->rng) };

	if (one_in(&t->rng, 4)) {
		b.fd = -1;
		b.id = one_in(&t->rng, 2) ? t->backing : (int)below(&t->rng, 20);
	}
	if (!ioctl(t->fd, FERRY_IOC_BACKING, &b) && b.fd >= 0)
		t->backing = b.id;
}

/* Another file of the channel, or none of it; closed at once, or taken in place of ours. */
static void attach(struct thread *t)
{
	struct ferry_setup setup = t->r->setup;
	int fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	setup.fd = one_in(&t->rng, 8) ? some_fd(t) : one_in(&t->rng, 8) ? -1 : t->fd;
	setup.queue = one_in(&t->rng, 8) ? odd32(&t->rng) : below(&t->rng, t->s->geo->nr_queues);
	if (one_in(&t->rng, 4))
		mangle(&t->rng, &setup, sizeof(setup), 2);
	if (ioctl(fd, one_in(&t->rng, 16) ? FERRY_IOC_CREATE : FERRY_IOC_ATTACH, &setup) ||
	    setup.id != t->r->setup.id || one_in(&t->rng, 2)) {
		close(fd);
		return;
	}
	if (t->r->style == RW)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	dup3(fd, t->fd, O_CLOEXEC);
	close(fd);
}

static void strange_move(struct thread *t)
{
	struct ferry_move m = {
		.size = sizeof(m),
		.to = FERRY_MOVE_KEEP,
		.fd = one_in(&t->rng, 4) ? -1 : some_fd(t),
	};

	if (one_in(&t->rng, 4))
		mangle(&t->rng, &m, sizeof(m), 2);
	/* A true move is the round's to make: it waits for us. */
	if (m.to != FERRY_MOVE_KEEP)
		m.id = ~0U;
	ioctl(t->fd, FERRY_IOC_MOVE, &m);
}

static void strange_map(struct thread *t)
{
	size_t size = one_in(&t->rng, 2) ? t->s->geo->queue_size : odd32(&t->rng) & 0xfffff000;
	off_t at = one_in(&t->rng, 4) ? (off_t)(odd64(&t->rng) & ~4095ull) :
		   (off_t)below(&t->rng, t->s->geo->nr_queues + 1) * t->s->geo->queue_size;
	char *p = mmap(NULL, size ?: 4096, below(&t->rng, 8), one_in(&t->rng, 4) ? MAP_PRIVATE :
		       MAP_SHARED, t->fd, at);

	if (p == MAP_FAILED)
		return;
	switch (below(&t->rng, 5)) {
	case 0:
		madvise(p, size, below(&t->rng, 22));
		break;
	case 1:
		mprotect(p, 4096, below(&t->rng, 8));
		break;
	case 2:
		mremap(p, size, size + 4096, 0);
		break;
	case 3:
		munmap(p + 4096, 4096);
		break;
	}
	munmap(p, size ?: 4096);
}

/* A child that has our files and not our memory, and ends. */
static void fork_child(struct thread *t)
{
	pid_t pid = syscall(SYS_fork);

	if (!pid) {
		ioctl(t->fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | some_tag(t));
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void random_ioctl(struct thread *t)
{
	static const unsigned long known[] = {
		FERRY_IOC_SYNC, FERRY_IOC_XFER, FERRY_IOC_BACKING, FERRY_IOC_ATTACH,
		FERRY_IOC_CREATE,
	};
	unsigned long cmd = known[below(&t->rng, COUNT(known))];
	unsigned long arg = one_in(&t->rng, 2) ? (unsigned long)t->s->map : odd64(&t->rng);

	if (cmd == FERRY_IOC_SYNC)
		arg = (next_random(&t->rng) & 0x5fffffff) | some_tag(t);
	if (one_in(&t->rng, 8))
		cmd ^= 1ul << below(&t->rng, 32);
	ioctl(t->fd, cmd, arg);
}

static void wrong_style(struct thread *t)
{
	struct pollfd p = { .fd = t->fd, .events = next_random(&t->rng) };
	char junk[128];

	switch (below(&t->rng, 3)) {
	case 0:
		poll(&p, 1, 0);
		break;
	case 1:
		memset(junk, next_random(&t->rng), sizeof(junk));
		if (write(t->fd, junk, below(&t->rng, sizeof(junk))) < 0)
			break;
		break;
	default:
		if (t->r->style != RW && read(t->fd, t->buf, below(&t->rng, 65536)) < 0)
			break;
	}
}

static void change_cpu(struct thread *t)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below(&t->rng, 4), &set);
	if (one_in(&t->rng, 3))
		memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

static void anything(struct thread *t)
{
	switch (below(&t->rng, 40)) {
	case 0 ... 13:
		if (t->s->map)
			scribble(t);
		break;
	case 14 ... 18:
		if (t->s->map)
			strange_xfer(t);
		break;
	case 19 ... 22:
		if (t->s->map && !one_in(&t->rng, 3))
			answer_slot(t, some_tag(t) % (t->s->geo->nr_queues * t->s->geo->depth));
		break;
	case 23 ... 26:
		random_ioctl(t);
		break;
	case 27 ... 29:
		strange_backing(t);
		break;
	case 30 ... 31:
		strange_move(t);
		break;
	case 32 ... 33:
		attach(t);
		break;
	case 34 ... 35:
		strange_map(t);
		break;
	case 36:
		change_cpu(t);
		break;
	case 37:
		if (one_in(&t->rng, 20))
			fork_child(t);
		break;
	default:
		wrong_style(t);
	}
}

/* --- a life ------------------------------------------------------------------- */

static void *live(void *arg)
{
	struct thread *t = arg;

	t->buf = xmalloc(DATA_SIZE + 2 * 65536);
	t->reply.structs = xmalloc(REPLY_STRUCTS);
	t->reply.data = xmalloc(DATA_SIZE);
	if (t->r->style == URING && !ring_init(t))
		_exit(0);
	while (!t->r->stop) {
		if (t->r->go) {
			if (t->r->style == RW)
				read_write(t);
			else if (t->r->style == POLL)
				fetch_poll(t);
			else if (t->r->style == URING)
				fetch_uring(t);
			else
				fetch_sync(t);
		}
		if (t->nr_held && (t->r->calm || one_in(&t->rng, 3)))
			let_go(t);
		if (t->r->calm)
			continue;
		anything(t);
		count(t);
	}
	return NULL;
}

static void map_queues(struct server *s, int fd)
{
	size_t size = s->geo->queue_size;
	uint32_t i;

	s->map = mmap(NULL, s->geo->nr_queues * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(s->map != MAP_FAILED);
	for (i = 0; i < s->geo->nr_queues; i++)
		CHECK(mmap(s->map + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   fd, (off_t)(i * size)) != MAP_FAILED);
}

static void open_files(struct server *s, int fd)
{
	int pipes[2];

	s->fds[0] = memfd_create("data", 0);
	s->fds[1] = open("data", O_RDWR | O_CREAT, 0600);
	s->fds[2] = open("data", O_RDONLY);
	s->fds[3] = open("data", O_WRONLY | O_APPEND);
	s->fds[4] = open("/dev/zero", O_RDWR);
	s->fds[5] = open(".", O_RDONLY | O_DIRECTORY);
	s->fds[6] = DO(pipe(pipes)) ? -1 : pipes[0];
	s->fds[7] = fd;
	s->fds[8] = 4711;
	s->fds[9] = -1;
	if (s->fds[0] >= 0 && ftruncate(s->fds[0], 1 << 20))
		s->fds[0] = -1;
	if (s->fds[1] >= 0 && ftruncate(s->fds[1], 1 << 20))
		s->fds[1] = -1;
}

static void *add_disk(void *arg)
{
	struct thread *t = arg;
	struct ferry_blk_add add = { .size = sizeof(add), .abi = FERRY_ABI, .fd = t->fd };
	int fd = open("/dev/ferryblk", O_RDWR | O_CLOEXEC);

	while (!t->r->go)
		sched_yield();
	if (one_in(&t->rng, 4))
		add.depth = odd32(&t->rng) & 255;
	add.timeout = 1 + below(&t->rng, 3);
	if (!ioctl(fd, FERRY_BLK_IOC_ADD, &add))
		t->r->disk = add.index;
	close(fd);
	return NULL;
}

void serve(struct round *r, unsigned int process)
{
	struct server s = { .r = r, .geo = &r->setup.geo };
	struct ferry_setup setup = r->setup;
	struct thread *threads = xmalloc((THREADS + 1) * sizeof(*threads));
	pthread_t id[THREADS + 1];
	int i, nr = r->class == FERRY_CLASS_BLOCK && !process ? THREADS + 1 : THREADS;
	int fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (process) {
		setup.fd = -1;
		if (fd < 0 || ioctl(fd, FERRY_IOC_ATTACH, &setup))
			_exit(0);
	} else {
		DO(ioctl(fd, FERRY_IOC_CREATE, &r->setup));
	}
	if (setup.state_fd >= 0)
		close(setup.state_fd);
	r->fd = fd;
	if (r->style == RW)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	else
		map_queues(&s, fd);
	open_files(&s, fd);
	for (i = 0; i < nr; i++) {
		struct thread *t = &threads[i];

		*t = (struct thread){
			.s = &s, .r = r, .number = i,
			.rng = (r->number + 1) * 0x9e3779b97f4a7c15ull + process * 64 + i + 1,
			.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
		};
		CHECK(!pthread_create(&id[i], NULL, i < THREADS ? live : add_disk, t));
	}
	/* Those that sleep in the kernel are not waited for. */
	pthread_join(id[0], NULL);
	_exit(0);
}
