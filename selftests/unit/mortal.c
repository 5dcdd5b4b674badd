// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/ring.h"
#include "../../lib/saved.h"
#include "../../lib/state.h"
#include "../claim.h"
#include "fsclient.h"
#include "kill_points.h"
#include "mortal.h"
#include "xfer.h"

#define DATA_SIZE	8192U		/* of the slot */
#define DATA_MAX	(1U << 20)	/* of the client */
#define QUEUE_SIZE	(12288 + DATA_SIZE)

static const struct ferry_geometry geo = {
	.nr_queues = 1, .depth = 1, .box_off = 0, .desc_off = 64, .note_off = 1024,
	.slot_off = 4096, .req_size = 4096, .rep_off = 4096, .rep_size = 4096, .data_off = 8192,
	.data_size = DATA_SIZE, .inline_max = DATA_SIZE / 2, .slot_size = 8192 + DATA_SIZE,
	.queue_size = QUEUE_SIZE,
};

/**
 * struct client - shared with the server's processes: what stands for the kernel's memory
 * @data: the request's pages
 * @data_in: which way
 * @pushed: reply data that came by XFER
 * @stores: see mortal_call()
 * @attach_stores: in how many the next process dies before it serves; 0: never
 * @count: see mortal_stores()
 * @used: see mortal_used()
 * @state_fd: of the process that made it
 */
struct client {
	char data[DATA_MAX];
	u32 data_len;
	bool data_in;
	u32 pushed;
	u32 stores;
	u32 attach_stores;
	u32 count;
	u64 used;
	int state_fd;
};

extern const struct ferry_backend ferry_backend;

static struct client *client;
static char *queue;		/* the parent's mapping */
static int queue_fd, state_fd = -1;
static const char *server_args;
static pid_t server_pid;
static int server_pidfd;
static int server_fds;		/* the lowest number that it found free */
static int sock;		/* the server's end is server_sock */
static int server_sock;
static u64 unique;
static unsigned int deaths, deaths_marked;
static void (*overtake)(void);

static struct ferry_desc *desc(void)
{
	return (struct ferry_desc *)(queue + geo.desc_off);
}

/* The server's side. */

void ferry_session_answered(struct ferry_session *session)
{
	__atomic_store_n(&session->up, true, __ATOMIC_RELAXED);
}

void ferry_saved_serve(struct ferry_session *session, struct ferry_req *req)
{
	ferry_reply_err(req, -ENOSYS);
}

void ferry_saved_wait(struct ferry_session *session)
{
}

static int sync_ioctl(unsigned long arg)
{
	struct { unsigned long arg; } ask = { arg };
	int ret;

	client->count = kill_points;
	if (send(server_sock, &ask, sizeof(ask), 0) != sizeof(ask) ||
	    recv(server_sock, &ret, sizeof(ret), 0) != sizeof(ret))
		_exit(1);
	kill_points = 0;
	kill_in = client->stores;
	fs_clock(((const struct fuse_in_header *)(queue + geo.slot_off))->unique);
	return ret;
}

static int xfer_ioctl(const struct ferry_xfer *x)
{
	if (x->flags & FERRY_XFER_FD)
		return -EOPNOTSUPP;
	return xfer_move(x, client->data, client->data_len, client->data_in, &client->pushed);
}

int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	unsigned long arg;
	va_list ap;
	int ret;

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	ret = cmd == FERRY_IOC_SYNC ? sync_ioctl(arg) :
	      cmd == FERRY_IOC_XFER ? xfer_ioctl((void *)arg) : -EOPNOTSUPP;
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

static void serve(void)
{
	struct ferry_worker worker = { .fd = queue_fd };
	struct ferry_session session = {
		.class = ferry_backend.fs ? FERRY_CLASS_FS : FERRY_CLASS_BLOCK,
		.loop = &ferry_loop_sync, .workers = &worker, .nr_workers = 1, .geo = geo,
		.state_fd = state_fd, .up = true,
	};
	bool first = state_fd < 0;

	worker.session = &session;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A process may die before it serves, too. */
	kill_in = client->attach_stores;
	if (first)
		CHECK_EQ(ferry_state_create(&ferry_backend, &session.state_fd), 0);
	CHECK_EQ(session.loop->open(&session), 0);
	if (!first)
		CHECK_EQ(ferry_state_attach(&ferry_backend, state_fd, ferry_ring_mark,
					    session.loop_data), 0);
	client->used = state_heap_used();
	CHECK_EQ(ferry_server_init(&session.server, &ferry_backend, session.class, server_args),
		 0);
	CHECK(ferry_state_ready());
	ferry_ring_read_notes(session.loop_data);
	client->state_fd = session.state_fd;
	CHECK_EQ(session.loop->run(&worker), 0);
	_exit(0);
}

/* The kernel's side. */

/* As ferryd's supervisor: the table of descriptors is shared, and outlives the process. */
static void start_server(void)
{
	int fds[2];

	DO(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	sock = fds[0];
	server_sock = fds[1];
	server_fds = DO(dup(sock));
	close(server_fds);
	server_pid = DO(syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL));
	if (!server_pid)
		serve();
	server_pidfd = DO(syscall(SYS_pidfd_open, server_pid, 0));
}

/* As the supervisor closes what a dead one left; here others have their files in between. */
static void close_left(void)
{
	struct stat state, st;
	int fd;

	if (state_fd < 0 || fstat(state_fd, &state))
		return;
	for (fd = server_fds; fd < FERRY_KEPT_FD; fd++)
		if (fd != state_fd && !fstat(fd, &st) &&
		    st.st_ino == state.st_ino && st.st_dev == state.st_dev) {
			close(fd);
			return;
		}
}

