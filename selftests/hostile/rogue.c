// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#define BUF_SIZE	(2 << 20)

unsigned int rogue_data_size = 65536;
bool rogue_tells_cpu;

/* A namespace of its own: a claim that fails takes its mounts along. */
static void keep_mounts_private(void)
{
	static bool done;

	if (done)
		return;
	DO(unshare(CLONE_NEWNS));
	DO(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	done = true;
}

int rogue_open(void)
{
	int fd;

	need_root();
	keep_mounts_private();
	fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		claim_skip("/dev/ferry: %s", strerror(errno));
	return fd;
}

struct ferry_setup rogue_setup(enum style style)
{
	return (struct ferry_setup){
		.size = sizeof(struct ferry_setup),
		.state_fd = -1,
		.abi = FERRY_ABI,
		.class = FERRY_CLASS_FS,
		.flags = style == RW ? FERRY_CREATE_RW : style == POLL ? FERRY_CREATE_POLL : 0,
		.name = "rogue",
		.geo = { .nr_queues = 1, .depth = 8, .data_size = rogue_data_size },
	};
}

struct ferry_setup rogue_succession(unsigned int id)
{
	return (struct ferry_setup){
		.size = sizeof(struct ferry_setup),
		.abi = FERRY_ABI,
		.fd = -1,
		.id = id,
	};
}

int rogue_mount_fd(int fd, const char *dir)
{
	char options[128];

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	return mount("rogue", dir, "ferry", 0, options);
}

/* --- the server --------------------------------------------------------------- */

static size_t data_in_len(const struct request *req)
{
	switch (req->head.opcode) {
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)req->arg)->size;
	case FUSE_SETXATTR:
		return ((const struct fuse_setxattr_in *)req->arg)->size;
	}
	return 0;
}

static size_t data_out_room(const struct request *req)
{
	switch (req->head.opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return ((const struct fuse_read_in *)req->arg)->size;
	case FUSE_READLINK:
		return 4096;
	}
	return 0;
}

static bool fetch_rw(struct rogue *r, struct request *req)
{
	ssize_t n;

	do
		n = read(r->fd, r->buf, BUF_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		CHECK_EQ(errno, ENODEV);
		return false;
	}
	memcpy(&req->head, r->buf, sizeof(req->head));
	CHECK_EQ(req->head.len, n);
	req->arg = r->buf + sizeof(req->head);
	req->arg_len = n - sizeof(req->head);
	req->arg_len -= data_in_len(req);
	req->room = data_in_len(req) + data_out_room(req);
	return true;
}

struct ferry_desc *rogue_desc(struct rogue *r, unsigned int tag)
{
	char *queue = r->map + (size_t)(tag / r->geo.depth) * r->geo.queue_size;

	return (struct ferry_desc *)(queue + r->geo.desc_off) + tag % r->geo.depth;
}

char *rogue_slot(struct rogue *r, unsigned int tag)
{
	char *queue = r->map + (size_t)(tag / r->geo.depth) * r->geo.queue_size;

	return queue + r->geo.slot_off + (size_t)(tag % r->geo.depth) * r->geo.slot_size;
}

struct ferry_box *rogue_box(struct rogue *r)
{
	return (struct ferry_box *)(r->map + r->geo.box_off);
}

static void take(struct rogue *r, struct request *req, unsigned int tag)
{
	CHECK(tag < r->geo.nr_queues * r->geo.depth);
	memcpy(r->buf, rogue_slot(r, tag), r->geo.req_size);
	memcpy(&req->head, r->buf, sizeof(req->head));
	req->tag = tag;
	req->arg = r->buf + sizeof(req->head);
	req->arg_len = rogue_desc(r, tag)->req_len - sizeof(req->head);
	req->room = rogue_desc(r, tag)->data_len;
}

int rogue_call(struct rogue *r, unsigned long arg)
{
	int ret;

	if (r->style == URING)
		return ring_command(&r->ring, r->fd, arg);
	ret = ioctl(r->fd, FERRY_IOC_SYNC, arg);
	return ret < 0 ? -errno : ret;
}

