// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../claim.h"
#include "loop_kernel.h"
#include "xfer.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gone, held;

/* Style sync: slots in memory that is mapped twice, ioctl() caught by the linker. */
enum { IDLE, QUEUED, FETCHED, ANSWERED };

static struct ferry_geometry geo;
static char *mem;
static struct call **slots;

static u32 nr_slots(void)
{
	return geo.nr_queues * geo.depth;
}

static char *queue_of(u32 tag)
{
	return mem + (size_t)(tag / geo.depth) * geo.queue_size;
}

static char *slot_of(u32 tag)
{
	return queue_of(tag) + geo.slot_off + (size_t)(tag % geo.depth) * geo.slot_size;
}

static struct ferry_desc *desc_of(u32 tag)
{
	return (struct ferry_desc *)(queue_of(tag) + geo.desc_off) + tag % geo.depth;
}

static void sync_open(struct ferry_session *session)
{
	u32 i;
	int fd = DO(memfd_create("queues", MFD_CLOEXEC));

	geo = session->geo;
	DO(ftruncate(fd, (off_t)geo.nr_queues * geo.queue_size));
	mem = mmap(NULL, (size_t)geo.nr_queues * geo.queue_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	CHECK(mem != MAP_FAILED);
	slots = xmalloc(nr_slots() * sizeof(*slots));
	for (i = 0; i < session->nr_workers; i++)
		session->workers[i].fd = fd;
}

static void put_message(struct fuse_in_header *h, const struct call *call)
{
	*h = (struct fuse_in_header){
		.len = sizeof(*h) + call->in_len + (call->data_in ? call->data_len : 0),
		.opcode = call->opcode, .nodeid = call->node, .unique = (uintptr_t)call,
	};
	if (call->in_len)
		memcpy(h + 1, call->in, call->in_len);
}

static void sync_call(struct call *call)
{
	struct ferry_desc *desc;
	u32 tag = 0;

	pthread_mutex_lock(&lock);
	while (slots[tag]) {
		if (++tag < nr_slots())
			continue;
		pthread_cond_wait(&changed, &lock);
		tag = 0;
	}
	slots[tag] = call;
	desc = desc_of(tag);
	memset(desc, 0, sizeof(*desc));
	put_message((void *)slot_of(tag), call);
	desc->req_len = sizeof(struct fuse_in_header) + call->in_len;
	desc->data_len = call->data_len;
	if (call->data_in) {
		desc->flags = FERRY_DESC_DATA_IN;
		if (call->data_len <= geo.inline_max) {
			desc->flags |= FERRY_DESC_IN_SLOT;
			memcpy(slot_of(tag) + geo.data_off, call->data, call->data_len);
		}
	} else if (call->data_len) {
		desc->flags = FERRY_DESC_DATA_OUT;
	}
	call->pushed = 0;
	call->state = QUEUED;
	pthread_cond_broadcast(&changed);
	while (call->state != ANSWERED)
		pthread_cond_wait(&changed, &lock);
	slots[tag] = NULL;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static int answer(u32 tag)
{
	const struct ferry_desc *desc = desc_of(tag);
	struct call *call = slots[tag];

	if (!call || call->state != FETCHED)
		return -ENOENT;
	call->error = desc->error;
	if (!call->error) {
		CHECK(desc->rep_len <= call->out_len);
		CHECK(!desc->rep_data || call->data_len <= geo.data_size);
		CHECK(call->pushed + desc->rep_data <= call->data_len);
		call->out_len = desc->rep_len;
		if (desc->rep_len)
			memcpy(call->out, slot_of(tag) + geo.rep_off, desc->rep_len);
		if (desc->rep_data)
			memcpy((char *)call->data + call->pushed, slot_of(tag) + geo.data_off,
			       desc->rep_data);
		call->pushed += desc->rep_data;
	}
	call->state = ANSWERED;
	pthread_cond_broadcast(&changed);
	return 0;
}

static int sync_ioctl(unsigned long arg)
{
	u32 tag;
	int err;

	if (arg & FERRY_SYNC_REPLY) {
		err = answer(arg & FERRY_SYNC_TAG);
		if (err)
			return err;
	}
	if (!(arg & FERRY_SYNC_WAIT)) {
		while (held)
			pthread_cond_wait(&changed, &lock);
		return 0;
	}
	for (;;) {
		for (tag = 0; tag < nr_slots(); tag++) {
			if (slots[tag] && slots[tag]->state == QUEUED) {
				slots[tag]->state = FETCHED;
				return tag;
			}
		}
		if (gone)
			return -ENODEV;
		pthread_cond_wait(&changed, &lock);
	}
}

static int xfer_ioctl(const struct ferry_xfer *x)
{
	struct call *call = slots[x->tag];

	if (!call || call->state != FETCHED)
		return -ENOENT;
	CHECK(x->nr_iov <= 1024 && !x->fd && !x->pos && !x->len);
	return xfer_move(x, call->data, call->data_len, call->data_in, &call->pushed);
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
	pthread_mutex_lock(&lock);
	ret = cmd == FERRY_IOC_SYNC ? sync_ioctl(arg) : xfer_ioctl((void *)arg);
	pthread_mutex_unlock(&lock);
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

static void sync_unbind(void)
{
	pthread_mutex_lock(&lock);
	gone = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

void kernel_sync_hold(bool hold)
{
	pthread_mutex_lock(&lock);
	held = hold;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

const struct kernel kernel_sync = { sync_open, sync_call, sync_unbind };

/* Style rw: a pair of sockets for each thread, whose packets are messages. */
#define PACKET	(2U << 20)

static int *client_fds;
static u32 nr_clients;

static void *replies(void *arg)
{
	int fd = *(int *)arg;
	struct fuse_out_header *h = malloc(PACKET);
	ssize_t n;

	while ((n = recv(fd, h, PACKET, 0)) > 0) {
		struct call *call = (void *)(uintptr_t)h->unique;
		u32 len = n - sizeof(*h);

		CHECK_EQ(h->len, n);
		pthread_mutex_lock(&lock);
		call->error = h->error;
		call->pushed = 0;
		if (!call->error && call->data_len && !call->data_in) {
			CHECK(len <= call->data_len);
			memcpy(call->data, h + 1, len);
			call->pushed = len;
			call->out_len = 0;
		} else if (!call->error) {
			CHECK(len <= call->out_len);
			call->out_len = len;
			if (len)
				memcpy(call->out, h + 1, len);
		}
		call->state = ANSWERED;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	free(h);
	return NULL;
}

static void rw_open(struct ferry_session *session)
{
	const int size = 8 * PACKET;
	pthread_t thread;
	u32 i;

	nr_clients = session->nr_workers;
	client_fds = xmalloc(nr_clients * sizeof(*client_fds));
	for (i = 0; i < nr_clients; i++) {
		int fds[2];

		DO(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
		DO(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)));
		DO(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)));
		session->workers[i].fd = fds[0];
		client_fds[i] = fds[1];
		CHECK_EQ(pthread_create(&thread, NULL, replies, &client_fds[i]), 0);
		pthread_detach(thread);
	}
}

static void rw_call(struct call *call)
{
	static u32 next;
	char head[sizeof(struct fuse_in_header) + 512];
	struct iovec iov[] = {
		{ head, sizeof(struct fuse_in_header) + call->in_len },
		{ call->data, call->data_in ? call->data_len : 0 },
	};
	u32 to = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % nr_clients;

	put_message((void *)head, call);
	call->state = QUEUED;
	CHECK_EQ(DO(writev(client_fds[to], iov, 2)), iov[0].iov_len + iov[1].iov_len);
	pthread_mutex_lock(&lock);
	while (call->state != ANSWERED)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

/* An end of file is no -ENODEV, but a message of no bytes ends the loop as well. */
static void rw_unbind(void)
{
	u32 i;

	for (i = 0; i < nr_clients; i++)
		shutdown(client_fds[i], SHUT_RDWR);
}

const struct kernel kernel_rw = { rw_open, rw_call, rw_unbind };
