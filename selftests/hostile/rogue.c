// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#define BUF_SIZE	(2 << 20)

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
		.flags = style == RW ? FERRY_CREATE_RW : 0,
		.name = "rogue",
		.geo = { .nr_queues = 1, .depth = 8, .data_size = 65536 },
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

static struct ferry_desc *desc_of(struct rogue *r, unsigned int tag)
{
	return (struct ferry_desc *)(r->map + r->geo.desc_off) + tag;
}

static char *slot_of(struct rogue *r, unsigned int tag)
{
	return r->map + r->geo.slot_off + (size_t)tag * r->geo.slot_size;
}

static bool fetch_sync(struct rogue *r, struct request *req)
{
	int tag;

	do
		tag = ioctl(r->fd, FERRY_IOC_SYNC, FERRY_SYNC_WAIT);
	while (tag < 0 && errno == EINTR);
	if (tag < 0) {
		CHECK_EQ(errno, ENODEV);
		return false;
	}
	CHECK((unsigned int)tag < r->geo.depth);
	memcpy(r->buf, slot_of(r, tag), r->geo.req_size);
	memcpy(&req->head, r->buf, sizeof(req->head));
	req->tag = tag;
	req->arg = r->buf + sizeof(req->head);
	req->arg_len = desc_of(r, tag)->req_len - sizeof(req->head);
	req->room = desc_of(r, tag)->data_len;
	return true;
}

bool rogue_fetch(struct rogue *r, struct request *req)
{
	*req = (struct request){ .tag = 0 };
	return r->style == RW ? fetch_rw(r, req) : fetch_sync(r, req);
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
	struct ferry_desc *d = desc_of(r, req->tag);
	char *slot = slot_of(r, req->tag);

	if (a->structs_len)
		memcpy(slot + r->geo.rep_off, a->structs,
		       a->structs_len < r->geo.rep_size ? a->structs_len : r->geo.rep_size);
	if (a->data_len)
		memcpy(slot + r->geo.data_off, a->data,
		       a->data_len < r->geo.data_size ? a->data_len : r->geo.data_size);
	d->error = a->error;
	d->rep_len = a->structs_len + a->claim_len;
	d->rep_data = a->data_len;
	return ioctl(r->fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | req->tag) < 0 ? errno : 0;
}

int rogue_answer(struct rogue *r, const struct request *req, const struct answer *a)
{
	return r->style == RW ? answer_rw(r, req, a) : answer_sync(r, req, a);
}

