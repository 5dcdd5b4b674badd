// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"

#define BUF_SIZE	(2 << 20)

enum style server_style;

struct server server_new(lie_fn lie)
{
	struct server s = {
		.style = server_style,
		.lie = lie,
		.init = {
			.version = FERRY_BLK_VERSION,
			.flags = FERRY_BLK_HAS_FLUSH,
			.size = DISK_SIZE,
			.logical_block = 512,
			.physical_block = 512,
			.io_min = 512,
			.max_transfer = 1 << 20,
		},
		.how = { .size = sizeof(s.how), .abi = FERRY_ABI },
	};

	need_root();
	if (access("/dev/ferryblk", R_OK | W_OK))
		claim_skip("/dev/ferryblk: %s", strerror(errno));
	s.shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(s.shared != MAP_FAILED);
	return s;
}

static struct ferry_desc *desc_of(struct server *s, unsigned int tag)
{
	return (struct ferry_desc *)(s->map + s->geo.desc_off) + tag;
}

static char *slot_of(struct server *s, unsigned int tag)
{
	return s->map + s->geo.slot_off + (size_t)tag * s->geo.slot_size;
}

static void xfer(struct server *s, unsigned int tag, unsigned int flags, void *p, size_t len)
{
	struct iovec iov = { p, len };
	struct ferry_xfer xfer = {
		.tag = tag,
		.flags = flags,
		.iov = (uintptr_t)&iov,
		.nr_iov = 1,
	};

	CHECK_EQ(ioctl(s->fd, FERRY_IOC_XFER, &xfer), (int)len);
}

/* What is longer than a slot, as reads ahead are, is in order: only short replies are lies. */
static int answer_slot(struct server *s, const struct request *req, int error, const void *p,
		       size_t len)
{
	bool is_data = req->head.opcode != FERRY_BLK_INIT && req->head.opcode != FERRY_BLK_RESIZE;
	struct ferry_desc *d = desc_of(s, req->tag);
	unsigned int how = FERRY_SYNC_REPLY;

	if (is_data && len > s->geo.data_size) {
		xfer(s, req->tag, FERRY_XFER_PUSH, (void *)p, len);
		len = 0;
	}
	if (len)
		memcpy(slot_of(s, req->tag) + (is_data ? s->geo.data_off : s->geo.rep_off), p, len);
	d->error = error;
	d->rep_len = is_data ? 0 : len;
	d->rep_data = is_data ? len : 0;
	if (s->style == POLL) {
		__atomic_store_n(&d->done, 1, __ATOMIC_SEQ_CST);
		/* Whoever looks for the answer is not told. */
		if (!__atomic_load_n(&d->wait, __ATOMIC_SEQ_CST))
			return 0;
		how = FERRY_SYNC_KICK;
	}
	if (s->style == URING)
		return uring_answer(s, how | req->tag);
	return ioctl(s->fd, FERRY_IOC_SYNC, how | req->tag) < 0 ? errno : 0;
}

int server_answer(struct server *s, const struct request *req, int error, const void *p,
		  size_t len)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + len,
		.error = error,
		.unique = req->head.unique,
	};
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)p, len } };

	if (s->style != RW)
		return answer_slot(s, req, error, p, len);
	return writev(s->fd, iov, 2) < 0 ? errno : 0;
}

static void be_honest(struct server *s, const struct request *req)
{
	const struct ferry_blk_io *io = &req->io;
	struct ferry_blk_resize resize = { io->offset };

	switch (req->head.opcode) {
	case FERRY_BLK_INIT:
		server_answer(s, req, 0, &s->init, sizeof(s->init));
		break;
	case FERRY_BLK_READ:
		CHECK(io->offset + io->length <= DISK_SIZE);
		server_answer(s, req, 0, s->disk + io->offset, io->length);
		break;
	case FERRY_BLK_WRITE:
		CHECK(io->offset + io->length <= DISK_SIZE);
		memcpy(s->disk + io->offset, req->data, io->length);
		server_answer(s, req, 0, NULL, 0);
		break;
	case FERRY_BLK_FLUSH:
		server_answer(s, req, 0, NULL, 0);
		break;
	case FERRY_BLK_RESIZE:
		server_answer(s, req, 0, &resize, sizeof(resize));
		break;
	default:
		server_answer(s, req, -ENOSYS, NULL, 0);
	}
}