static bool fetch_sync(struct rogue *r, struct request *req)
{
	int tag;

	do
		tag = rogue_call(r, FERRY_SYNC_WAIT);
	while (tag == -EINTR || tag == -EAGAIN);
	if (tag < 0) {
		CHECK_EQ(tag, -ENODEV);
		return false;
	}
	take(r, req, tag);
	return true;
}

static bool swap_box(struct ferry_box *box, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&box->box, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* Looks for a millisecond, as if from a processor that no client runs on. */
static bool fetch_poll(struct rogue *r, struct request *req)
{
	volatile struct ferry_box *box = rogue_box(r);
	double end = now() + 0.001;

	box->cpu = rogue_tells_cpu ? (uint32_t)sched_getcpu() : ~0U;
	CHECK(swap_box(rogue_box(r), FERRY_BOX_NONE, FERRY_BOX_SPINNING));
	while (box->box == FERRY_BOX_SPINNING && !box->pending && now() < end)
		;
	if (swap_box(rogue_box(r), FERRY_BOX_SPINNING, FERRY_BOX_NONE))
		return fetch_sync(r, req);
	take(r, req, box->box);
	box->box = FERRY_BOX_NONE;
	return true;
}

bool rogue_fetch(struct rogue *r, struct request *req)
{
	*req = (struct request){ .tag = 0 };
	switch (r->style) {
	case RW:
		return fetch_rw(r, req);
	case POLL:
		return fetch_poll(r, req);
	default:
		return fetch_sync(r, req);
	}
}

static int answer_rw(struct rogue *r, const struct request *req, const struct answer *a)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + a->structs_len + a->data_len + a->claim_len,
		.error = a->error,
		.unique = req->head.unique,
	};
	struct iovec iov[3] = {
		{ &head, sizeof(head) },
		{ (void *)a->structs, a->structs_len },
		{ (void *)a->data, a->data_len },
	};

	return writev(r->fd, iov, 3) < 0 ? errno : 0;
}

static int answer_sync(struct rogue *r, const struct request *req, const struct answer *a)
{
	struct ferry_desc *d = rogue_desc(r, req->tag);
	char *slot = rogue_slot(r, req->tag);

	if (a->structs_len)
		memcpy(slot + r->geo.rep_off, a->structs,
		       a->structs_len < r->geo.rep_size ? a->structs_len : r->geo.rep_size);
	if (a->data_len)
		memcpy(slot + r->geo.data_off, a->data,
		       a->data_len < r->geo.data_size ? a->data_len : r->geo.data_size);
	d->error = a->error;
	d->rep_len = a->structs_len + a->claim_len;
	d->rep_data = a->data_len;
	if (r->style != POLL)
		return -rogue_call(r, FERRY_SYNC_REPLY | req->tag);
	__atomic_store_n(&d->done, 1, __ATOMIC_SEQ_CST);
	if (r->no_kick || !__atomic_load_n(&d->wait, __ATOMIC_SEQ_CST))
		return 0;
	return -rogue_call(r, FERRY_SYNC_KICK | req->tag);
}

int rogue_xfer(struct rogue *r, const struct request *req, unsigned int flags, uint64_t offset,
	       void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct ferry_xfer xfer = {
		.tag = req->tag,
		.flags = flags,
		.offset = offset,
		.iov = (uintptr_t)&iov,
		.nr_iov = 1,
	};

	return ioctl(r->fd, FERRY_IOC_XFER, &xfer);
}

int rogue_answer(struct rogue *r, const struct request *req, const struct answer *a)
{
	return r->style == RW ? answer_rw(r, req, a) : answer_sync(r, req, a);
}

struct fuse_init_out rogue_init(uint32_t flags)
{
	return (struct fuse_init_out){
		.major = 7,
		.minor = 38,
		.max_readahead = 4096,
		.max_write = 65536,
		.time_gran = 1,
		.flags = flags,
	};
}

struct fuse_attr rogue_attr(uint64_t node)
{
	static const uint32_t modes[] = {
		0, S_IFDIR | 0755, S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777, S_IFDIR | 0755,
	};

	return (struct fuse_attr){
		.ino = node,
		.mode = modes[node < COUNT(modes) ? node : 0],
		.nlink = 1,
		.size = node == FILE_NODE ? FILE_SIZE : node == LINK_NODE ? 6 : 0,
		.blksize = 4096,
	};
}