struct fuse_attr rogue_attr(uint64_t node)
{
	static const uint32_t modes[] = {
		0, S_IFDIR | 0755, S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777,
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

static int answer_structs(struct rogue *r, const struct request *req, const void *p, size_t len)
{
	return rogue_answer(r, req, &(struct answer){ .structs = p, .structs_len = len });
}

static int answer_error(struct rogue *r, const struct request *req, int error)
{
	return rogue_answer(r, req, &(struct answer){ .error = error });
}

static int answer_init(struct rogue *r, const struct request *req)
{
	struct fuse_init_out out = {
		.major = 7,
		.minor = 38,
		.max_readahead = 4096,
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES,
		.max_write = 65536,
		.max_pages = 16,
		.time_gran = 1,
	};

	return answer_structs(r, req, &out, sizeof(out));
}

static int answer_lookup(struct rogue *r, const struct request *req)
{
	static const char *const names[] = { NULL, NULL, "file", "dir", "link" };
	struct fuse_entry_out out;
	uint64_t node;

	for (node = FILE_NODE; node <= LINK_NODE; node++) {
		if (req->head.nodeid == ROOT && !strcmp(req->arg, names[node])) {
			out = rogue_entry(node);
			return answer_structs(r, req, &out, sizeof(out));
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
		err = answer_structs(r, req, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		err = answer_structs(r, req, &open, sizeof(open));
		break;
	case FUSE_READ:
		err = answer_read(r, req);
		break;
	case FUSE_WRITE:
		written.size = req->room;
		err = answer_structs(r, req, &written, sizeof(written));
		break;
	case FUSE_READDIR:
		err = answer_readdir(r, req);
		break;
	case FUSE_READLINK:
		err = rogue_answer(r, req, &(struct answer){ .data = "target", .data_len = 6 });
		break;
	case FUSE_STATFS:
		err = answer_structs(r, req, &statfs, sizeof(statfs));
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
		/* No reply; in style sync the slot is given back all the same. */
		err = r->style == SYNC ? answer_error(r, req, 0) : 0;
		break;
	default:
		err = answer_error(r, req, -ENOSYS);
	}
	/* ENOENT, ENODEV: its client was killed, or all is over. */
	CHECK(err == 0 || err == ENOENT || err == ENODEV);
}

static void serve(struct rogue *r)
{
	struct request req;

	r->buf = xmalloc(BUF_SIZE);
	if (r->style == SYNC) {
		r->map = mmap(NULL, r->geo.queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
		CHECK(r->map != MAP_FAILED);
	}
	while (rogue_fetch(r, &req)) {
		if (r->lie && r->lie(r, &req))
			(*r->told)++;
		else
			rogue_be_honest(r, &req);
	}
}

struct rogue rogue_start(enum style style, lie_fn lie)
{
	struct rogue r = { .style = style, .lie = lie, .fd = rogue_open() };
	struct ferry_setup setup = rogue_setup(style);
	int go[2];
	char c;

	DO(ioctl(r.fd, FERRY_IOC_CREATE, &setup));
	r.geo = setup.geo;
	r.told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(r.told != MAP_FAILED);
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

static bool gone_within(pid_t pid, int *status, double seconds)
{
	double end = now() + seconds;

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
		if (!gone_within(r->pid, &status, 10))
			claim_fail(__FILE__, __LINE__, "the server did not end after umount");
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	DO(rmdir("mnt"));
}

void rogue_await(const struct rogue *r, int nr)
{
	double end = now() + 20;

	while (*r->told < nr) {
		if (now() > end)
			claim_fail(__FILE__, __LINE__, "%d requests to lie about, not %d", *r->told, nr);
		usleep(10000);
	}
}

void rogue_kill(struct rogue *r)
{
	DO(kill(r->pid, SIGKILL));
	DO(waitpid(r->pid, NULL, 0));
	r->pid = 0;
}

/* --- the client --------------------------------------------------------------- */

pid_t rogue_client(int (*op)(void))
{
	pid_t pid = DO(fork());

	if (!pid) {
		errno = 0;
		_exit(op() ? errno : 0);
	}
	return pid;
}

int rogue_try(int (*op)(void), unsigned int seconds)
{
	pid_t pid = rogue_client(op);
	int status;

	if (!gone_within(pid, &status, seconds)) {
		rogue_dies(pid, 2);
		claim_fail(__FILE__, __LINE__, "the client waits for more than %u s", seconds);
	}
	if (!WIFEXITED(status))
		claim_fail(__FILE__, __LINE__, "the client died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

void rogue_dies(pid_t pid, double seconds)
{
	int status;

	DO(kill(pid, SIGKILL));
	if (!gone_within(pid, &status, seconds))
		claim_fail(__FILE__, __LINE__, "process %d is there %.1f s after its SIGKILL",
			   (int)pid, seconds);
}

int op_stat_file(void)
{
	struct stat st;

	return stat("mnt/file", &st);
}

static int read_with(int flags)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = open("mnt/file", O_RDONLY | flags);

	return fd < 0 || read(fd, buf, FILE_SIZE) < 0 ? -1 : 0;
}

int op_read_file(void)
{
	return read_with(0);
}

int op_read_direct(void)
{
	return read_with(O_DIRECT);
}

int op_write_direct(void)
{
	char *buf = xmalloc(4096);
	int fd = open("mnt/file", O_WRONLY | O_DIRECT);

	return fd < 0 || write(fd, buf, 4096) < 0 ? -1 : 0;
}

int op_open_file(void)
{
	int fd = open("mnt/file", O_RDWR);

	return fd < 0 ? -1 : 0;
}

static int list(const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	if (!dir)
		return -1;
	errno = 0;
	while (readdir(dir) && nr++ < 1000)
		;
	return errno ? -1 : 0;
}

int op_list(void)
{
	return list("mnt");
}

int op_list_dir(void)
{
	return list("mnt/dir");
}

int op_readlink(void)
{
	static char buf[8192];

	return readlink("mnt/link", buf, sizeof(buf)) < 0 ? -1 : 0;
}

int op_statfs(void)
{
	struct statfs sf;

	return statfs("mnt", &sf);
}