static bool swap_box(struct ferry_box *box, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&box->box, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* Look for a request for a millisecond, as if from a processor that no client runs on; or -1. */
static int look(struct server *s)
{
	volatile struct ferry_box *box = (struct ferry_box *)(s->map + s->geo.box_off);
	double end = now() + 0.001;
	int tag;

	box->cpu = ~0U;
	CHECK(swap_box((struct ferry_box *)box, FERRY_BOX_NONE, FERRY_BOX_SPINNING));
	while (box->box == FERRY_BOX_SPINNING && !box->pending && now() < end)
		;
	if (swap_box((struct ferry_box *)box, FERRY_BOX_SPINNING, FERRY_BOX_NONE))
		return -1;
	tag = (int)box->box;
	box->box = FERRY_BOX_NONE;
	return tag;
}

/* Into s->buf, the message and its data behind it. Return: bytes of both, or -1 and errno */
static ssize_t fetch(struct server *s, unsigned int *tag)
{
	const struct ferry_desc *d;
	int ret = -1;

	if (s->style == RW)
		return read(s->fd, s->buf, BUF_SIZE);
	if (s->style == POLL)
		ret = look(s);
	if (s->style == URING)
		ret = uring_fetch(s);
	else if (ret < 0)
		ret = ioctl(s->fd, FERRY_IOC_SYNC, FERRY_SYNC_WAIT);
	if (ret < 0)
		return -1;
	*tag = (unsigned int)ret;
	d = desc_of(s, *tag);
	memcpy(s->buf, slot_of(s, *tag), d->req_len);
	if (d->flags & FERRY_DESC_IN_SLOT)
		memcpy(s->buf + d->req_len, slot_of(s, *tag) + s->geo.data_off, d->data_len);
	else if (d->flags & FERRY_DESC_DATA_IN)
		xfer(s, *tag, FERRY_XFER_PULL, s->buf + d->req_len, d->data_len);
	return d->req_len;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	struct request req;
	ssize_t n;

	for (;;) {
		memset(&req, 0, sizeof(req));
		n = fetch(s, &req.tag);
		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n < 0)
			break;
		memcpy(&req.head, s->buf, sizeof(req.head));
		n -= sizeof(req.head);
		memcpy(&req.io, s->buf + sizeof(req.head),
		       (size_t)n < sizeof(req.io) ? (size_t)n : sizeof(req.io));
		req.data = s->buf + sizeof(req.head) + sizeof(req.io);
		if (!s->shared->honest && s->lie && s->lie(s, &req))
			s->shared->told++;
		else
			be_honest(s, &req);
	}
	CHECK_EQ(errno, ENODEV);
	return NULL;
}

/* A partition table with one entry, so that there is something to find. */
static void make_table(char *disk)
{
	unsigned char *entry = (unsigned char *)disk + 446;
	const uint32_t start = PART_START, sectors = DISK_SIZE / 512 - PART_START;

	entry[4] = 0x83;
	memcpy(entry + 8, &start, 4);
	memcpy(entry + 12, &sectors, 4);
	disk[510] = 0x55;
	disk[511] = (char)0xaa;
}