struct fuse_entry_out rogue_entry(uint64_t node)
{
	return (struct fuse_entry_out){ .nodeid = node, .attr = rogue_attr(node) };
}

int rogue_reply(struct rogue *r, const struct request *req, const void *p, size_t len)
{
	return rogue_answer(r, req, &(struct answer){ .structs = p, .structs_len = len });
}

static int answer_error(struct rogue *r, const struct request *req, int error)
{
	return rogue_answer(r, req, &(struct answer){ .error = error });
}

static int answer_init(struct rogue *r, const struct request *req)
{
	struct fuse_init_out out = rogue_init(FUSE_BIG_WRITES | FUSE_MAX_PAGES);

	out.max_pages = 16;
	return rogue_reply(r, req, &out, sizeof(out));
}

void rogue_answer_init(struct rogue *r, const struct request *req, bool passthrough)
{
	struct fuse_init_out out = rogue_init(FUSE_ASYNC_READ | (passthrough ? FUSE_INIT_EXT : 0));

	out.max_readahead = 65536;
	out.flags2 = passthrough ? FERRY_FUSE_PASSTHROUGH : 0;
	(&out.flags2)[1] = passthrough;
	CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
}

static int answer_lookup(struct rogue *r, const struct request *req)
{
	static const char *const names[] = { NULL, NULL, "file", "dir", "link" };
	struct fuse_entry_out out;
	uint64_t node;

	for (node = FILE_NODE; node <= LINK_NODE; node++) {
		if (req->head.nodeid == ROOT && !strcmp(req->arg, names[node])) {
			out = rogue_entry(node);
			return rogue_reply(r, req, &out, sizeof(out));
		}
	}
	return answer_error(r, req, -ENOENT);
}

static int answer_read(struct rogue *r, const struct request *req)
{
	const struct fuse_read_in *in = (const void *)req->arg;
	size_t len = in->offset >= FILE_SIZE ? 0 : FILE_SIZE - in->offset;
	static char data[FILE_SIZE];

	if (len > in->size)
		len = in->size;
	fill_pattern(data, len, in->offset, 1);
	return rogue_answer(r, req, &(struct answer){ .data = data, .data_len = len });
}

static int answer_readdir(struct rogue *r, const struct request *req)
{
	const struct fuse_read_in *in = (const void *)req->arg;
	struct { struct fuse_dirent d; char name[8]; } e = {
		.d = { .ino = FILE_NODE, .off = 1, .namelen = 4, .type = DT_REG },
		.name = "file",
	};

	if (in->offset || req->head.nodeid != ROOT)
		return rogue_answer(r, req, &(struct answer){ 0 });
	return rogue_answer(r, req, &(struct answer){
		.data = &e,
		.data_len = FUSE_DIRENT_SIZE(&e.d),
	});
}