static void forget_server(void)
{
	close_left();
	close(sock);
	close(server_sock);
	close(server_pidfd);
	server_pid = 0;
}

static void reap_server(void)
{
	int status;

	DO(waitpid(server_pid, &status, 0));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		claim_fail(__FILE__, __LINE__, "the server ended with status %#x", status);
	forget_server();
	deaths++;
}

/* What the server says with its next ioctl(); false: it died. */
static bool hear(unsigned long *arg)
{
	struct pollfd pfd[] = { { .fd = sock, .events = POLLIN },
				{ .fd = server_pidfd, .events = POLLIN } };

	DO(poll(pfd, 2, -1));
	return recv(sock, arg, sizeof(*arg), MSG_DONTWAIT) == sizeof(*arg);
}

static void tell(int ret)
{
	send(sock, &ret, sizeof(ret), MSG_NOSIGNAL);
}

/* A server that waits for a request; it may have to be started more than once. */
static void await_server(void)
{
	unsigned long arg;

	for (;;) {
		if (!server_pid)
			start_server();
		if (hear(&arg)) {
			CHECK_EQ(arg, FERRY_SYNC_WAIT);
			return;
		}
		reap_server();
		client->attach_stores = 0;
	}
}

void mortal_start(const char *args)
{
	client = mmap(NULL, sizeof(*client), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(client != MAP_FAILED);
	queue_fd = DO(memfd_create("queue", 0));
	DO(ftruncate(queue_fd, geo.queue_size));
	queue = mmap(NULL, geo.queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, queue_fd, 0);
	CHECK(queue != MAP_FAILED);
	server_args = args;
	await_server();
	state_fd = client->state_fd;
}

void mortal_overtake(void (*first)(void))
{
	overtake = first;
}

/* The queue has one slot, which is lent: to the server that makes no difference. */
static void let_overtake(void)
{
	static char under_way[QUEUE_SIZE];
	static struct client of_it;
	void (*first)(void) = overtake;

	overtake = NULL;
	memcpy(under_way, queue, sizeof(under_way));
	of_it = *client;
	first();
	*client = of_it;
	memcpy(queue, under_way, sizeof(under_way));
}

/* The request is in the slot: until it is answered, or nobody wants it any more. */
static bool deliver(bool drop)
{
	const u64 id = unique;
	unsigned long arg;

	for (;;) {
		desc()->done = 0;
		client->pushed = 0;
		tell(0);
		if (hear(&arg)) {
			CHECK_EQ(arg, 0 | FERRY_SYNC_REPLY | FERRY_SYNC_WAIT);
			return true;
		}
		reap_server();
		deaths_marked += desc()->mark == id;
		if (drop && desc()->mark != id)
			return false;
		desc()->flags |= FERRY_DESC_AGAIN;
		/* Some of those that follow die as well, some of them before they serve. */
		client->attach_stores = deaths % 8 ? 0 : client->stores;
		client->stores = deaths % 4 ? 0 : client->stores / 2;
		await_server();
		if (overtake)
			let_overtake();
	}
}

static u32 put(u32 at, const void *p, u32 len)
{
	memcpy(queue + geo.slot_off + at, p, len);
	return at + len;
}

int mortal_call(uint32_t stores, bool drop, u32 opcode, u64 node, const void *in, u32 in_len,
		const char *name1, const char *name2, void *out, u32 out_len,
		void *data, u32 data_len, bool data_in)
{
	struct fuse_in_header h = { .opcode = opcode, .nodeid = node, .unique = ++unique };
	struct ferry_desc *d = desc();
	u32 at = put(sizeof(h), in, in_len);

	if (!server_pid)
		await_server();
	if (name1)
		at = put(at, name1, strlen(name1) + 1);
	if (name2)
		at = put(at, name2, strlen(name2) + 1);
	h.len = at + (data_in ? data_len : 0);
	put(0, &h, sizeof(h));
	d->flags = data_in ? FERRY_DESC_DATA_IN : data_len ? FERRY_DESC_DATA_OUT : 0;
	d->req_len = at;
	d->data_len = data_len;
	CHECK(data_len <= DATA_MAX);
	if (data_in) {
		memcpy(client->data, data, data_len);
		if (data_len <= DATA_SIZE) {
			d->flags |= FERRY_DESC_IN_SLOT;
			put(geo.data_off, data, data_len);
		}
	}
	client->data_in = data_in;
	client->data_len = data_len;
	client->stores = stores;
	if (!deliver(drop))
		return MORTAL_DROPPED;
	client->stores = 0;
	if (d->error)
		return d->error;
	CHECK_EQ(d->rep_len, out_len);
	memcpy(out, queue + geo.slot_off + geo.rep_off, out_len);
	CHECK(client->pushed + d->rep_data <= data_len || data_in);
	if (data_in)
		return 0;
	memcpy(client->data + client->pushed, queue + geo.slot_off + geo.data_off, d->rep_data);
	memcpy(data, client->data, client->pushed + d->rep_data);
	return client->pushed + d->rep_data;
}

unsigned int mortal_deaths(unsigned int *marked)
{
	*marked = deaths_marked;
	return deaths;
}

u32 mortal_stores(void)
{
	return client->count;
}

void mortal_kill(void)
{
	DO(kill(server_pid, SIGKILL));
	reap_server();
}

u64 mortal_used(void)
{
	return client->used;
}

void mortal_end(void)
{
	int status;

	if (!server_pid)
		await_server();
	tell(-ENODEV);
	DO(waitpid(server_pid, &status, 0));
	CHECK_EQ(status, 0);
	forget_server();
	close_range(FERRY_KEPT_FD, ~0U, 0);
	close(state_fd);
	state_fd = -1;
	close(queue_fd);
	munmap(queue, geo.queue_size);
	munmap(client, sizeof(*client));
	unique = 0;
}