/* The endpoint is there. */
static void make_ready(struct server *s, const struct ferry_geometry *geo)
{
	s->buf = xmalloc(BUF_SIZE);
	s->geo = *geo;
	if (s->style != RW) {
		s->map = mmap(NULL, s->geo.queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
		CHECK(s->map != MAP_FAILED);
	}
	s->disk = xmalloc(DISK_SIZE);
	make_table(s->disk);
}

static void run(struct server *s)
{
	struct ferry_setup setup = {
		.size = sizeof(setup),
		.abi = FERRY_ABI,
		.class = FERRY_CLASS_BLOCK,
		.flags = s->style == RW ? FERRY_CREATE_RW :
			 s->style == POLL ? FERRY_CREATE_POLL : 0,
		.on_death = s->grace ? FERRY_DEATH_REISSUE : FERRY_DEATH_FAIL,
		.grace = s->grace,
		.state_fd = -1,
		.name = "rogue",
		.geo = { .nr_queues = 1, .depth = 8 },
	};
	pthread_t thread;

	s->fd = DO(open("/dev/ferry", O_RDWR | O_CLOEXEC));
	DO(ioctl(s->fd, FERRY_IOC_CREATE, &setup));
	s->shared->id = setup.id;
	make_ready(s, &setup.geo);
	CHECK(!pthread_create(&thread, NULL, serve, s));
	if (!s->how.fd && !s->how.backend[0])
		s->how.fd = s->fd;
	s->shared->err = control(FERRY_BLK_IOC_ADD, &s->how) ? errno : 0;
	s->shared->index = s->how.index;
	if (!s->shared->err)
		s->shared->second = control(FERRY_BLK_IOC_ADD, &s->how) ? errno : 0;
	s->shared->added = 1;
	if (s->shared->err)
		return;
	pthread_join(thread, NULL);
}

void server_start(struct server *s)
{
	s->pid = DO(fork());
	if (s->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(s);
	_exit(0);
}

void server_next(struct server *s)
{
	struct ferry_setup setup = {
		.size = sizeof(setup),
		.abi = FERRY_ABI,
		.fd = -1,
		.id = s->shared->id,
	};

	s->pid = DO(fork());
	if (s->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s->fd = DO(open("/dev/ferry", O_RDWR | O_CLOEXEC));
	DO(ioctl(s->fd, FERRY_IOC_ATTACH, &setup));
	make_ready(s, &setup.geo);
	serve(s);
	_exit(0);
}

static void await(volatile int *what, int value, const char *name)
{
	CHECK_SOON(*what >= value, 20, "%s: not within 20 s", name);
}

int server_wait_added(struct server *s)
{
	await(&s->shared->added, 1, "ADD");
	return s->shared->err ? -s->shared->err : s->shared->index;
}

void server_wait_told(struct server *s, int nr)
{
	await(&s->shared->told, nr, "the request");
}

static void reap(struct server *s)
{
	int status;

	CHECK_SOON(waitpid(s->pid, &status, WNOHANG) == s->pid, 5, "the server is there after 5 s");
	if (WIFEXITED(status))
		CHECK_EQ(WEXITSTATUS(status), 0);
}

void server_kill(struct server *s)
{
	DO(kill(s->pid, SIGKILL));
	reap(s);
}

void server_end(struct server *s)
{
	reap(s);
}

int control(unsigned long request, void *arg)
{
	int fd = DO(open("/dev/ferryblk", O_RDWR | O_CLOEXEC));
	int ret = ioctl(fd, request, arg);
	int err = errno;

	close(fd);
	errno = err;
	return ret;
}

int disk_del(int index, bool force)
{
	struct ferry_blk_del del = {
		.index = index,
		.flags = force ? FERRY_BLK_DEL_FORCE : 0,
	};

	return control(FERRY_BLK_IOC_DEL, &del);
}

int disk_open(int index)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/ferryb%d", index);
	return open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
}

void disk_wait_gone(int index)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/ferryb%d", index);
	CHECK_SOON(access(path, F_OK), 5, "%s is there after 5 s", path);
}

static lie_fn later_lie;

static bool lie_later(struct server *s, const struct request *req)
{
	return s->shared->added && later_lie(s, req);
}

struct server server_new_later(lie_fn lie)
{
	later_lie = lie;
	return server_new(lie_later);
}

struct server server_start_then(lie_fn lie, int *index)
{
	struct server s = server_new_later(lie);

	server_start(&s);
	*index = server_wait_added(&s);
	CHECK(*index >= 0);
	return s;
}

void server_end_disk(struct server *s, int index)
{
	double give_up = now() + patience(10);

	/* Somebody may be looking at it still. */
	while (disk_del(index, false)) {
		CHECK_EQ(errno, EBUSY);
		CHECK(now() < give_up);
		usleep(10000);
	}
	disk_wait_gone(index);
	server_end(s);
}

int disk_resize(int index, unsigned long long bytes)
{
	struct ferry_blk_set_size size = { .index = index, .bytes = bytes };

	return control(FERRY_BLK_IOC_RESIZE, &size);
}

long long disk_sectors(int index)
{
	char path[64];
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ferryb%d/size", index);
	f = fopen(path, "r");
	CHECK(f && fscanf(f, "%lld", &n) == 1);
	fclose(f);
	return n;
}