void rogue_be_honest(struct rogue *r, const struct request *req)
{
	struct fuse_attr_out attr = { .attr = rogue_attr(req->head.nodeid) };
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096, .frsize = 4096, .namelen = 255 } };
	struct fuse_write_out written = { 0 };
	struct fuse_entry_out made = rogue_entry(NEW_NODE);
	struct fuse_open_out open = { 0 };
	int err;

	switch (req->head.opcode) {
	case FUSE_INIT:
		err = answer_init(r, req);
		break;
	case FUSE_LOOKUP:
		err = answer_lookup(r, req);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		err = rogue_reply(r, req, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		err = rogue_reply(r, req, &open, sizeof(open));
		break;
	case FUSE_READ:
		err = answer_read(r, req);
		break;
	case FUSE_WRITE:
		written.size = req->room;
		err = rogue_reply(r, req, &written, sizeof(written));
		break;
	case FUSE_READDIR:
		err = answer_readdir(r, req);
		break;
	case FUSE_READLINK:
		err = rogue_answer(r, req, &(struct answer){ .data = "target", .data_len = 6 });
		break;
	case FUSE_STATFS:
		err = rogue_reply(r, req, &statfs, sizeof(statfs));
		break;
	case FUSE_MKDIR:
		err = rogue_reply(r, req, &made, sizeof(made));
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_UNLINK:
	case FUSE_DESTROY:
		err = answer_error(r, req, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		/* No reply; the slot, where there is one, is given back all the same. */
		err = r->style == RW ? 0 : answer_error(r, req, 0);
		break;
	default:
		err = answer_error(r, req, -ENOSYS);
	}
	/* ENOENT, ENODEV: its client was killed, or all is over. */
	CHECK(err == 0 || err == ENOENT || err == ENODEV);
}

/* One after the other in memory. */
static void map_queues(struct rogue *r)
{
	size_t size = r->geo.queue_size;
	unsigned int i;

	r->map = mmap(NULL, r->geo.nr_queues * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(r->map != MAP_FAILED);
	for (i = 0; i < r->geo.nr_queues; i++)
		CHECK(mmap(r->map + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   r->fd, (off_t)(i * size)) != MAP_FAILED);
}

static void serve(struct rogue *r)
{
	struct request req;

	r->buf = xmalloc(BUF_SIZE);
	if (r->style != RW)
		map_queues(r);
	if (r->style == URING)
		ring_open(&r->ring);
	while (rogue_fetch(r, &req)) {
		if (r->lie && r->lie(r, &req))
			(*r->told)++;
		else
			rogue_be_honest(r, &req);
	}
}

struct rogue rogue_start(enum style style, lie_fn lie)
{
	return rogue_start_as(rogue_setup(style), style, lie);
}

struct rogue rogue_start_as(struct ferry_setup setup, enum style style, lie_fn lie)
{
	struct rogue r = { .style = style, .lie = lie, .fd = rogue_open() };
	int go[2];
	char c;

	DO(ioctl(r.fd, FERRY_IOC_CREATE, &setup));
	r.id = setup.id;
	r.geo = setup.geo;
	r.page = mmap(NULL, ROGUE_PAGE + 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(r.page != MAP_FAILED);
	r.told = r.page + ROGUE_PAGE;
	DO(mkdir("mnt", 0755));
	/* Only a mount binds the channel; before, there is nothing to fetch. */
	DO(pipe(go));
	r.pid = DO(fork());
	if (!r.pid) {
		CHECK_EQ(read(go[0], &c, 1), 1);
		serve(&r);
		fflush(stdout);
		_exit(0);
	}
	if (rogue_mount_fd(r.fd, "mnt")) {
		int err = errno;

		kill(r.pid, SIGKILL);
		claim_fail(__FILE__, __LINE__, "mount: %s", strerror(err));
	}
	write_all(go[1], "", 1);
	/* The server's descriptor is the last one of the channel. */
	DO(close(r.fd));
	r.fd = -1;
	return r;
}

void rogue_next(struct rogue *r, lie_fn lie)
{
	struct ferry_setup setup = rogue_succession(r->id);
	int up[2];
	char c;

	DO(pipe(up));
	r->lie = lie;
	r->pid = DO(fork());
	if (!r->pid) {
		close(up[0]);
		r->fd = rogue_open();
		DO(ioctl(r->fd, FERRY_IOC_ATTACH, &setup));
		r->geo = setup.geo;
		write_all(up[1], "", 1);
		serve(r);
		fflush(stdout);
		_exit(0);
	}
	DO(close(up[1]));
	CHECK_EQ(read(up[0], &c, 1), 1);
	DO(close(up[0]));
}

bool rogue_gone(pid_t pid, int *status, double seconds)
{
	double end = now() + patience(seconds);

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now() > end)
			return false;
		usleep(10000);
	}
	return true;
}

void rogue_end(struct rogue *r)
{
	int status, i;

	for (i = 0; umount("mnt") && i < 50; i++) {
		CHECK_EQ(errno, EBUSY);
		usleep(20000);
	}
	CHECK(i < 50);
	if (r->pid > 0) {
		if (!rogue_gone(r->pid, &status, 10))
			claim_fail(__FILE__, __LINE__, "the server did not end after umount");
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	DO(rmdir("mnt"));
}

void rogue_await(const struct rogue *r, int nr)
{
	CHECK_SOON(*r->told >= nr, 20, "%d requests to lie about, not %d", *r->told, nr);
}

void rogue_kill(struct rogue *r)
{
	int status;

	DO(kill(r->pid, SIGKILL));
	DO(waitpid(r->pid, &status, 0));
	if (WIFEXITED(status))
		CHECK_EQ(WEXITSTATUS(status), 0);
	r->pid = 0;
}
